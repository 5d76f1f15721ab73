// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "tests/scenario/farpeer.h"
#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

/// Descriptors beside the connections themselves: standard streams, the listener, the channel, what the shell left
/// open.

std::size_t descriptors_for(const Request& request) {
  return static_cast<std::size_t>(request.count) + (request.grow_per_s > 0 ? kMaxGrown : 0) + kSpareDescriptors;
}

/// Says its port, accepts `count` connections, says 1 as soon as `stands` is true of them, then accepts more for ever.
/// Closes none of them.
Actor start_leaking_server(Stage& stage, const Request& request, void (*prepare)(int),
                           bool (*stands)(const std::vector<int>&)) {
  return stage.start("tcpfault-server", [=](const Channel& channel) {
    need_descriptors(descriptors_for(request));
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held;
    while (held.size() < static_cast<std::size_t>(request.count)) {
      held.push_back(accept_one(listening.fd));
      prepare(held.back());
    }
    wait_until("the server's sockets to be left behind", [&] { return stands(held); });
    channel.say(1);
    while (held.size() < static_cast<std::size_t>(request.count + kMaxGrown)) {
      held.push_back(accept_one(listening.fd));
      prepare(held.back());
    }
  });
}

/// Opens and closes `count` connections and then `grow_per_s` more every second.
Actor start_closing_client(Stage& stage, const Request& request, std::uint16_t port, int linger2_s = 0,
                           const char* address = kLoopback) {
  return stage.start("tcpfault-client", [=](const Channel& channel) {
    const auto open_and_close = [&] {
      const int fd = connect_to(port, address);
      if (linger2_s > 0) {
        set_option(fd, IPPROTO_TCP, TCP_LINGER2, linger2_s, "TCP_LINGER2");
      }
      close(fd);
    };
    for (int i = 0; i < request.count; ++i) {
      open_and_close();
    }
    channel.say(1);
    for (int i = 0; request.grow_per_s > 0 && i < kMaxGrown; ++i) {
      sleep_for(Millis(static_cast<int>(1'000 / request.grow_per_s)));
      open_and_close();
    }
  });
}

bool all_close_wait(const std::vector<int>& fds) {
  return all_in_state(fds, kCloseWait);
}
bool all_dead(const std::vector<int>& fds) {
  return all_in_state(fds, kClose);
}
void leave_as_it_is(int) {}

void short_keepalive(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE");
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 2, "TCP_KEEPIDLE");
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1, "TCP_KEEPINTVL");
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3, "TCP_KEEPCNT");
}

/// A server that refuses whatever it is asked for, before it has read it or afterwards, and a client that asks 50 times
/// a second.
Scene make_refusals(Stage& stage, const Request& request, const char* name, bool reads) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (;;) {
      const int fd = accept_one(listening.fd);
      pollfd asked{.fd = fd, .events = POLLIN, .revents = 0};
      check(poll(&asked, 1, 5'000), "poll");
      std::array<char, 64> question{};
      if (reads) (void)recv(fd, question.data(), question.size(), 0);
      (void)send(fd, "413\r\n", 5, MSG_NOSIGNAL);
      close(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0;; ++i) {
      const int fd = connect_to(port);
      (void)send(fd, "PUT / HTTP/1.0\r\n", 16, MSG_NOSIGNAL);
      read_all(fd);
      close(fd);
      if (i == request.count) channel.say(1);
      sleep_for(Millis{20});
    }
  });
  client.channel.hear();
  return {{name, server.pid, client.pid, port, request.count}};
}

}  // namespace

Scene make_close_wait(Stage& stage, const Request& request) {
  const Actor server = start_leaking_server(stage, request, leave_as_it_is, all_close_wait);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = start_closing_client(stage, request, port);
  client.channel.hear();
  server.channel.hear();
  return {{"close-wait", server.pid, client.pid, port, request.count}};
}

Scene make_never_accepts(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    channel.say(listen_on({.port = request.port}).port);  // and hangs
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      check(static_cast<int>(send(connect_to(port), "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL)), "send");
    }
    channel.say(1);  // and waits for the answers
  });
  client.channel.hear();
  return {{"never-accepts", server.pid, client.pid, port, request.count}};
}

Scene make_close_wait_unaccepted(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    channel.say(listen_on({.port = request.port}).port);  // and never accepts
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = start_closing_client(stage, request, port);
  client.channel.hear();
  wait_until("CLOSE_WAIT in the accept queue", [&] { return count_in_state(port, kCloseWait) >= request.count; });
  return {{"close-wait-unaccepted", server.pid, client.pid, port, request.count}};
}

Scene make_fin_wait2_held(Stage& stage, const Request& request) {
  const Actor server = start_leaking_server(stage, request, leave_as_it_is, all_close_wait);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    need_descriptors(descriptors_for(request));
    std::vector<int> held;
    for (int i = 0; i < request.count; ++i) {
      held.push_back(connect_to(port));
      check(shutdown(held.back(), SHUT_WR), "shutdown");
    }
    wait_until("FIN_WAIT_2", [&] { return all_in_state(held, kFinWait2); });
    channel.say(1);
  });
  client.channel.hear();
  server.channel.hear();
  return {{"fin-wait2-held", client.pid, server.pid, port, request.count}};
}

Scene make_fin_wait2_orphan(Stage& stage, const Request& request) {
  if (!request.private_netns) {
    throw Skip("fin-wait2-orphan lowers tcp_max_tw_buckets: it needs a namespace of its own (--own-netns)");
  }
  // Orphans in FIN_WAIT_2 count against this limit; 40 % of it is far more than a busy host shows.
  set_sysctl("net/ipv4/tcp_max_tw_buckets", std::to_string(request.count * 5 / 2));
  const Actor peer = start_far_peer(stage, this_netns());
  const std::uint16_t port = request.port == 0 ? 443 : request.port;
  const Actor client = start_closing_client(stage, request, port, 0, kFarPeerAddress);
  client.channel.hear();
  return {{"fin-wait2-orphan", client.pid, peer.pid, port, request.count}};
}

Scene make_closed_fd_leak(Stage& stage, const Request& request) {
  // The peer forgets the connection after a second (TCP_LINGER2) and answers the next keepalive probe with a reset: the
  // kernel's socket is dead, the descriptor stays.
  const Actor server = start_leaking_server(stage, request, short_keepalive, all_dead);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = start_closing_client(stage, request, port, 1);
  client.channel.hear();
  server.channel.hear();
  return {{"closed-fd-leak", server.pid, client.pid, port, request.count}};
}

Scene make_close_unread(Stage& stage, const Request& request) {
  return make_refusals(stage, request, "close-unread", false);
}

Scene make_close_read(Stage& stage, const Request& request) {
  return make_refusals(stage, request, "close-read", true);
}

}  // namespace tcpfault
