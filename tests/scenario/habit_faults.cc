// SPDX-License-Identifier: Apache-2.0
// What programs do with the connections and queues that they have: forget them, let them rest, hold their senders back.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tests/scenario/delaylink.h"
#include "tests/scenario/farpeer.h"
#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

/// Answers whoever asks, and closes when its client has.
void answer_all(const Channel& channel, std::uint16_t wanted_port) {
  const Listening listening = listen_on({.port = wanted_port});
  channel.say(listening.port);
  std::vector<pollfd> all{{.fd = listening.fd, .events = POLLIN, .revents = 0}};
  for (;;) {
    check(poll(all.data(), all.size(), -1), "poll");
    for (std::size_t i = 1; i < all.size(); ++i) {
      std::array<char, 16> asked{};
      if (all[i].revents == 0) continue;
      if (recv(all[i].fd, asked.data(), asked.size(), MSG_DONTWAIT) > 0) {
        (void)send(all[i].fd, "ok", 2, MSG_NOSIGNAL);
      } else {
        close(all[i].fd);
        all[i].fd = -1;
      }
    }
    std::erase_if(all, [](const pollfd& one) { return one.fd < 0; });
    if (all[0].revents != 0) all.push_back({.fd = accept_one(listening.fd), .events = POLLIN, .revents = 0});
  }
}

struct Used {
  int fd;
  Clock::time_point last;
};

/// Opens, asks, and has the answer.
Used ask(std::uint16_t port) {
  const int fd = connect_to(port);
  std::array<char, 8> answer{};
  (void)send(fd, "?", 1, MSG_NOSIGNAL);
  (void)recv(fd, answer.data(), answer.size(), 0);
  return {fd, Clock::now()};
}

/// A client that asks `count` times a second, on a connection each, and four times a second closes those that were not
/// used for `rest`.
Scene make_swept_at_once(Stage& stage, const Request& request, const char* name, Millis rest) {
  const Actor server =
      stage.start("tcpfault-server", [=](const Channel& channel) { answer_all(channel, request.port); });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    std::vector<Used> open;
    auto next_sweep = Clock::now() + Millis{250};
    for (int i = 0;; ++i, sleep_for(Millis{1'000 / std::max(request.count, 1)})) {
      open.push_back(ask(port));
      if (Clock::now() >= next_sweep) {
        next_sweep += Millis{250};
        for (Used& one : open) {
          if (Clock::now() - one.last >= rest) close(std::exchange(one.fd, -1));
        }
        std::erase_if(open, [](const Used& one) { return one.fd < 0; });
      }
      if (i == 2 * request.count) channel.say(1);
    }
  });
  client.channel.hear();
  return {{name, client.pid, server.pid, port, request.count}};
}

