// SPDX-License-Identifier: Apache-2.0
// Tells running agents about our queues, by the protocol of docs/user-queues.md: the port driver is its first speaker.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/os/unique_fd.h"
#include "agent/port/channel.h"
#include "agent/port/port.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

/// One line of the protocol. Bytes, milliseconds; what is nothing is not said.
struct QueueWord {
  std::string local, remote;  ///< "127.0.0.1:40000"
  std::string name{};
  std::uint64_t queued = 0;
  std::optional<std::uint64_t> high{}, low{}, waited_ms{}, message_queue{}, message_high{}, message_low{};
  std::optional<std::uint64_t> accepted{}, bypassed{}, dropped{}, refused{};
  std::optional<std::uint32_t> waiting{}, suspended{};
  std::optional<bool> busy{}, message_busy{}, pending_shutdown{};
  bool ended = false;
  bool operator==(const QueueWord&) const = default;
};
std::string to_line(const QueueWord& word);

/// The addresses are not known to ports: they are of the socket under them.
QueueWord word_of(const Port& port, std::string local, std::string remote);
/// The queue of the channel and that of its driver are one to its senders: `queued` is both.
QueueWord word_of(const Channel& channel, std::string local, std::string remote);

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
  Id add(std::function<QueueWord()> look);
  /// Says the last word (ended=1) and forgets it.
  void remove(Id id);
  void speak_now();  ///< does not wait for the turn

 private:
  struct Spoken {
    std::function<QueueWord()> look;
    QueueWord last;
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
