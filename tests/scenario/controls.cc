// SPDX-License-Identifier: Apache-2.0
// Ways in which healthy servers and clients look like faulty ones: half-closed streams, idle connections by the
// hundred, several processes on one listener, queues that are long and move, addresses that are tried in vain first.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

constexpr std::array<char, 4> kAsk{'G', 'E', 'T', '\n'};

void say_to(int fd) {
  check(static_cast<int>(send(fd, kAsk.data(), kAsk.size(), MSG_NOSIGNAL)), "send");
}

/// False at the end of the stream.
bool hear_from(int fd) {
  std::array<char, 4'096> buffer;
  return recv(fd, buffer.data(), buffer.size(), 0) > 0;
}

void ask(int fd) {
  say_to(fd);
  hear_from(fd);
}

/// Reads one request, answers it, and closes.
void serve_one(int fd, Millis work = Millis{0}) {
  hear_from(fd);
  sleep_for(work);
  (void)send(fd, kAsk.data(), kAsk.size(), MSG_NOSIGNAL);
  close(fd);
}

void serve_one_after_another(int listener, Millis work = Millis{0}) {
  for (;;) serve_one(accept_one(listener), work);
}

/// Answers whatever comes on any connection, and closes when the client has.
void serve_by_poll(int listener) {
  std::vector<pollfd> polled{{.fd = listener, .events = POLLIN, .revents = 0}};
  for (;;) {
    check(poll(polled.data(), polled.size(), -1), "poll");
    std::vector<pollfd> next;
    for (const pollfd& one : polled) {
      if (one.fd == listener || one.revents == 0) {
        next.push_back(one);
      } else if (hear_from(one.fd)) {
        say_to(one.fd);
        next.push_back(one);
      } else {
        close(one.fd);
      }
    }
    if (polled.front().revents != 0) {
      next.push_back({.fd = accept_one(listener), .events = POLLIN, .revents = 0});
    }
    polled = std::move(next);
  }
}

/// `per_s` short connections a second; says so when `first` of them are over.
void visit_for_ever(const Channel& channel, std::uint16_t port, int per_s, int first = 20) {
  for (int i = 0;; ++i) {
    const int fd = connect_to(port);
    ask(fd);
    close(fd);
    if (i == first) {
      channel.say(1);
    }
    sleep_for(Millis{1'000 / per_s});
  }
}

Scene with_visitors(Stage& stage, const Actor& server, const char* name, int count) {
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client =
      stage.start("tcpfault-client", [=](const Channel& channel) { visit_for_ever(channel, port, 50); });
  client.channel.hear();
  return {{name, server.pid, client.pid, port, count}};
}

/// Forks a worker that ends with its parent.
template <typename Work>
pid_t start_worker(Work work) {
  const pid_t worker = check(fork(), "fork");
  if (worker == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    _exit(0);
  }
  return worker;
}

}  // namespace

Scene make_half_close(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-stream", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> streams;
    for (int i = 0; i < request.count; ++i) {
      streams.push_back(accept_one(listening.fd));
      read_all(streams.back());  // to the end of the request
    }
    for (;; sleep_for(Millis{100})) {
      for (const int fd : streams) say_to(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-reader", [=](const Channel& channel) {
    std::vector<int> streams;
    for (int i = 0; i < request.count; ++i) {
      streams.push_back(connect_to(port));
      say_to(streams.back());
      check(shutdown(streams.back(), SHUT_WR), "shutdown");
    }
    channel.say(1);
    for (;;) {
      for (const int fd : streams) hear_from(fd);
    }
  });
  client.channel.hear();
  return {{"half-close", server.pid, client.pid, port, request.count}};
}

/// It says its port.
Actor start_poll_server(Stage& stage, const char* name, const Request& request) {
  return stage.start(name, [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + kSpareDescriptors);
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    serve_by_poll(listening.fd);
  });
}

Scene make_busy_server(Stage& stage, const Request& request) {
  const Actor server = start_poll_server(stage, "tcpfault-server", request);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + kSpareDescriptors);
    for (int i = 0; i < request.count; ++i) {
      ask(connect_to(port));  // and keeps it
    }
    std::thread([port] {
      for (const int fd = connect_to(port);; sleep_for(Millis{5})) ask(fd);
    }).detach();
    visit_for_ever(channel, port, 100);
  });
  client.channel.hear();
  return {{"busy-server", server.pid, client.pid, port, request.count}};
}

Scene make_prefork(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    for (int i = 0; i < request.count; ++i) {
      start_worker([&] { serve_one_after_another(listening.fd); });
    }
    channel.say(listening.port);
  });
  return with_visitors(stage, server, "prefork", request.count);
}

Scene make_reuseport_even(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening first = listen_on({.port = request.port, .reuseport = true});
    for (int i = 1; i < request.count; ++i) {
      start_worker([&] { serve_one_after_another(listen_on({.port = first.port, .reuseport = true}).fd); });
    }
    channel.say(first.port);
    serve_one_after_another(first.fd);
  });
  return with_visitors(stage, server, "reuseport-even", request.count);
}

