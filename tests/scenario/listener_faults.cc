// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <thread>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

/// Clients that connect, wait for the server to answer and close, and give up after a while.
class Crowd {
 public:
  Crowd(std::uint16_t port, Millis patience) : port_(port), patience_(patience) {}

  void open_one() { waiting_.push_back({start_connect(port_), Clock::now() + patience_}); }

  /// Lets everybody go who has been served, was refused or has lost patience.
  void tend() {
    std::vector<pollfd> polls;
    for (const Visitor& visitor : waiting_) {
      polls.push_back({visitor.fd, POLLIN | POLLRDHUP, 0});
    }
    check(poll(polls.data(), polls.size(), 0), "poll");
    const auto now = Clock::now();
    std::deque<Visitor> still_waiting;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (polls[i].revents != 0 || waiting_[i].gives_up <= now) {
        close(waiting_[i].fd);
      } else {
        still_waiting.push_back(waiting_[i]);
      }
    }
    waiting_ = std::move(still_waiting);
  }

 private:
  struct Visitor {
    int fd;
    Clock::time_point gives_up;
  };
  std::uint16_t port_;
  Millis patience_;
  std::deque<Visitor> waiting_;
};

void serve(int connection) {
  (void)send(connection, "ok\n", 3, MSG_NOSIGNAL);  // the visitor may have left
  close(connection);
}

/// A server that stalls for a moment at each burst.
Scene bursts_at(Stage& stage, const Request& request, const char* fault, int backlog) {
  constexpr Millis kStall{300};
  constexpr Millis kQuiet{1'200};  // longer than the client's first SYN retry, so that retries find a quick server
  constexpr Millis kBetweenBursts{2'500};

  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .backlog = backlog});
    channel.say(listening.port);
    auto last = Clock::time_point{};
    for (;;) {
      const int connection = accept_one(listening.fd);
      if (Clock::now() - last > kQuiet) {
        sleep_for(kStall);  // a collector's pause, just when the burst comes
      }
      serve(connection);
      last = Clock::now();
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    constexpr Millis kBurst{100};
    need_descriptors(static_cast<std::size_t>(request.count * 2 + 64));
    Crowd crowd(port, Millis{800});
    for (int burst = 0;; ++burst) {
      const auto start = Clock::now();
      for (int i = 0; i < request.count; ++i) {
        std::this_thread::sleep_until(start + i * kBurst / request.count);
        crowd.open_one();
      }
      if (burst == 0) {
        channel.say(1);
      }
      while (Clock::now() < start + kBetweenBursts) {
        crowd.tend();
        sleep_for(Millis{20});
      }
    }
  });
  client.channel.hear();
  return {{fault, server.pid, client.pid, port, request.count}};
}

}  // namespace

Scene make_accept_slow(Stage& stage, const Request& request) {
  constexpr int kBacklog = 64;
  constexpr Millis kWorkPerConnection{50};
  // Longer than the queue takes to pass (64 × 50 ms), so that nobody leaves while being queued.
  constexpr Millis kPatience{6'000};

  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .backlog = kBacklog});
    channel.say(listening.port);
    for (;;) {
      const int connection = accept_one(listening.fd);
      sleep_for(kWorkPerConnection);
      serve(connection);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    const Millis pause(1'000 / request.count);
    need_descriptors(static_cast<std::size_t>(request.count * 8));
    Crowd crowd(port, kPatience);
    const auto full = Clock::now() + Millis{1'500};
    bool said = false;
    for (;;) {
      crowd.open_one();
      crowd.tend();
      if (!said && Clock::now() > full) {
        channel.say(1);
        said = true;
      }
      sleep_for(pause);
    }
  });
  client.channel.hear();
  return {{"accept-slow", server.pid, client.pid, port, request.count}};
}

Scene make_backlog_small(Stage& stage, const Request& request) {
  return bursts_at(stage, request, "backlog-small", 8);
}

Scene make_somaxconn_small(Stage& stage, const Request& request) {
  if (!request.private_netns) {
    throw Skip("somaxconn-small lowers net.core.somaxconn: it needs a namespace of its own (--own-netns)");
  }
  set_sysctl("net/core/somaxconn", "16");
  return bursts_at(stage, request, "somaxconn-small", 1'024);
}

Scene make_reuseport_stuck(Stage& stage, const Request& request) {
  constexpr int kWorkers = 4;
  std::uint16_t port = request.port;
  pid_t stuck = 0;
  for (int worker = 0; worker < kWorkers; ++worker) {
    const Actor actor = stage.start("tcpfault-worker", [=](const Channel& channel) {
      const Listening listening = listen_on({.port = port, .backlog = 128, .reuseport = true});
      channel.say(listening.port);
      while (worker > 0) {
        serve(accept_one(listening.fd));
      }  // the first one hangs
    });
    port = static_cast<std::uint16_t>(actor.channel.hear());
    if (worker == 0) {
      stuck = actor.pid;
    }
  }
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    Crowd crowd(port, Millis{600'000});
    bool said = false;
    for (int i = 0; i < request.count; ++i) {
      crowd.open_one();
    }
    for (const auto started = Clock::now();;) {
      crowd.tend();  // those that wait go on doing so
      if (!said && Clock::now() - started > Millis{500}) {
        channel.say(1);
        said = true;
      }
      sleep_for(Millis{20});
    }
  });
  client.channel.hear();
  return {{"reuseport-stuck", stuck, client.pid, port, 1}};
}

}  // namespace tcpfault
