// SPDX-License-Identifier: Apache-2.0
// Who may have an answer: the last passwords that were right are known at once, all others are asked of a thread of its
// own, as a hash takes longer than an answer. One thread uses it, that of the loop.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/export/agent_numbers.h"
#include "agent/os/thread.h"
#include "agent/serve/passwords.h"

namespace tcpadvisor::serve {

using PasswordsPtr = std::shared_ptr<const Passwords>;

/// waits: take() will tell.
enum class Entry : std::uint8_t { open, refused, busy, waits };

class Gate {
 public:
  /// `done` is called by the gate's thread when take() has something.
  Gate(exported::AgentNumbers& numbers, std::function<void()> done);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// `who` is the asker's mark for take(). `passwords` null: open.
  Entry enter(void* who, std::optional<std::string_view> authorization, const PasswordsPtr& passwords);
  /// Those that waited and are decided. `now`: the passwords that count; who was asked by others is told `busy`.
  std::vector<std::pair<void*, Entry>> take(const PasswordsPtr& now);
  /// `who` is gone and will not be in take(). False: it did not wait.
  bool forget(void* who);

 private:
  using Mark = std::array<unsigned char, 32>;
  struct Job {
    std::uint64_t number = 0;
    PasswordsPtr passwords;
    Credentials credentials;
    bool is_right = false;
  };
  bool begin();
  void work();
  Mark mark_of(const Credentials& credentials) const;
  bool is_known(const Mark& mark);
  void remember(const Mark& mark);

  exported::AgentNumbers& numbers_;
  const std::function<void()> done_;
  Mark secret_{};           ///< keys the marks, so that what is kept is no password and no plain hash of one
  PasswordsPtr known_by_;   ///< what the marks were right by
  std::deque<Mark> known_;  ///< the latest first
  std::map<std::uint64_t, void*> waiting_;
  std::uint64_t next_ = 0;

  std::mutex mutex_;  // of what both threads use
  std::condition_variable wake_;
  std::deque<Job> asked_, decided_;
  bool stop_ = false;
  std::optional<os::Thread> thread_;  // last: it uses the members above
};

}  // namespace tcpadvisor::serve
