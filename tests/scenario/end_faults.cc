// SPDX-License-Identifier: Apache-2.0
// Connections that end badly, or that nobody ends.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "tests/scenario/delaylink.h"
#include "tests/scenario/farpeer.h"
#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

void need_own_address(const Request& request, const char* name) {
  if (!request.private_netns) throw Skip(std::string(name) + " needs an address of its own (--own-netns)");
}

void fill(int fd) {
  static const std::vector<char> buffer(64 * 1024, 'x');
  while (send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
  }
}

void set_linger(int fd, int seconds) {
  const linger value{.l_onoff = 1, .l_linger = seconds};
  check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value), "SO_LINGER");
}

/// Forgets a connection without a word to the other end, as a host does that loses its power.
void vanish(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_REPAIR, 1, "TCP_REPAIR");
  close(fd);
}

/// Answers each request with `answer_bytes` and closes with SO_LINGER 0. The first client is kept.
Scene make_resets(Stage& stage, const Request& request, const char* name, std::size_t answer_bytes,
                  Millis acknowledged_after) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    set_linger(listening.fd, 0);  // what it accepts has that, too
    // More than the window of a client that does not read yet: how much of the answer waits here is not left to chance.
    if (answer_bytes > 1024) set_option(listening.fd, SOL_SOCKET, SO_SNDBUF, 1 << 20, "SO_SNDBUF");
    channel.say(listening.port);
    const std::vector<char> answer(answer_bytes, 'x');
    for (bool first = true;; first = false) {
      const int fd = accept_one(listening.fd);
      if (first) continue;
      char asked = 0;
      (void)recv(fd, &asked, 1, 0);
      (void)send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      sleep_for(acknowledged_after);
      close(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    connect_to(port);
    for (int i = 0;; ++i) {
      const int fd = connect_to(port);
      (void)send(fd, "?", 1, MSG_NOSIGNAL);
      sleep_for(Millis{20});  // and does not read meanwhile
      read_all(fd);
      close(fd);
      if (i == request.count) channel.say(1);
    }
  });
  client.channel.hear();
  return {{name, server.pid, client.pid, port, request.count}};
}

}  // namespace

/// Answers that a far peer does not read, and a program that closes and goes on.
Scene make_orphans(Stage& stage, const Request& request) {
  need_own_address(request, "orphans");
  const Actor peer = start_far_peer(stage, this_netns(), FarPeer::does_not_read);
  const std::uint16_t port = request.port == 0 ? 443 : request.port;
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      const int fd = connect_to(port, kFarPeerAddress);
      fill(fd);
      close(fd);
    }
    channel.say(1);
  });
  sender.channel.hear();
  return {{"orphans", sender.pid, peer.pid, port, request.count}};
}

/// A close() that waits for a far peer which does not read.
Scene make_linger_close(Stage& stage, const Request& request) {
  need_own_address(request, "linger-close");
  const Actor peer = start_far_peer(stage, this_netns(), FarPeer::does_not_read);
  const std::uint16_t port = request.port == 0 ? 443 : request.port;
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    const int fd = connect_to(port, kFarPeerAddress);
    fill(fd);
    set_linger(fd, 60);
    channel.say(1);
    close(fd);
  });
  sender.channel.hear();
  return {{"linger-close", sender.pid, peer.pid, port, request.count}};
}

/// Answers of 8 MiB that are lost: a reset comes before the client has read them.
Scene make_linger_loses(Stage& stage, const Request& request) {
  return make_resets(stage, request, "linger-loses", 8 << 20, Millis{0});
}

Scene make_linger_aborts(Stage& stage, const Request& request) {
  return make_resets(stage, request, "linger-aborts", 2, Millis{60});
}

