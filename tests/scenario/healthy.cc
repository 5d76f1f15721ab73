// SPDX-License-Identifier: Apache-2.0
// Traffic with nothing wrong, made to look suspicious: many TIME_WAIT sockets, queues that are full for an instant,
// sockets that were never connected.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

constexpr std::size_t kRequestBytes = 64;
constexpr std::size_t kReplyBytes = 1'000;

/// Answers one connection after the other until each client is content.
void serve_requests(const Channel& channel, std::uint16_t wanted_port) {
  const Listening listening = listen_on({.port = wanted_port});
  channel.say(listening.port);
  for (;;) {
    const int fd = accept_one(listening.fd);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    while (read_exactly(fd, kRequestBytes)) {
      write_exactly(fd, kReplyBytes);
    }
    close(fd);
  }
}

void ask(int fd) {
  write_exactly(fd, kRequestBytes);
  if (!read_exactly(fd, kReplyBytes)) {
    throw std::runtime_error("the server closed before its answer was complete");
  }
}

}  // namespace

Scene make_healthy(Stage& stage, const Request& request) {
  // A small machine keeps 4,096 of them, and 200 a second for 60 s are 12,000: there, this would be a fault.
  if (request.private_netns) set_sysctl("net/ipv4/tcp_max_tw_buckets", "65536");
  const Actor server =
      stage.start("tcpfault-server", [=](const Channel& channel) { serve_requests(channel, request.port); });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0;; ++i) {
      const int fd = connect_to(port);
      ask(fd);
      close(fd);
      if (i == request.count) {
        channel.say(1);
      } else if (i > request.count) {
        sleep_for(Millis{5});
      }
    }
  });
  // Beside them one long conversation, on a server of its own.
  const Actor steady_server =
      stage.start("tcpfault-steady", [=](const Channel& channel) { serve_requests(channel, 0); });
  const auto steady_port = static_cast<std::uint16_t>(steady_server.channel.hear());
  stage.start("tcpfault-talker", [=](const Channel&) {
    // Opened in advance, for connections to come: the kernel calls them closed, and nothing has died.
    for (int i = 0; i < 40; ++i) check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const int fd = connect_to(steady_port);
    for (;;) {
      ask(fd);
      sleep_for(Millis{5});
    }
  });
  client.channel.hear();
  return {{"healthy", server.pid, client.pid, port, request.count}};
}

Scene make_idle(Stage& stage, const Request& request) {
  const Actor server = stage.start(
      "tcpfault-server", [=](const Channel& channel) { channel.say(listen_on({.port = request.port}).port); });
  return {{"idle", server.pid, 0, static_cast<std::uint16_t>(server.channel.hear()), 0}};
}

Scene make_bulk(Stage& stage, const Request& request) {
  const Actor receiver = stage.start("tcpfault-recv", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    read_all(accept_one(listening.fd));
    throw std::runtime_error("the bulk sender went away");
  });
  const auto port = static_cast<std::uint16_t>(receiver.channel.hear());
  const Actor sender = stage.start("tcpfault-send", [=](const Channel& channel) {
    const int fd = connect_to(port);
    channel.say(1);
    write_for_ever(fd);
    throw std::runtime_error("the bulk receiver went away");
  });
  sender.channel.hear();
  return {{"bulk", receiver.pid, sender.pid, port, 1}};
}

}  // namespace tcpfault
