// SPDX-License-Identifier: Apache-2.0
// Connections that a client cannot open, each for another reason, and two hosts that only look as if they could not.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"
#include "tests/scenario/tun.h"

namespace tcpfault {
namespace {

constexpr const char *kNear = "10.77.0.1", *kFar = "10.77.0.2";  // of a device that nobody reads
constexpr const char* kNoWay = "203.0.113.9";                    // TEST-NET-3: without a route
constexpr Millis kProgramsPatience{1'000};

/// A socket that connects, and errno of connect() in `error`.
int begin(const char* address, std::uint16_t port, int* error = nullptr) {
  const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address, &to.sin_addr);
  const int result = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  if (error != nullptr) *error = result == 0 ? 0 : errno;
  return fd;
}

/// Tries once, waits for at most `patience`, and closes. The error; 0 if it is connected; nothing if it gave up.
std::optional<int> try_once(const char* address, std::uint16_t port, Millis patience) {
  int error = 0;
  const int fd = begin(address, port, &error);
  std::optional<int> result = error;
  if (error == EINPROGRESS) {
    pollfd wait{fd, POLLOUT, 0};
    result.reset();
    if (poll(&wait, 1, static_cast<int>(patience.count())) > 0) {
      socklen_t size = sizeof error;
      check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), "SO_ERROR");
      result = error;
    }
  }
  close(fd);
  return result;
}

/// Tries for ever, and says so when `wanted` was the result for the first time; another result is no such fault.
void try_for_ever(const Channel& channel, const char* address, std::uint16_t port, Millis patience,
                  std::optional<int> wanted, Millis pause = Millis{50}) {
  for (bool said = false;; sleep_for(pause)) {
    const std::optional<int> result = try_once(address, port, patience);
    if (result != wanted) {
      if (said) continue;  // a namespace may need a moment
      throw std::runtime_error("connect() ended with " + (result ? std::to_string(*result) : "a time-out"));
    }
    if (!said) channel.say(1);
    said = true;
  }
}

/// Packets for kFar are lost: the device has a reader that never reads.
void make_black_hole(Stage& stage) {
  const int device = open_tun(this_netns(), "hole0", kNear);
  stage.at_end([device] { close(device); });
}

Scene alone(const char* fault, const Actor& client, std::uint16_t port) {
  client.channel.hear();
  return {{fault, client.pid, 0, port, 1}};
}

}  // namespace

Scene make_connect_refused(Stage& stage, const Request& request) {
  const std::uint16_t port = request.port != 0 ? request.port : 9;
  return alone("connect-refused",
               stage.start("tcpfault-client",
                           [=](const Channel& channel) {
                             try_for_ever(channel, kLoopback, port, kProgramsPatience, ECONNREFUSED);
                           }),
               port);
}