/// Clients that have asked and are gone, and a server that would never know.
Scene make_vanished_clients(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (;;) {
      const int fd = accept_one(listening.fd);
      char asked = 0;
      (void)recv(fd, &asked, 1, 0);
      (void)send(fd, "ok\n", 3, MSG_NOSIGNAL);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      const int fd = connect_to(port);
      (void)send(fd, "?", 1, MSG_NOSIGNAL);
      std::array<char, 8> answer{};
      (void)recv(fd, answer.data(), answer.size(), 0);
      vanish(fd);
    }
    channel.say(1);
  });
  client.channel.hear();
  sleep_for(Millis{4'000});  // silent for a while
  return {{"vanished-clients", server.pid, client.pid, port, request.count}};
}

/// An event loop that asks for edge-triggered events and reads four bytes at each: the rest of a request stays.
/// A server answers each of COUNT clients once and then stands, as on a lock that nobody gives back.
Scene make_stands_still(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> clients;
    clients.reserve(static_cast<std::size_t>(request.count));
    for (int i = 0; i < request.count; ++i) clients.push_back(accept_one(listening.fd));
    for (int fd : clients) {
      std::array<char, 8> asked{};
      if (recv(fd, asked.data(), asked.size(), 0) > 0) (void)send(fd, "ok", 2, MSG_NOSIGNAL);
    }
    for (;;) pause();
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    std::vector<int> open;
    open.reserve(static_cast<std::size_t>(request.count));
    for (int i = 0; i < request.count; ++i) open.push_back(connect_to(port));
    for (int fd : open) (void)send(fd, "first?", 6, MSG_NOSIGNAL);
    for (int fd : open) {
      std::array<char, 8> answer{};
      (void)recv(fd, answer.data(), answer.size(), 0);
      (void)send(fd, "second?", 7, MSG_NOSIGNAL);
    }
    channel.say(1);
    for (;;) pause();
  });
  client.channel.hear();
  return {{"stands-still", server.pid, client.pid, port, request.count}};
}

Scene make_unread_forgotten(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    const int events = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    const auto watch = [&](int fd, std::uint32_t kind) {
      epoll_event event{.events = kind, .data = {.fd = fd}};
      check(epoll_ctl(events, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    };
    watch(listening.fd, EPOLLIN);
    for (epoll_event event{};;) {
      if (epoll_wait(events, &event, 1, -1) < 1) continue;
      if (event.data.fd == listening.fd) {
        watch(accept_one(listening.fd), EPOLLIN | EPOLLET);
        continue;
      }
      std::array<char, 4> part{};
      if (recv(event.data.fd, part.data(), part.size(), 0) > 0) (void)send(event.data.fd, "ok", 2, MSG_NOSIGNAL);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      (void)send(connect_to(port), "a request of more than four bytes", 33, MSG_NOSIGNAL);
    }
    const int talks = connect_to(port);
    for (int i = 0;; ++i, sleep_for(Millis{100})) {
      std::array<char, 4> answer{};
      (void)send(talks, "ask!", 4, MSG_NOSIGNAL);
      (void)recv(talks, answer.data(), answer.size(), 0);
      if (i == 5) channel.say(1);
    }
  });
  client.channel.hear();
  return {{"unread-forgotten", server.pid, client.pid, port, request.count}};
}

/// A client that connects, asks once and closes, again and again, to a server that is not on its own host's loopback.
Scene make_connection_per_request(Stage& stage, const Request& request) {
  const FarSide sides = add_far_side(stage, request.private_netns, {.one_way_delay = Millis{1}, .mtu_bytes = 1'500});
  const Actor server = stage.start(
      "tcpfault-server",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        for (std::array<char, 8> asked{};;) {
          const int fd = accept_one(listening.fd);
          (void)recv(fd, asked.data(), asked.size(), 0);
          (void)send(fd, "ok", 2, MSG_NOSIGNAL);
          read_all(fd);
          close(fd);
        }
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0;; ++i) {
      const int fd = connect_to(port, kLinkAddressB);
      std::array<char, 8> answer{};
      (void)send(fd, "?", 1, MSG_NOSIGNAL);
      (void)recv(fd, answer.data(), answer.size(), 0);
      close(fd);
      if (i == request.count) channel.say(1);
      if (i > request.count) sleep_for(Millis{20});
    }
  });
  client.channel.hear();
  return {{"connection-per-request", client.pid, server.pid, port, request.count}};
}

}  // namespace tcpfault
