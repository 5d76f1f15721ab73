// SPDX-License-Identifier: Apache-2.0
// What arrives and is not taken: in segments too small for the room that they take, or from senders that have gone.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "tests/scenario/faults.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {

/// A sender of many small messages without a pause, and a reader that sleeps for a second again and again: the kernel
/// copies the segments together to make room.
Scene make_tiny_segments(Stage& stage, const Request& request) {
  constexpr int kBuffer = 512 * 1024;
  constexpr Millis kSleep{1'000}, kAwake{50};
  const Actor reader = stage.start("tcpfault-recv", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .rcvbuf_bytes = kBuffer});
    channel.say(listening.port);
    const int fd = accept_one(listening.fd);
    std::vector<char> buffer(64 * 1024);
    for (int round = 0;; ++round) {
      sleep_for(kSleep);
      for (const auto until = Clock::now() + kAwake; Clock::now() < until;) {
        (void)recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      }
      if (round == 1) {
        channel.say(1);
      }
    }
  });
  const auto port = static_cast<std::uint16_t>(reader.channel.hear());
  const Actor sender = stage.start("tcpfault-send", [=](const Channel&) {
    const int fd = connect_to(port);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    constexpr std::array<char, 10> kMessage{};
    while (send(fd, kMessage.data(), kMessage.size(), MSG_NOSIGNAL) > 0) {
    }
    throw std::runtime_error("the reader went away");
  });
  reader.channel.hear();
  return {{"tiny-segments", reader.pid, sender.pid, port, 1}};
}

/// A sender that closes connections with unsent data: the kernel goes on with them, and the reader never reads.
Scene make_orphans_unsent(Stage& stage, const Request& request) {
  const Actor reader = stage.start("tcpfault-reader", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .rcvbuf_bytes = 64 * 1024});
    channel.say(listening.port);
    std::vector<int> held;
    held.reserve(static_cast<std::size_t>(request.count));
    for (int i = 0; i < request.count; ++i) {
      held.push_back(accept_one(listening.fd));
    }
    channel.say(1);  // and reads nothing
  });
  const auto port = static_cast<std::uint16_t>(reader.channel.hear());
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    const std::vector<char> buffer(64 * 1024, 'x');
    std::vector<int> fds;
    fds.reserve(static_cast<std::size_t>(request.count));
    for (int i = 0; i < request.count; ++i) {
      fds.push_back(connect_to(port));
      for (auto full = Clock::now() + Millis{100}; Clock::now() < full;) {
        if (send(fds.back(), buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
          if (errno != EAGAIN) {
            fail_errno("send");
          }
          sleep_for(Millis{20});
        }
      }
    }
    for (const int fd : fds) {
      close(fd);
    }
    channel.say(1);
  });
  reader.channel.hear();
  sender.channel.hear();
  return {{"orphans-unsent", reader.pid, sender.pid, port, request.count}};
}

}  // namespace tcpfault