Scene make_connect_no_answer(Stage& stage, const Request& request) {
  need_own_netns(request);
  make_black_hole(stage);
  set_sysctl("net/ipv4/tcp_syn_retries", "1");  // ETIMEDOUT after 3 s
  const auto client = stage.start("tcpfault-client", [](const Channel& channel) {
    constexpr int kAtOnce = 8;
    for (bool said = false;; said = true) {
      std::vector<int> fds;
      for (int i = 0; i < kAtOnce; ++i) fds.push_back(begin(kFar, 443));
      if (!said) channel.say(1);
      sleep_for(Millis{3'500});
      for (const int fd : fds) close(fd);
    }
  });
  return alone("connect-no-answer", client, 443);
}

Scene make_connect_no_route(Stage& stage, const Request& request) {
  need_own_netns(request);
  return alone(
      "connect-no-route",
      stage.start("tcpfault-client",
                  [](const Channel& channel) { try_for_ever(channel, kNoWay, 443, kProgramsPatience, ENETUNREACH); }),
      443);
}

Scene make_connect_given_up(Stage& stage, const Request& request) {
  need_own_netns(request);
  make_black_hole(stage);
  return alone(
      "connect-given-up",
      stage.start("tcpfault-client",
                  [](const Channel& channel) { try_for_ever(channel, kFar, 443, kProgramsPatience, std::nullopt); }),
      443);
}

Scene make_connect_no_port(Stage& stage, const Request& request) {
  need_own_netns(request);
  set_sysctl("net/ipv4/ip_local_port_range", "20000 " + std::to_string(19'999 + request.count));
  bring_up("lo:1", "10.77.1.1", "255.255.255.255");  // not 127.0.0.0/8: there TIME_WAIT is no obstacle by default
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.address = "10.77.1.1", .port = 8080});
    channel.say(listening.port);
    for (;;) {
      const int fd = accept_one(listening.fd);
      char byte = 0;
      (void)recv(fd, &byte, 1, 0);  // the client closes first: TIME_WAIT is its own
      close(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    bool said = false;
    for (;;) {
      const std::optional<int> result = try_once("10.77.1.1", port, kProgramsPatience);
      if (result == EADDRNOTAVAIL && !said) channel.say(1);
      said = said || result == EADDRNOTAVAIL;
      if (said) sleep_for(Millis{20});
    }
  });
  client.channel.hear();
  return {{"connect-no-port", client.pid, server.pid, port, request.count}};
}

/// bind() to the source address chooses each port, for all destinations together.
Scene make_connect_no_bind_port(Stage& stage, const Request& request) {
  need_own_netns(request);
  constexpr std::uint16_t kServices = 4;
  set_sysctl("net/ipv4/ip_local_port_range", "20000 " + std::to_string(19'999 + request.count));
  std::uint16_t first = request.port != 0 ? request.port : 8'080;
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + 64);
    std::vector<pollfd> listening;
    for (std::uint16_t i = 0; i < kServices; ++i) {
      const int fd = listen_on({.port = static_cast<std::uint16_t>(first + i)}).fd;
      listening.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
    channel.say(1);
    for (;;) {
      check(poll(listening.data(), listening.size(), -1), "poll");
      for (const pollfd& one : listening) {
        if (one.revents != 0) accept_one(one.fd);  // and keeps it
      }
    }
  });
  server.channel.hear();
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + 64);
    sockaddr_in from{}, to{};
    from.sin_family = to.sin_family = AF_INET;
    inet_pton(AF_INET, kLoopback, &from.sin_addr);
    to.sin_addr = from.sin_addr;
    bool said = false;
    for (int i = 0;; ++i) {
      const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
      to.sin_port = htons(static_cast<std::uint16_t>(first + i % kServices));
      if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0) {
        check(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
        continue;
      }
      if (errno != EADDRINUSE) fail_errno("bind");
      close(fd);
      if (!said) channel.say(1);
      said = true;
      sleep_for(Millis{20});
    }
  });
  client.channel.hear();
  return {{"connect-no-bind-port", client.pid, server.pid, first, request.count}};
}

Scene make_connect_listener_full(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    channel.say(listen_on({.port = request.port, .backlog = 2}).port);  // and never accepts
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < 3; ++i) connect_to(port);
    try_for_ever(channel, kLoopback, port, kProgramsPatience, std::nullopt);
  });
  client.channel.hear();
  return {{"connect-listener-full", server.pid, client.pid, port, 1}};
}

/// A port mapper: most of its listeners lie in the range that connect() chooses from.
Scene make_many_listeners(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-mapper", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + 64);
    constexpr int kFirst = 34'000;
    for (int i = 0; i < request.count; ++i) {
      listen_on({.port = static_cast<std::uint16_t>(kFirst + i)});
    }
    channel.say(kFirst);
  });
  return {{"many-listeners", server.pid, 0, static_cast<std::uint16_t>(server.channel.hear()), request.count}};
}

/// The server closes first, so TIME_WAIT is at its own port, which no connect() needs.
Scene make_server_time_wait(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (;;) close(accept_one(listening.fd));
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      const int fd = connect_to(port);
      char byte = 0;
      (void)recv(fd, &byte, 1, 0);
      close(fd);
    }
    channel.say(1);
  });
  client.channel.hear();
  return {{"server-time-wait", server.pid, client.pid, port, request.count}};
}

}  // namespace tcpfault