/// A server that accepts twice a second whatever has come, and closes it, when `reads` after a look at what it brought;
/// and clients that give up after a second.
Scene make_rounds(Stage& stage, const Request& request, const char* name, bool reads) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .backlog = 4 * request.count});
    check(fcntl(listening.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    channel.say(listening.port);
    for (;; sleep_for(Millis{490})) {
      for (int fd = 0; (fd = accept(listening.fd, nullptr, nullptr)) >= 0; close(fd)) {
        std::array<char, 16> asked{};
        if (reads) (void)recv(fd, asked.data(), asked.size(), MSG_DONTWAIT);
      }
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    std::deque<int> open;
    for (int i = 0;; ++i, sleep_for(Millis{1'000 / std::max(request.count, 1)})) {
      open.push_back(connect_to(port));
      if (reads) (void)send(open.back(), "event", 5, MSG_NOSIGNAL);
      if (std::ssize(open) > request.count) {
        close(open.front());
        open.pop_front();
      }
      if (i == 2 * request.count) channel.say(1);
    }
  });
  client.channel.hear();
  return {{name, server.pid, client.pid, port, request.count}};
}

/// Connections to a peer far away that rest.
Scene make_resting(Stage& stage, const Request& request, const char* name, void (*prepare)(int fd)) {
  if (!request.private_netns) throw Skip(std::string(name) + " needs an address of its own (--own-netns)");
  const Actor peer = start_far_peer(stage, this_netns(), FarPeer::takes_all);
  const std::uint16_t port = request.port == 0 ? 443 : request.port;
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      const int fd = connect_to(port, kFarPeerAddress);
      prepare(fd);
      (void)send(fd, "?", 1, MSG_NOSIGNAL);
    }
    channel.say(1);
  });
  client.channel.hear();
  sleep_for(Millis{1'000});
  return {{name, client.pid, peer.pid, port, request.count}};
}

/// One line of docs/user-queues.md to each agent that listens.
void tell_agents(const std::string& line) {
  static const int fd = check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
  const char* chosen = std::getenv("TCPADVISOR_QUEUES");
  std::error_code error;  // no agent has ever run here
  for (std::filesystem::directory_iterator at(chosen != nullptr ? chosen : "/run/tcpadvisor/queues", error), end;
       !error && at != end; at.increment(error)) {
    sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = at->path();
    if (!path.ends_with(".sock") || path.size() >= sizeof to.sun_path) continue;
    std::memcpy(to.sun_path, path.c_str(), path.size() + 1);
    (void)sendto(fd, line.data(), line.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
}

std::string end_text(int fd, bool remote) {
  sockaddr_in end{};
  socklen_t size = sizeof end;
  auto* address = reinterpret_cast<sockaddr*>(&end);
  check(remote ? getpeername(fd, address, &size) : getsockname(fd, address, &size), "getsockname");
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &end.sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(end.sin_port));
}

/// A program with a queue of its own and one sender: held back from `high` on, told to go on at `low`, and back 5 ms
/// later, because it has to be woken.
void send_through_queue(int fd, std::size_t high, std::size_t low) {
  static const std::vector<char> bytes(256 * 1024, 'x');
  check(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
  const std::string ends = "local=" + end_text(fd, false) + " remote=" + end_text(fd, true);
  std::size_t queued = 0, accepted = 0;
  bool held = false, called = false;
  Clock::time_point back, next_word = Clock::now();
  for (;;) {
    if (!held) {
      accepted += high - queued;
      queued = high;
      held = true;
    }
    for (ssize_t sent = 1; queued > 0 && sent > 0; queued -= static_cast<std::size_t>(std::max<ssize_t>(sent, 0)))
      sent = send(fd, bytes.data(), std::min(queued, bytes.size()), MSG_NOSIGNAL);
    if (!called && queued <= low) {
      called = true;
      back = Clock::now() + Millis{5};
    }
    if (Clock::now() >= next_word) {
      next_word = Clock::now() + Millis{200};
      tell_agents("tcpadvisor-queue 1 " + ends + " queued=" + std::to_string(queued) + " high=" + std::to_string(high) +
                  " low=" + std::to_string(low) + " suspended=1 accepted=" + std::to_string(accepted) +
                  " name=habit\n");
    }
    pollfd room{.fd = fd, .events = static_cast<short>(queued > 0 ? POLLOUT : 0), .revents = 0};
    poll(&room, 1, 1);
    if (called && Clock::now() >= back) called = held = false;
  }
}

Scene make_marks(Stage& stage, const Request& request, const char* name, std::size_t high, std::size_t low) {
  const FarSide sides =
      add_far_side(stage, request.private_netns, {.one_way_delay = Millis{10}, .rate_bits_per_s = 100'000'000});
  const Actor receiver = stage.start(
      "tcpfault-recv",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        read_all(accept_one(listening.fd));
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(receiver.channel.hear());
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    const int fd = connect_to(port, kLinkAddressB);
    channel.say(1);
    send_through_queue(fd, high, low);
  });
  sender.channel.hear();
  sleep_for(Millis{1'500});  // the first fill, and the kernel's slow start
  return {{name, sender.pid, receiver.pid, port, 1}};
}

}  // namespace

/// Forgotten by a program, found by its collector.
Scene make_collected(Stage& stage, const Request& request) {
  return make_swept_at_once(stage, request, "collected", Millis{0});
}

/// Nothing wrong: what rests for a second is closed by a timer that looks four times a second.
Scene make_idle_timer(Stage& stage, const Request& request) {
  return make_swept_at_once(stage, request, "idle-timer", Millis{1'000});
}

/// Nothing wrong: a server takes what came, twice a second.
Scene make_rounds_of_events(Stage& stage, const Request& request) {
  return make_rounds(stage, request, "rounds-of-events", true);
}

/// Nothing wrong: the same, and nobody has anything to say.
Scene make_rounds_of_probes(Stage& stage, const Request& request) {
  return make_rounds(stage, request, "rounds-of-probes", false);
}

/// Nothing wrong: four times a second a part of COUNT questions at once, and all closed when the last answer is there.
Scene make_asks_at_once(Stage& stage, const Request& request) {
  const Actor server =
      stage.start("tcpfault-server", [=](const Channel& channel) { answer_all(channel, request.port); });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int round = 0;; ++round, sleep_for(Millis{150})) {
      std::vector<Used> open;
      for (int i = 0; i < request.count / 4; ++i) open.push_back(ask(port));
      sleep_for(Millis{100});  // one of them takes so long
      for (const Used& one : open) close(one.fd);
      if (round == 4) channel.say(1);
    }
  });
  client.channel.hear();
  return {{"asks-at-once", client.pid, server.pid, port, request.count}};
}

Scene make_no_timeouts(Stage& stage, const Request& request) {
  return make_resting(stage, request, "no-timeouts", [](int) {});
}

/// Nothing wrong: the same with SO_KEEPALIVE, or with SO_RCVTIMEO.
Scene make_some_timeouts(Stage& stage, const Request& request) {
  return make_resting(stage, request, "some-timeouts", [](int fd) {
    const timeval minute{.tv_sec = 60, .tv_usec = 0};
    if (fd % 2 == 0) return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE");
    check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute), "SO_RCVTIMEO");
  });
}

Scene make_marks_small(Stage& stage, const Request& request) {
  return make_marks(stage, request, "marks-small", 8 * 1024, 4 * 1024);
}

Scene make_marks_large(Stage& stage, const Request& request) {
  return make_marks(stage, request, "marks-large", 16 << 20, 8 << 20);
}

Scene make_marks_right(Stage& stage, const Request& request) {
  return make_marks(stage, request, "marks-right", 512 * 1024, 256 * 1024);
}

}  // namespace tcpfault
