// SPDX-License-Identifier: Apache-2.0
// The socket that programs send their queues to (docs/user-queues.md), and the thread that empties it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "advisor/base/result.h"
#include "agent/os/clock.h"
#include "agent/os/thread.h"
#include "agent/os/unique_fd.h"
#include "agent/sources/user_queue_inbox.h"
#include "agent/sources/user_queue_streams.h"

namespace tcpadvisor::sources {

/// Where an agent of this user listens: $TCPADVISOR_QUEUES, else /run/tcpadvisor/queues for root, else
/// $XDG_RUNTIME_DIR/tcpadvisor/queues; unsupported without that, or when it is not an absolute path.
Result<std::string> user_queue_directory();

class UserQueueReceiver {
 public:
  /// Makes the directory, removes the sockets of agents that are gone, and binds <directory>/<pid>.sock and, for
  /// streams, <pid>.stream. What is sent from then on waits in the kernel (as much as net.unix.max_dgram_qlen lets it)
  /// until start().
  static Result<std::unique_ptr<UserQueueReceiver>> open(const std::string& directory, InboxLimits limits = {});
  ~UserQueueReceiver();  ///< the socket is gone from the directory
  UserQueueReceiver(const UserQueueReceiver&) = delete;
  UserQueueReceiver& operator=(const UserQueueReceiver&) = delete;

  /// Starts the thread; it has the privileges of the caller at this moment. Once only.
  void start();
  /// What the thread threw, if that has ended it: nothing is heard any more.
  std::optional<Error> failure() const { return thread_ ? thread_->failure() : std::nullopt; }
  UserQueueInbox& inbox() { return inbox_; }
  const std::string& path() const { return path_; }

 private:
  UserQueueReceiver(os::UniqueFd fd, os::UniqueFd wake, UserQueueStreams streams, std::string path, InboxLimits limits)
      : fd_(std::move(fd)),
        wake_(std::move(wake)),
        streams_(std::move(streams)),
        path_(std::move(path)),
        inbox_(limits) {}
  struct Backlog;
  void loop();
  void drain(Backlog& backlog);

  os::UniqueFd fd_, wake_;  ///< wake_: an eventfd, to end a wait
  UserQueueStreams streams_;
  std::atomic<bool> stop_ = false;
  std::string path_;
  UserQueueInbox inbox_;
  os::RealClock clock_;
  std::optional<os::Thread> thread_;
};

}  // namespace tcpadvisor::sources
