// SPDX-License-Identifier: Apache-2.0
// What arrives and is not taken: in segments too small for the room that they take, or from senders that have gone.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
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

/// The same with a reader that keeps up, but looks only now and then, and a buffer that tiny segments fill meanwhile:
/// what finds no room although all of it was copied together is dropped.
Scene make_tiny_bursts(Stage& stage, const Request& request) {
  constexpr int kBuffer = 32 * 1024;
  constexpr Millis kBetweenLooks{60};
  const Actor reader = stage.start("tcpfault-recv", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .rcvbuf_bytes = kBuffer});
    channel.say(listening.port);
    std::vector<int> held(static_cast<std::size_t>(request.count));
    for (int& fd : held) {
      fd = accept_one(listening.fd);
    }
    std::vector<char> buffer(64 * 1024);
    for (int round = 0;; ++round) {
      sleep_for(kBetweenLooks);
      for (const int fd : held) {
        while (recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
        }
      }
      if (round == 5) {
        channel.say(1);
      }
    }
  });
  const auto port = static_cast<std::uint16_t>(reader.channel.hear());
  const Actor sender = stage.start("tcpfault-send", [=](const Channel&) {
    std::vector<int> fds(static_cast<std::size_t>(request.count));
    for (int& fd : fds) {
      fd = connect_to(port);
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    }
    constexpr std::array<char, 10> kMessage{};
    for (;;) {
      for (const int fd : fds) {
        for (int i = 0; i < 400; ++i) {
          (void)send(fd, kMessage.data(), kMessage.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        }
      }
      sleep_for(Millis{5});
    }
  });
  reader.channel.hear();
  return {{"tiny-bursts", reader.pid, sender.pid, port, request.count}};
}

namespace {

namespace fs = std::filesystem;

/// A memory cgroup of version 1 of our own, whose sockets may take so much. Those that faults have left are removed
/// first.
fs::path cgroup_for_sockets(Stage& stage, std::uint64_t limit_bytes) {
  const fs::path all = "/sys/fs/cgroup/memory";
  std::error_code error;
  if (!fs::exists(all / "memory.kmem.tcp.limit_in_bytes", error)) {
    throw Skip("needs memory cgroups that limit what sockets take (version 1, memory.kmem.tcp)");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(all, error)) {
    if (entry.path().filename().string().starts_with("tcpfault-")) {
      rmdir(entry.path().c_str());  // fails while somebody is in it
    }
  }
  fs::path own = all / ("tcpfault-" + std::to_string(getpid()));
  if (mkdir(own.c_str(), 0755) != 0) {
    throw Skip("cannot make a memory cgroup: " + std::error_code(errno, std::generic_category()).message());
  }
  stage.at_end([own] { rmdir(own.c_str()); });
  std::ofstream limit(own / "memory.kmem.tcp.limit_in_bytes");
  limit << limit_bytes << std::flush;
  if (!limit) {
    throw Skip("memory.kmem.tcp.limit_in_bytes cannot be written");
  }
  return own;
}

}  // namespace

/// Readers in a cgroup whose limit their sockets fill: the kernel refuses them more, and nobody else of the host.
Scene make_cgroup_full(Stage& stage, const Request& request) {
  constexpr std::uint64_t kLimit = 4 << 20;
  const fs::path own = cgroup_for_sockets(stage, kLimit);
  const Actor reader = stage.start("tcpfault-reader", [=](const Channel& channel) {
    std::ofstream(own / "cgroup.procs") << getpid() << std::flush;
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held(static_cast<std::size_t>(request.count));
    for (int& fd : held) {
      fd = accept_one(listening.fd);
    }
    channel.say(1);
    std::vector<char> buffer(256 * 1024);
    for (;;) {  // it reads all that there is, again and again
      sleep_for(Millis{40});
      for (const int fd : held) {
        while (recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
        }
      }
    }
  });
  const auto port = static_cast<std::uint16_t>(reader.channel.hear());
  const Actor sender = stage.start("tcpfault-sender", [=](const Channel& channel) {
    std::vector<int> fds(static_cast<std::size_t>(request.count));
    for (int& fd : fds) {
      fd = connect_to(port);
    }
    const std::vector<char> buffer(64 * 1024, 'x');
    channel.say(1);
    for (;;) {
      for (const int fd : fds) {
        (void)send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      }
      sleep_for(Millis{2});
    }
  });
  reader.channel.hear();
  sender.channel.hear();
  return {{"cgroup-full", reader.pid, sender.pid, port, request.count}};
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
