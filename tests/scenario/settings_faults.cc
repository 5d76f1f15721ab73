// SPDX-License-Identifier: Apache-2.0
// Settings of a namespace that harm what its programs do.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
/// A client that closes first, and many times as often as the table has places.
Scene make_time_wait_overflow(Stage& stage, const Request& request) {
  need_own_netns(request);
  set_sysctl("net/ipv4/tcp_max_tw_buckets", "30");
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (;;) {
      const int fd = accept_one(listening.fd);
      char byte = 0;
      (void)recv(fd, &byte, 1, 0);
      close(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0;; ++i) {
      close(connect_to(port));
      if (i == request.count) channel.say(1);
      if (i >= request.count) sleep_for(Millis{50});
    }
  });
  client.channel.hear();
  return {{"time-wait-overflow", server.pid, client.pid, port, request.count}};
}

/// A server that waits for data before it accepts (TCP_DEFER_ACCEPT) and looks twice a second: of those that have
/// connected, more send at once than its queue has places.
Scene make_abort_on_overflow(Stage& stage, const Request& request) {
  need_own_netns(request);
  set_sysctl("net/ipv4/tcp_abort_on_overflow", "1");
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .backlog = request.count});
    set_option(listening.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5, "TCP_DEFER_ACCEPT");
    channel.say(listening.port);
    (void)fcntl(listening.fd, F_SETFL, O_NONBLOCK);
    for (;; sleep_for(Millis{500})) {
      for (int fd = accept(listening.fd, nullptr, nullptr); fd >= 0; fd = accept(listening.fd, nullptr, nullptr)) {
        close(fd);
      }
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (bool said = false;; said = true) {
      std::vector<int> fds;
      for (int group = 0; group < 2; ++group) {  // the first fills the queue, the second finds it full
        const std::size_t first = fds.size();
        for (int i = 0; i < request.count - 2; ++i) fds.push_back(start_connect(port));
        sleep_for(Millis{20});
        for (std::size_t i = first; i < fds.size(); ++i) (void)send(fds[i], "?", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
      }
      if (!said) channel.say(1);
      sleep_for(Millis{700});
      for (const int fd : fds) close(fd);
    }
  });
  client.channel.hear();
  return {{"abort-on-overflow", server.pid, client.pid, port, request.count}};
}

/// Nothing happens, but a loss would be mended badly.
Scene make_recovery_settings(Stage& stage, const Request& request) {
  need_own_netns(request);
  set_sysctl("net/ipv4/tcp_sack", "0");
  set_sysctl("net/ipv4/tcp_retries2", "3");
  return make_idle(stage, request);
}

}  // namespace tcpfault
