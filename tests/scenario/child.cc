// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/child.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace tcpadvisor::scenario {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Millis kTimeToCleanUp{5'000};

struct Pipe {
  os::UniqueFd read, write;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) < 0) {
      throw std::runtime_error("pipe2 failed");
    }
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
};

Millis until(Clock::time_point deadline) {
  return std::max(std::chrono::duration_cast<Millis>(deadline - Clock::now()), Millis{0});
}

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "cannot %s: %s\n", what, std::strerror(errno));
  std::fflush(stderr);
  _exit(127);
}

[[noreturn]] void become(std::vector<std::string>& command, const ChildOptions& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (options.netns_fd >= 0 && setns(options.netns_fd, CLONE_NEWNET) < 0) {
    give_up("join the network namespace");
  }
  if (options.uid && (setgroups(0, nullptr) < 0 || setresgid(*options.uid, *options.uid, *options.uid) < 0 ||
                      setresuid(*options.uid, *options.uid, *options.uid) < 0)) {
    give_up("change the user");
  }
  for (const auto& [name, value] : options.env) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> words;
  for (std::string& word : command) {
    words.push_back(word.data());
  }
  words.push_back(nullptr);
  execvp(words[0], words.data());
  give_up(words[0]);
}

}  // namespace

Child::Child(std::vector<std::string> command, const ChildOptions& options) {
  Pipe out, err;
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = fork();
  if (pid_ < 0) {
    throw std::runtime_error("fork failed");
  }
  if (pid_ == 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(out.write.get(), STDOUT_FILENO);
    dup2(err.write.get(), STDERR_FILENO);
    become(command, options);
  }
  close(nothing);
  out_ = std::move(out.read);
  err_ = std::move(err.read);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      out_text_(std::move(other.out_text_)),
      err_text_(std::move(other.err_text_)) {}

Child::~Child() {
  if (pid_ > 0) {
    signal(SIGTERM);
    wait(kTimeToCleanUp);
  }
  if (pid_ > 0) {
    signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Child::signal(int number) const {
  if (pid_ > 0) {
    kill(pid_, number);
  }
}

bool Child::pump(Millis timeout) {
  std::array<pollfd, 2> polls{{{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
  if (!out_ && !err_) {
    return false;
  }
  poll(polls.data(), polls.size(), static_cast<int>(timeout.count()));
  const auto take = [](const pollfd& ready, os::UniqueFd& fd, std::string& text) {
    std::array<char, 65'536> buffer;
    if (!fd || ready.revents == 0) {
      return;
    }
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    } else {
      fd.reset();
    }
  };
  take(polls[0], out_, out_text_);
  take(polls[1], err_, err_text_);
  return out_ || err_;
}

std::optional<std::string> Child::read_line(Millis timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (const auto end = out_text_.find('\n'); end != std::string::npos) {
      std::string line = out_text_.substr(0, end);
      out_text_.erase(0, end + 1);
      return line;
    }
    if (Clock::now() >= deadline || !pump(until(deadline))) {
      return std::nullopt;
    }
  }
}

Ended Child::wait(Millis timeout) {
  const auto deadline = Clock::now() + timeout;
  while (Clock::now() < deadline && pump(until(deadline))) {
  }
  Ended ended;
  int status = 0;
  // The pipes are closed, or the time is over; a program may need a moment between closing them and ending.
  pid_t gone = 0;
  while ((gone = waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(Millis{5});
  }
  if (gone == pid_) {
    ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    pid_ = -1;
  }
  ended.out = std::move(out_text_);
  ended.err = std::move(err_text_);
  return ended;
}

Ended run(std::vector<std::string> command, Millis timeout, const ChildOptions& options) {
  return Child(std::move(command), options).wait(timeout);
}

bool in_path(const std::string& program) {
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) {
    if (access((folder + "/" + program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace tcpadvisor::scenario
