// SPDX-License-Identifier: Apache-2.0
// The processes of a fault. Each role is a process of its own, so that "who holds the socket" has one true answer.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tcpfault {

using Millis = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// This host cannot make the fault; the text says why. Becomes exit code 77.
struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws std::system_error with errno and `what`.
[[noreturn]] void fail_errno(const std::string& what);
/// Returns `value`, or throws with errno if it is negative.
int check(int value, const char* what);

/// Numbers between the conductor and one actor. What the actor throws arrives here as an exception, too.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  void say(std::uint64_t number) const;
  void say_error(const std::string& text, bool skip) const;
  std::uint64_t hear(Millis timeout = Millis{60'000}) const;

 private:
  int fd_;
};

struct Actor {
  pid_t pid = 0;
  Channel channel{-1};
};

/// All processes of a fault, and what must be put back when it ends.
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  /// Forks. The child is called `name` (15 characters at most), joins the network namespace `netns_fd` unless it is -1,
  /// dies with its parent, runs `role`, and afterwards sleeps with everything that it holds.
  Actor start(const char* name, const std::function<void(const Channel&)>& role, int netns_fd = -1);

  void at_end(std::function<void()> undo) { undo_.push_back(std::move(undo)); }

  /// True while no process has ended.
  bool is_complete() const;

 private:
  std::vector<pid_t> pids_;
  std::vector<std::function<void()>> undo_;
};

/// Polls every 10 ms until `done` is true; throws if it never is.
void wait_until(const std::string& what, const std::function<bool()>& done, Millis timeout = Millis{20'000});

void sleep_for(Millis time);

}  // namespace tcpfault
