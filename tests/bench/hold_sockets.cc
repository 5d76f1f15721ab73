// SPDX-License-Identifier: Apache-2.0
// hold_sockets N [--here]: N established loopback TCP sockets (N/2 connections, both ends) in a network namespace of
// their own, or in this one, held by as many processes as the limit of open files demands, until SIGTERM or until the
// parent dies. Prints one line when all are there: "hold_sockets ready established=N holders=H netns_pid=P".
#include <fmt/core.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/bench/loopback.h"

namespace {

using tcpadvisor::bench::die;

constexpr std::uint64_t kSpareDescriptors = 32;  // stdio, pipe, listener, and some air
// One listener of a default port range serves at most 28,232 connections; stay far below, so that finding a free port
// stays quick.
constexpr std::uint64_t kConnectionsPerListener = 10'000;

/// The calling process ends when its parent does, also when that happened just before.
void die_with_parent(pid_t parent, int signal) {
  if (prctl(PR_SET_PDEATHSIG, signal) != 0) die("PR_SET_PDEATHSIG");
  if (getppid() != parent) std::exit(1);
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("setrlimit");
  return limit.rlim_cur;
}

void enter_own_netns() {
  if (unshare(CLONE_NEWNET) != 0) die("a network namespace of its own (needs root)");
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) die("lo up");
  close(fd);
}

/// Makes the connections and never lets go of them. The descriptors need no names: the process's end closes them.
void open_connections(std::uint64_t count, std::uint8_t first_host) {
  std::uint8_t host = first_host;
  while (count > 0) {
    auto [listener, port] = tcpadvisor::bench::listen_on(host, 1);
    std::uint64_t now = std::min(count, kConnectionsPerListener);
    for (std::uint64_t i = 0; i < now; ++i) {
      tcpadvisor::bench::connect_to(host, port);
      if (accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) < 0) die("accept");
    }
    close(listener);
    count -= now;
    host = static_cast<std::uint8_t>(host % 254 + 1);
  }
}

/// TCP sockets in use in this namespace, as the kernel counts them (listeners included, TIME_WAIT not).
std::uint64_t sockets_in_use() {
  std::ifstream sockstat("/proc/self/net/sockstat");
  std::string word;
  std::uint64_t count = 0;
  while (sockstat >> word) {
    if (word == "TCP:" && sockstat >> word >> count) return count;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t sockets = 0, per_holder = 0;
  CLI::App app{"holds N established loopback TCP sockets in a network namespace of its own until SIGTERM"};
  app.add_option("N", sockets, "established sockets; even, because a connection has two")
      ->required()
      ->check(CLI::Range(2, 2'000'000));
  bool here = false;
  app.add_flag("--here", here, "in this network namespace");
  app.add_option("--per-holder", per_holder, "sockets per process (default: what the limit of open files allows)");
  CLI11_PARSE(app, argc, argv);
  if (sockets % 2 != 0) {
    fmt::print(stderr, "hold_sockets: N is {}, but each connection has two ends: give an even number\n", sockets);
    return 2;
  }

  pid_t parent = getppid();
  die_with_parent(parent, SIGTERM);
  std::uint64_t descriptors = raise_descriptor_limit() - kSpareDescriptors;
  if (per_holder == 0 || per_holder > descriptors) per_holder = descriptors;
  std::uint64_t connections_per_holder = std::max<std::uint64_t>(per_holder / 2, 1);
  std::uint64_t connections = sockets / 2;
  if (!here) enter_own_netns();

  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  int ready[2];
  if (pipe(ready) != 0) die("pipe");
  pid_t self = getpid();
  std::vector<pid_t> holders;
  for (std::uint64_t left = connections; left > 0;) {
    std::uint64_t share = std::min(left, connections_per_holder);
    left -= share;
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child > 0) {
      holders.push_back(child);
      continue;
    }
    die_with_parent(self, SIGKILL);
    open_connections(share, static_cast<std::uint8_t>(1 + holders.size() % 254));
    if (write(ready[1], "1", 1) != 1) die("pipe");
    close(ready[1]);
    for (;;) pause();
  }
  close(ready[1]);
  for (std::uint64_t reported = 0; reported < holders.size(); ++reported) {
    char mark;
    if (read(ready[0], &mark, 1) != 1) {  // all have reported or ended; one that ended has said why
      fmt::print(stderr, "hold_sockets: only {} of {} holders came up\n", reported, holders.size());
      return 1;
    }
  }
  std::uint64_t in_use = sockets_in_use();
  if (here ? in_use < sockets : in_use != sockets) {
    fmt::print(stderr, "hold_sockets: the kernel counts {} TCP sockets here, not {}\n", in_use, sockets);
    return 1;
  }
  fmt::print("hold_sockets ready established={} holders={} netns_pid={}\n", sockets, holders.size(), self);
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  for (pid_t holder : holders) kill(holder, SIGKILL);
  while (wait(nullptr) > 0) {
  }  // now all the sockets are gone
  if (signal == SIGCHLD) {
    fmt::print(stderr, "hold_sockets: a holder died\n");
    return 1;
  }
  return 0;
}
