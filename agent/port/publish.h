// SPDX-License-Identifier: Apache-2.0
// Tells running agents about our queues, by the protocol of docs/user-queues.md: the port driver is its first speaker.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "advisor/evidence/queue_line.h"
#include "agent/os/unique_fd.h"
#include "agent/port/channel.h"
#include "agent/port/port.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

/// Of addresses as local_address() and remote_address() give them.
ConnectionName connection_of(const std::string& local, const std::string& remote);
/// What there is to say of a port or channel. Its connection is not known to it: that is of the socket under it.
UserQueueClaim claim_of(const Port& port, const ConnectionName& connection);
/// The queue of the channel and that of its driver are one to its senders: `queued` is both.
UserQueueClaim claim_of(const Channel& channel, const ConnectionName& connection);

/// Speaks while it lives: every connection once a second, and 0.2 s after a change; to agents that are too busy again
/// after 0.2 s. A turn looks at 256 connections at most, so with more of them both may take 0.8 s. Never blocks, and
/// what cannot be said is not an error. One thread.
class Publisher {
 public:
  /// `directories` empty: those of the protocol, by the environment.
  explicit Publisher(Timers& timers, std::vector<std::string> directories = {});
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  static constexpr std::size_t kMostConnections = 1'024;  ///< an agent hears no more of one process
  static constexpr std::size_t kLooksPerTurn = 256;

  using Id = std::uint64_t;
  /// `look` is asked from the next turn on; it must stay valid until remove(). 0, and nothing is ever said of it, when
  /// there are kMostConnections already.
  Id add(std::function<UserQueueClaim()> look);
  /// Says the last word (ended=1) and forgets it.
  void remove(Id id);
  void speak_now();  ///< does not wait for the turn

 private:
  struct Spoken {
    std::function<UserQueueClaim()> look;
    UserQueueClaim last;
    Time at{};
    bool heard = false;  ///< no agent was too busy
  };

  void turn();
  bool send_to_all(const std::string& datagram);

  Timers& timers_;
  std::vector<std::string> directories_;
  os::UniqueFd socket_;
  std::map<Id, Spoken> connections_;
  Id last_id_ = 0;
  Id looked_at_ = 0;  ///< the last one of the turn before
  TimerId timer_ = 0, soon_ = 0;
};

}  // namespace tcpadvisor::port
