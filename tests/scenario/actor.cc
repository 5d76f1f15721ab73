// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/actor.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

namespace tcpfault {
namespace {

struct Message {
  enum Kind : std::uint32_t { number, error, skip } kind = number;
  std::uint64_t value = 0;
  std::array<char, 240> text{};
};

}  // namespace

void fail_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int check(int value, const char* what) {
  if (value < 0) {
    fail_errno(what);
  }
  return value;
}

void Channel::say(std::uint64_t number) const {
  const Message message{.kind = Message::number, .value = number, .text = {}};
  check(static_cast<int>(send(fd_, &message, sizeof message, MSG_NOSIGNAL)), "tell the other process");
}

void Channel::say_error(const std::string& text, bool skip) const {
  Message message{.kind = skip ? Message::skip : Message::error, .value = 0, .text = {}};
  std::copy_n(text.begin(), std::min(text.size(), message.text.size() - 1), message.text.begin());
  // The conductor may be gone already; then nobody wants to know.
  (void)send(fd_, &message, sizeof message, MSG_NOSIGNAL);
}

std::uint64_t Channel::hear(Millis timeout) const {
  pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
  if (check(poll(&wait, 1, static_cast<int>(timeout.count())), "poll") == 0) {
    throw std::runtime_error("a process of the fault did not answer in time");
  }
  Message message;
  const ssize_t got = recv(fd_, &message, sizeof message, 0);
  if (got != sizeof message) {
    throw std::runtime_error("a process of the fault ended early");
  }
  message.text.back() = '\0';
  if (message.kind == Message::skip) {
    throw Skip(message.text.data());
  }
  if (message.kind == Message::error) {
    throw std::runtime_error(message.text.data());
  }
  return message.value;
}

Actor Stage::start(const char* name, const std::function<void(const Channel&)>& role, int netns_fd) {
  std::array<int, 2> ends{};
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  const pid_t parent = getpid();
  const pid_t pid = check(fork(), "fork");
  if (pid != 0) {
    close(ends[1]);
    pids_.push_back(pid);
    return {pid, Channel(ends[0])};
  }
  close(ends[0]);
  const Channel channel(ends[1]);
  try {
    check(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
    if (getppid() != parent) {
      _exit(0);  // the parent died before the line above could notice
    }
    prctl(PR_SET_NAME, name);
    if (netns_fd >= 0) {
      check(setns(netns_fd, CLONE_NEWNET), "join the network namespace");
    }
    role(channel);
    for (;;) {
      pause();
    }
  } catch (const Skip& skip) {
    channel.say_error(skip.what(), true);
  } catch (const std::exception& error) {
    channel.say_error(error.what(), false);
  }
  _exit(1);
}

Stage::~Stage() {
  for (const pid_t pid : pids_) {
    kill(pid, SIGKILL);
  }
  for (const pid_t pid : pids_) {
    waitpid(pid, nullptr, 0);
  }
  for (const auto& undo : undo_) {
    undo();
  }
}

bool Stage::is_complete() const {
  return std::ranges::all_of(pids_, [](pid_t pid) {
    siginfo_t ended{};
    return waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
  });
}

void sleep_for(Millis time) {
  std::this_thread::sleep_for(time);
}

void wait_until(const std::string& what, const std::function<bool()>& done, Millis timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!done()) {
    if (Clock::now() >= deadline) {
      throw std::runtime_error("waited in vain for: " + what);
    }
    sleep_for(Millis{10});
  }
}

}  // namespace tcpfault