Scene make_fast_open(Stage& stage, const Request& request) {
  if (!request.private_netns) {
    throw Skip("fast-open changes a setting: it needs a namespace of its own (--own-netns)");
  }
  set_sysctl("net/ipv4/tcp_fastopen", "3");
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .backlog = 128});
    set_option(listening.fd, IPPROTO_TCP, TCP_FASTOPEN, 64, "TCP_FASTOPEN");
    channel.say(listening.port);
    serve_one_after_another(listening.fd);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0;; ++i) {
      const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
      // The request goes with the SYN, once the first connection has brought the cookie.
      check(static_cast<int>(sendto(fd, kAsk.data(), kAsk.size(), MSG_FASTOPEN | MSG_NOSIGNAL,
                                    reinterpret_cast<const sockaddr*>(&to), sizeof to)),
            "sendto with MSG_FASTOPEN");
      hear_from(fd);
      close(fd);
      if (i == request.count) {
        channel.say(1);
      }
      sleep_for(Millis{20});
    }
  });
  client.channel.hear();
  return {{"fast-open", server.pid, client.pid, port, request.count}};
}

Scene make_keepalive(Stage& stage, const Request& request) {
  const auto probe = [](int fd) {
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE");
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1, "TCP_KEEPIDLE");
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1, "TCP_KEEPINTVL");
  };
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (int i = 0; i < request.count; ++i) probe(accept_one(listening.fd));
    channel.say(1);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel&) {
    for (int i = 0; i < request.count; ++i) probe(connect_to(port));
  });
  server.channel.hear();
  return {{"keepalive", server.pid, client.pid, port, request.count}};
}

Scene make_few_at_a_time(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (int i = 1; i < request.count; ++i) {
      std::thread([=] { serve_one_after_another(listening.fd, Millis{500}); }).detach();
    }
    serve_one_after_another(listening.fd, Millis{500});
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < 3 * request.count; ++i) {
      std::thread([port] {
        for (;;) {
          const int fd = connect_to(port);
          ask(fd);
          close(fd);
        }
      }).detach();
    }
    sleep_for(Millis{1'000});
    channel.say(1);
  });
  client.channel.hear();
  return {{"few-at-a-time", server.pid, client.pid, port, request.count}};
}

/// A limit of its own, and more who want to be served: at each look as many wait, and each time others.
Scene make_own_limit(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (int i = 1; i < request.count; ++i) {
      std::thread([=] { serve_one_after_another(listening.fd, Millis{700}); }).detach();
    }
    serve_one_after_another(listening.fd, Millis{700});
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor other = stage.start("tcpfault-other", [=](const Channel& channel) {
    const Listening listening = listen_on({});
    channel.say(listening.port);
    serve_one_after_another(listening.fd);
  });
  const auto quick = static_cast<std::uint16_t>(other.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    constexpr int kThatWait = 10;
    for (int i = 0; i < request.count + kThatWait; ++i) {
      std::thread([port] {
        for (;;) {
          const int fd = connect_to(port);
          ask(fd);
          close(fd);
        }
      }).detach();
    }
    visit_for_ever(channel, quick, 50);
  });
  client.channel.hear();
  return {{"own-limit", server.pid, client.pid, port, request.count}};
}

/// As a load client does, a proxy that fills its pool, or everybody after a broker has been restarted.
Scene make_fills_up(Stage& stage, const Request& request) {
  const Actor server = start_poll_server(stage, "tcpfault-broker", request);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    constexpr int kPerS = 30;
    need_descriptors(static_cast<std::size_t>(request.count) + kSpareDescriptors);
    for (int i = 0; i < request.count; ++i) {
      ask(connect_to(port));  // and keeps it
      if (i == 0) channel.say(1);
      sleep_for(Millis{1'000 / kPerS});
    }
  });
  client.channel.hear();
  return {{"fills-up", server.pid, client.pid, port, request.count}};
}

Scene make_ipv6_first(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});  // 127.0.0.1 alone
    channel.say(listening.port);
    serve_one_after_another(listening.fd);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    sockaddr_in6 first{};
    first.sin6_family = AF_INET6;
    first.sin6_port = htons(port);
    first.sin6_addr = IN6ADDR_LOOPBACK_INIT;
    for (int i = 0;; ++i) {
      const int refused = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (refused < 0) {
        throw Skip("this kernel has no IPv6");
      }
      if (connect(refused, reinterpret_cast<const sockaddr*>(&first), sizeof first) == 0) {
        throw std::runtime_error("something listens on [::1]");
      }
      close(refused);
      const int fd = connect_to(port);
      ask(fd);
      close(fd);
      if (i == request.count) {
        channel.say(1);
      }
      sleep_for(Millis{50});
    }
  });
  client.channel.hear();
  return {{"ipv6-first", server.pid, client.pid, port, request.count}};
}

Scene make_closes_late(Stage& stage, const Request& request) {
  constexpr Millis kLate{6'000};  // more than the lab policy's 5 s, and less than a report observes
  const Millis pause = kLate / request.count;
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) * 2 + kSpareDescriptors);
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (;;) {
      std::thread([fd = accept_one(listening.fd)] {
        read_all(fd);
        sleep_for(kLate);
        close(fd);
      }).detach();
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0;; ++i) {
      close(connect_to(port));
      sleep_for(pause);
      if (i == request.count + request.count / 4) {
        channel.say(1);  // the first ones have been closed
      }
    }
  });
  client.channel.hear();
  return {{"closes-late", server.pid, client.pid, port, request.count}};
}

}  // namespace tcpfault
