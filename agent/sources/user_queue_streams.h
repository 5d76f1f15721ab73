// SPDX-License-Identifier: Apache-2.0
// The same lines over a stream, for languages that have no Unix datagrams (Node, Java): <pid>.stream beside <pid>.sock.
// Whoever holds a stream open is nobody special: each piece counts as a datagram of the process that wrote it.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"
#include "agent/sources/user_queue_inbox.h"

namespace tcpadvisor::sources {

struct StreamLimits {
  std::size_t in_all = 256, per_process = 4;  ///< streams
  std::uint64_t idle_ms = 5'000;              ///< one that has been silent for so long makes room when all are taken
  std::uint64_t pause_ms = 1'000;             ///< before the next accept(), when there was no descriptor for the last
};

class UserQueueStreams {
 public:
  /// Listens at `path`, for everybody.
  static Result<UserQueueStreams> open(std::string path, StreamLimits limits = {});
  UserQueueStreams(UserQueueStreams&&) = default;
  UserQueueStreams& operator=(UserQueueStreams&&) = default;
  ~UserQueueStreams();  ///< `path` is gone

  /// Adds what to wait for; returns for how long at most, in ms (-1: for ever).
  int poll_for(std::vector<pollfd>& all, std::uint64_t now_ms) const;
  /// Accepts, and reads at most one datagram's worth of each stream. Whole lines that `inbox` admits go to `keep`; a
  /// stream that says too much, or a line without an end, is closed.
  void receive(UserQueueInbox& inbox, std::uint64_t now_ms, const std::function<void(Pid, std::string)>& keep);
  std::size_t size() const { return streams_.size(); }

 private:
  struct Stream {
    os::UniqueFd fd;
    Pid opener = 0;     ///< who connected
    Pid speaker = 0;    ///< who wrote `begun`
    std::string begun;  ///< of a line
    std::uint64_t heard_ms = 0;
  };
  UserQueueStreams(os::UniqueFd fd, std::string path, StreamLimits limits)
      : fd_(std::move(fd)), path_(std::move(path)), limits_(limits) {}
  void accept_some(UserQueueInbox& inbox, std::uint64_t now_ms);
  bool make_room(Pid opener, std::uint64_t now_ms);
  bool read(Stream& stream, UserQueueInbox& inbox, std::uint64_t now_ms,
            const std::function<void(Pid, std::string)>& keep);

  os::UniqueFd fd_;
  std::string path_;
  StreamLimits limits_;
  std::list<Stream> streams_;
  std::uint64_t accept_from_ms_ = 0;
};

}  // namespace tcpadvisor::sources
