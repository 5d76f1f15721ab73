// SPDX-License-Identifier: Apache-2.0
// Processes that do not run, have no descriptors left, forget what they opened, or send to peers that do not read.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "tests/scenario/farpeer.h"
#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

constexpr std::array<char, 18> kAsk{'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P', '/', '1', '.', '0', '\r', '\n'};

void ask(int fd) {
  check(static_cast<int>(send(fd, kAsk.data(), kAsk.size(), MSG_NOSIGNAL)), "send");
}

/// Accepts for ever, answers the first request on each connection, and leaves closing to the client.
Actor start_answering_server(Stage& stage, const Request& request) {
  return stage.start("tcpfault-server", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(kMaxGrown + request.count + 64));
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::array<char, kAsk.size()> buffer{};
    for (std::vector<int> held;;) {
      held.push_back(accept_one(listening.fd));
      check(static_cast<int>(recv(held.back(), buffer.data(), buffer.size(), 0)), "read");
      check(static_cast<int>(send(held.back(), "ok\n", 3, MSG_NOSIGNAL)), "answer");
    }
  });
}

void ask_and_keep(std::uint16_t port) {
  const int fd = connect_to(port);
  ask(fd);
  std::array<char, 8> answer{};
  check(static_cast<int>(recv(fd, answer.data(), answer.size(), 0)), "read the answer");
}

std::vector<int> fill_towards_far_peer(const Request& request, std::uint16_t port) {
  const std::vector<char> buffer(64 * 1024, 'x');
  std::vector<int> fds;
  for (int i = 0; i < request.count; ++i) {
    fds.push_back(connect_to(port, kFarPeerAddress));
    while (send(fds.back(), buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    }
  }
  return fds;
}

Scene make_stuck_sender(Stage& stage, const Request& request, const char* name, std::size_t grow_bytes) {
  if (!request.private_netns) {
    throw Skip(std::string(name) + " needs an address of its own (--own-netns)");
  }
  const Actor peer = start_far_peer(stage, this_netns(), FarPeer::does_not_read);
  const std::uint16_t port = request.port == 0 ? 443 : request.port;
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    fill_towards_far_peer(request, port);
    channel.say(1);
    constexpr Millis kPause{100};
    constexpr int kMost = 1'000;
    // What else is there to send is kept.
    for (std::vector<std::vector<char>> kept; grow_bytes > 0 && kept.size() < kMost; sleep_for(kPause)) {
      kept.emplace_back(grow_bytes, 'x');
    }
  });
  sender.channel.hear();
  return {{name, sender.pid, peer.pid, port, request.count}};
}

}  // namespace

Scene make_process_stopped(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held;
    for (int i = 0; i < request.count; ++i) {
      held.push_back(accept_one(listening.fd));
    }
    channel.say(1);
    raise(SIGSTOP);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      ask(connect_to(port));
    }
    channel.say(1);
    sleep_for(Millis{200});
    for (int i = 0; i < request.count; ++i) {
      ask(connect_to(port));  // the kernel accepts them
    }
    channel.say(1);
  });
  client.channel.hear();
  server.channel.hear();
  client.channel.hear();
  return {{"process-stopped", server.pid, client.pid, port, request.count}};
}

Scene make_workers_stopped(Stage& stage, const Request& request) {
  constexpr int kClients = 10;
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    pid_t first = 0;
    for (int i = 0; i < request.count; ++i) {
      const pid_t worker = check(fork(), "fork");
      if (worker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        raise(SIGSTOP);
        _exit(0);
      }
      first = first == 0 ? worker : first;
    }
    channel.say(listening.port);
    channel.say(static_cast<std::uint64_t>(first));
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const auto worker = static_cast<pid_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < kClients; ++i) {
      ask(connect_to(port));
    }
    channel.say(1);
  });
  client.channel.hear();
  return {{"workers-stopped", worker, server.pid, port, request.count}};
}

Scene make_fd_limit(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const rlimit limit{.rlim_cur = 64, .rlim_max = 64};
    const Listening listening = listen_on({.port = request.port});
    check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
    }
    channel.say(listening.port);
    for (;;) {
      if (accept4(listening.fd, nullptr, nullptr, SOCK_CLOEXEC) >= 0 || errno != EMFILE) {
        throw std::runtime_error("accept() did not fail with EMFILE");
      }
      sleep_for(Millis{100});
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < request.count; ++i) {
      ask(connect_to(port));
    }
    channel.say(1);
  });
  client.channel.hear();
  return {{"fd-limit", server.pid, client.pid, port, request.count}};
}

Scene make_established_growth(Stage& stage, const Request& request) {
  const Actor server = start_answering_server(stage, request);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    constexpr double kUsualRate = 20;
    need_descriptors(static_cast<std::size_t>(kMaxGrown + request.count + 64));
    for (int i = 0; i < request.count; ++i) {
      ask_and_keep(port);
    }
    const double per_s = request.grow_per_s > 0 ? request.grow_per_s : kUsualRate;
    constexpr double kGoesOnFor = 3.5;  // s, before anybody looks: longer than it takes to fill a pool
    for (int i = 0; i < kMaxGrown; ++i) {
      if (i == static_cast<int>(kGoesOnFor * per_s)) channel.say(1);
      sleep_for(Millis(static_cast<int>(1'000 / per_s)));
      ask_and_keep(port);
    }
  });
  client.channel.hear();
  return {{"established-growth", client.pid, server.pid, port, request.count}};
}

Scene make_peer_not_reading(Stage& stage, const Request& request) {
  return make_stuck_sender(stage, request, "peer-not-reading", 0);
}

Scene make_dead_peers(Stage& stage, const Request& request) {
  if (!request.private_netns) {
    throw Skip("dead-peers needs an address of its own (--own-netns)");
  }
  const Actor peer = start_far_peer(stage, this_netns());
  const std::uint16_t port = request.port == 0 ? 443 : request.port;
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + 64);
    std::vector<int> fds;
    for (int i = 0; i < request.count; ++i) {
      fds.push_back(connect_to(port, kFarPeerAddress));
      ask(fds.back());
    }
    sleep_for(Millis{300});   // the answers to all that was asked come in
    kill(peer.pid, SIGSTOP);  // nothing that is sent from here on arrives anywhere
    for (const int fd : fds) ask(fd);
    channel.say(1);
  });
  sender.channel.hear();
  return {{"dead-peers", sender.pid, peer.pid, port, request.count}};
}

Scene make_hidden_user_queue(Stage& stage, const Request& request) {
  return make_stuck_sender(stage, request, "hidden-user-queue", 256 * 1024);
}

Scene make_pool(Stage& stage, const Request& request) {
  const Actor server = start_answering_server(stage, request);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count + 64));
    for (int i = 0; i < request.count; ++i) {
      ask_and_keep(port);
    }
    channel.say(1);
  });
  client.channel.hear();
  return {{"pool", client.pid, server.pid, port, request.count}};
}

}  // namespace tcpfault
