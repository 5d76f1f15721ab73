// SPDX-License-Identifier: Apache-2.0
// Settings of a namespace that harm what its programs do.
#include <sys/socket.h>
#include <unistd.h>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

void need_own_netns(const Request& request) {
  if (!request.private_netns) throw Skip("changes settings: only in a namespace of its own");
}

}  // namespace

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

}  // namespace tcpfault
