// SPDX-License-Identifier: Apache-2.0
// Programs between others: who of them owes the next step. And CLOSE_WAIT counts that are no leak, or hide one.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "tests/scenario/faults.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

void say_hello(int fd) {
  check(static_cast<int>(send(fd, "hello", 5, MSG_NOSIGNAL)), "send");
}

void read_some(int fd) {
  std::array<char, 64> buffer;
  check(static_cast<int>(recv(fd, buffer.data(), buffer.size(), 0)), "recv");
}

/// Accepts `count` connections.
std::vector<int> accept_all(int listener, int count) {
  std::vector<int> held;
  while (held.size() < static_cast<std::size_t>(count)) {
    held.push_back(accept_one(listener));
  }
  return held;
}

}  // namespace

Scene make_relay(Stage& stage, const Request& request) {
  const Actor backend = stage.start("tcpfault-back", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + kSpareDescriptors);
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    const std::vector<int> held = accept_all(listening.fd, request.count);
    for (const int fd : held) {
      read_all(fd);  // to the end, and forgets to close
    }
    channel.say(1);
  });
  const auto upstream = static_cast<std::uint16_t>(backend.channel.hear());
  const Actor proxy = stage.start("tcpfault-proxy", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) * 2 + kSpareDescriptors);
    const Listening listening = listen_on({});
    channel.say(listening.port);
    const std::vector<int> down = accept_all(listening.fd, request.count);
    std::vector<int> up;
    for (const int fd : down) {
      up.push_back(connect_to(upstream));
      read_all(fd);
      check(shutdown(up.back(), SHUT_WR), "shutdown");  // the client's end stays open until the backend has answered
    }
    channel.say(1);
  });
  const auto port = static_cast<std::uint16_t>(proxy.channel.hear());
  stage.start("tcpfault-front", [=](const Channel&) {
    std::vector<int> all;
    for (int i = 0; i < request.count; ++i) {
      all.push_back(connect_to(port));
      say_hello(all.back());
    }
    for (const int fd : all) {
      close(fd);
    }
  });
  backend.channel.hear();
  proxy.channel.hear();
  return {{"relay", backend.pid, proxy.pid, port, request.count}};
}

Scene make_relay_stuck(Stage& stage, const Request& request) {
  const Actor backend = stage.start("tcpfault-back", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    accept_all(listening.fd, request.count);  // and reads nothing
  });
  const auto upstream = static_cast<std::uint16_t>(backend.channel.hear());
  const Actor proxy = stage.start("tcpfault-proxy", [=](const Channel& channel) {
    const Listening listening = listen_on({});
    channel.say(listening.port);
    std::vector<std::thread> pumps;
    for (int i = 0; i < request.count; ++i) {
      const int down = accept_one(listening.fd), up = connect_to(upstream);
      pumps.emplace_back([down, up] {
        std::vector<char> buffer(16 * 1024);
        for (ssize_t got; (got = recv(down, buffer.data(), buffer.size(), 0)) > 0;) {
          if (send(up, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0) {
            return;
          }
        }
      });
    }
    for (std::thread& pump : pumps) {
      pump.join();
    }
  });
  const auto port = static_cast<std::uint16_t>(proxy.channel.hear());
  const Actor front = stage.start("tcpfault-front", [=](const Channel& channel) {
    std::vector<std::thread> senders;
    for (int i = 0; i < request.count; ++i) {
      senders.emplace_back([fd = connect_to(port)] { write_for_ever(fd); });
    }
    channel.say(1);
    for (std::thread& sender : senders) {
      sender.join();
    }
  });
  front.channel.hear();
  sleep_for(Millis{1'500});  // until all buffers are full
  return {{"relay-stuck", backend.pid, proxy.pid, port, request.count}};
}

Scene make_both_write(Stage& stage, const Request& request) {
  const auto write_only = [](const std::vector<int>& fds) {
    std::vector<std::thread> writers;
    for (const int fd : fds) {
      writers.emplace_back([fd] { write_for_ever(fd); });
    }
    for (std::thread& one : writers) {
      one.join();
    }
  };
  const Actor left = stage.start("tcpfault-left", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    write_only(accept_all(listening.fd, request.count));
  });
  const auto port = static_cast<std::uint16_t>(left.channel.hear());
  const Actor right = stage.start("tcpfault-right", [=](const Channel& channel) {
    std::vector<int> held;
    for (int i = 0; i < request.count; ++i) {
      held.push_back(connect_to(port));
    }
    channel.say(1);
    write_only(held);
  });
  right.channel.hear();
  sleep_for(Millis{1'000});  // until the buffers are full
  return {{"both-write", right.pid, left.pid, port, request.count}};
}

Scene make_idle_pool(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (int i = 0; i < request.count; ++i) {
      const int fd = accept_one(listening.fd);
      read_some(fd);
      say_hello(fd);
      close(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    std::vector<int> pool;
    for (int i = 0; i < request.count; ++i) {
      pool.push_back(connect_to(port));
      say_hello(pool.back());
      read_some(pool.back());
    }
    wait_until("the server to close", [&] { return all_in_state(pool, kCloseWait); });
    channel.say(1);
  });
  client.channel.hear();
  return {{"idle-pool", client.pid, server.pid, port, request.count}};
}

Scene make_swept_leak(Stage& stage, const Request& request) {
  constexpr Millis kSweepEvery{7'000};
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (;;) {
      close(accept_one(listening.fd));
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) * 10 + kSpareDescriptors);
    std::vector<int> forgotten;
    auto sweep_at = Clock::now() + kSweepEvery;
    channel.say(1);
    for (;;) {
      forgotten.push_back(connect_to(port));
      sleep_for(Millis{1'000 / request.count});
      if (Clock::now() < sweep_at) {
        continue;
      }
      for (const int fd : forgotten) {
        close(fd);
      }
      forgotten.clear();
      sweep_at += kSweepEvery;
    }
  });
  client.channel.hear();
  return {{"swept-leak", client.pid, server.pid, port, request.count}};
}

}  // namespace tcpfault
