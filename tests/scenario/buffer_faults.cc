// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/scenario/delaylink.h"
#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

constexpr int kSndbufEnough = 128 * 1024;
constexpr int kLockedBufferBytes = 65'536;          // the kernel doubles it
constexpr std::uint64_t kCappedRate = 100'000'000;  // over 30 ms: 375,000 bytes on their way, three times the maximum
constexpr std::uint64_t kFastRate = 400'000'000;
constexpr Millis kFastDelay{25};

volatile std::sig_atomic_t connect_again = 0;

/// A sender with all that it needs; writes for ever, and connects again at SIGHUP.
void send_bulk(const Request& request, std::uint16_t port, const char* address, int sndbuf_bytes, Millis pause) {
  struct sigaction again{};
  again.sa_handler = [](int) { connect_again = 1; };  // without SA_RESTART: send() returns
  sigaction(SIGHUP, &again, nullptr);
  sigset_t hangup;  // whoever started us waits for it with sigtimedwait(), and had it blocked
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  sigprocmask(SIG_UNBLOCK, &hangup, nullptr);
  const std::vector<char> buffer(64 * 1024, 'x');
  for (;;) {
    const int fd = connect_to(port, address);
    if (sndbuf_bytes > 0) {
      set_option(fd, SOL_SOCKET, SO_SNDBUF, sndbuf_bytes, "SO_SNDBUF");
    }
    if (!request.congestion_control.empty()) {
      set_congestion_control(fd, request.congestion_control);
    }
    while (connect_again == 0 && send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) > 0) {
      if (pause.count() > 0) {
        sleep_for(pause);
      }
    }
    if (connect_again == 0) {
      throw std::runtime_error("the bulk receiver went away");
    }
    connect_again = 0;
    close(fd);
  }
}

/// Both ends of a measured flow get the processor when they want it: a late reader would be another fault.
void run_at_once() {
  (void)setpriority(PRIO_PROCESS, 0, -20);  // needs a right; without it the measurement is less exact
}

/// What a bulk flow and its path are like.
struct LongFlow {
  bool receiver_is_here = false;           ///< on the side of the culprit, and so in our namespace
  int rcvbuf_bytes = 0, sndbuf_bytes = 0;  ///< 0: left to the kernel
  std::uint64_t rate_bits_per_s = 200'000'000;
  Millis one_way_delay{15};
  Millis pause{0};                                 ///< of the receiver, after each 64 KiB
  Millis sender_pause{0};                          ///< of the sender, after each 64 KiB
  const char *sysctl = nullptr, *value = nullptr;  ///< of the culprit's namespace
};

/// A second namespace behind a round-trip time, of 30 ms if nothing else is said.
FarSide add_far_side(Stage& stage, const Request& request, std::uint64_t rate_bits_per_s,
                     std::uint64_t queue_bytes = DelayLinkOptions{}.queue_bytes, Millis one_way_delay = Millis{15}) {
  return add_far_side(stage, request.private_netns,
                      {.one_way_delay = one_way_delay, .rate_bits_per_s = rate_bits_per_s, .queue_bytes = queue_bytes});
}

/// One bulk flow from one side to the other.
Scene make_long_flow(Stage& stage, const Request& request, const char* name, const LongFlow& flow) {
  const FarSide sides =
      add_far_side(stage, request, flow.rate_bits_per_s, DelayLinkOptions{}.queue_bytes, flow.one_way_delay);
  if (flow.sysctl != nullptr) {
    set_sysctl(flow.sysctl, flow.value);
  }
  const char* receiver_address = flow.receiver_is_here ? kLinkAddressA : kLinkAddressB;
  const Actor receiver = stage.start(
      "tcpfault-recv",
      [=](const Channel& channel) {
        run_at_once();
        const Listening listening =
            listen_on({.address = receiver_address, .port = request.port, .rcvbuf_bytes = flow.rcvbuf_bytes});
        channel.say(listening.port);
        std::array<char, 64 * 1024> buffer;
        for (bool said = false;;) {
          const int fd = accept_one(listening.fd);
          // The first seconds are slow start; the fault stands when the flow is long past it.
          const auto settled = Clock::now() + Millis{1'500};
          while (recv(fd, buffer.data(), buffer.size(), flow.pause.count() > 0 ? MSG_WAITALL : 0) > 0) {
            if (!said && Clock::now() > settled) {
              channel.say(1);
              said = true;
            }
            if (flow.pause.count() > 0) {
              sleep_for(flow.pause);
            }
          }
          close(fd);
        }
      },
      flow.receiver_is_here ? sides.here : sides.there);
  const auto port = static_cast<std::uint16_t>(receiver.channel.hear());
  const Actor sender = stage.start(
      "tcpfault-send",
      [=](const Channel&) {
        run_at_once();
        send_bulk(request, port, receiver_address, flow.sndbuf_bytes, flow.sender_pause);
      },
      flow.receiver_is_here ? sides.there : sides.here);
  receiver.channel.hear();
  const Actor& culprit = flow.receiver_is_here ? receiver : sender;
  const Actor& peer = flow.receiver_is_here ? sender : receiver;
  return {{name, culprit.pid, peer.pid, port, 1, netns_inode(sides.there)}};
}

bool has_congestion_control(const char* name) {
  return get_sysctl("net/ipv4/tcp_available_congestion_control").find(name) != std::string::npos;
}

/// Under loss-based control the kernel often appends to a send buffer that is nominally full: with bbr the limit binds.
Request paced(Request request) {
  if (request.congestion_control.empty() && has_congestion_control("bbr")) {
    request.congestion_control = "bbr";
  }
  return request;
}

/// A sender that fills the queue of its path.
Request by_loss(Request request) {
  if (request.congestion_control.empty()) {
    request.congestion_control = has_congestion_control("cubic") ? "cubic" : "reno";
  }
  return request;
}

int rcvbuf_of(int fd) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  check(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size), "SO_RCVBUF");
  return bytes;
}

/// Reads messages of this size for ever and answers each.
void answer_messages(int fd, std::size_t size) {
  std::vector<char> message(size);
  const std::array<char, 16> answer{};
  while (recv(fd, message.data(), message.size(), MSG_WAITALL) == static_cast<ssize_t>(message.size()) &&
         send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) > 0) {
  }
}

struct TcpPressure {
  std::uint64_t pages = 0;
  bool on = false;
};

/// The line "TCP" of /proc/net/protocols: name, size, sockets, memory in pages, pressure.
TcpPressure read_pressure() {
  std::ifstream table("/proc/net/protocols");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string name, size, sockets, memory, pressure;
    words >> name >> size >> sockets >> memory >> pressure;
    if (name == "TCP") {
      return {std::stoull(memory), pressure == "yes"};
    }
  }
  throw std::runtime_error("/proc/net/protocols has no line TCP");
}

}  // namespace

Scene make_slow_reader(Stage& stage, const Request& request) {
  constexpr Millis kPause{200};
  constexpr int kGrownBuffer = 1 << 20;
  constexpr std::size_t kEnoughToGrow = 64 << 20;
  const Actor reader = stage.start("tcpfault-reader", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held(static_cast<std::size_t>(request.count));
    for (int& fd : held) {
      fd = accept_one(listening.fd);
    }
    std::array<char, kMaxReadBytes> buffer;
    // It begins as a good reader until its buffers have grown: on loopback, where a segment may have 64 KiB, the first
    // small ones close their windows when they are hardly more than half full.
    for (const int fd : held) {
      for (std::size_t taken = 0; rcvbuf_of(fd) < kGrownBuffer && taken < kEnoughToGrow;) {
        taken += static_cast<std::size_t>(check(static_cast<int>(recv(fd, buffer.data(), buffer.size(), 0)), "read"));
      }
    }
    const auto wanted = static_cast<std::size_t>(request.read_bytes);
    if (wanted == 0) return;
    while (true) {
      sleep_for(kPause);
      for (const int fd : held) {
        check(static_cast<int>(recv(fd, buffer.data(), wanted, MSG_DONTWAIT)), "read a little");
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
    // Each time that there is room, fill it. The window is closed when nothing fits for a while.
    int idle_rounds = 0;
    for (bool said = false;;) {
      bool moved = false;
      for (const int fd : fds) {
        const ssize_t sent = send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
          fail_errno("send");
        }
        moved = moved || sent > 0;
      }
      idle_rounds = moved ? 0 : idle_rounds + 1;
      if (!said && idle_rounds == 10) {
        channel.say(1);
        said = true;
      }
      if (!moved) {
        sleep_for(Millis{20});
      }
    }
  });
  sender.channel.hear();
  return {{"slow-reader", reader.pid, sender.pid, port, request.count}};
}

Scene make_rcvbuf_locked(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "rcvbuf-locked",
                        {.receiver_is_here = true, .rcvbuf_bytes = kLockedBufferBytes});
}

Scene make_sndbuf_locked(Stage& stage, const Request& request) {
  return make_long_flow(stage, paced(request), "sndbuf-locked", {.sndbuf_bytes = kLockedBufferBytes});
}

Scene make_rmem_capped(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "rmem-capped",
                        {.receiver_is_here = true,
                         .rate_bits_per_s = kCappedRate,
                         .sysctl = "net/ipv4/tcp_rmem",
                         .value = "4096 87380 131072"});
}

// 400 Mbit/s over 50 ms hold 2.5 MB; a buffer needs more, because a part of it is overhead.

Scene make_rmem_capped_fast(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "rmem-capped-fast",
                        {.receiver_is_here = true,
                         .rate_bits_per_s = kFastRate,
                         .one_way_delay = kFastDelay,
                         .sysctl = "net/ipv4/tcp_rmem",
                         .value = "4096 131072 2500000"});
}

Scene make_rmem_fast(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "rmem-fast",
                        {.receiver_is_here = true,
                         .rate_bits_per_s = kFastRate,
                         .one_way_delay = kFastDelay,
                         .sysctl = "net/ipv4/tcp_rmem",
                         .value = "4096 131072 8388608"});
}

Scene make_wmem_capped_fast(Stage& stage, const Request& request) {
  return make_long_flow(stage, paced(request), "wmem-capped-fast",
                        {.rate_bits_per_s = kFastRate,
                         .one_way_delay = kFastDelay,
                         .sysctl = "net/ipv4/tcp_wmem",
                         .value = "4096 16384 2500000"});
}

Scene make_wmem_fast(Stage& stage, const Request& request) {
  return make_long_flow(stage, paced(request), "wmem-fast",
                        {.rate_bits_per_s = kFastRate,
                         .one_way_delay = kFastDelay,
                         .sysctl = "net/ipv4/tcp_wmem",
                         .value = "4096 16384 8388608"});
}

Scene make_moderate_off(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "moderate-off",
                        {.receiver_is_here = true,
                         .rate_bits_per_s = kCappedRate,
                         .sysctl = "net/ipv4/tcp_moderate_rcvbuf",
                         .value = "0"});
}

Scene make_writes_slowly(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "writes-slowly", {.rate_bits_per_s = kCappedRate, .sender_pause = Millis{50}});
}

Scene make_bulk_far(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "bulk-far", {.receiver_is_here = true, .rate_bits_per_s = kCappedRate});
}

Scene make_rmem_enough(Stage& stage, const Request& request) {
  // The buffer has come to its end here, too, but its window is more than the path holds: the rest waits in a queue.
  return make_long_flow(stage, by_loss(request), "rmem-enough",
                        {.receiver_is_here = true,
                         .rate_bits_per_s = kCappedRate,
                         .sysctl = "net/ipv4/tcp_rmem",
                         .value = "4096 131072 1048576"});
}

Scene make_wmem_capped(Stage& stage, const Request& request) {
  return make_long_flow(stage, paced(request), "wmem-capped",
                        {.rate_bits_per_s = kCappedRate, .sysctl = "net/ipv4/tcp_wmem", .value = "4096 16384 131072"});
}

Scene make_sndbuf_enough(Stage& stage, const Request& request) {
  // Twice what 20 Mbit/s need over 30 ms. All of it is on its way, so the sender waits for room; but the path is full,
  // and more would only wait in its queue.
  return make_long_flow(stage, by_loss(request), "sndbuf-enough",
                        {.sndbuf_bytes = kSndbufEnough, .rate_bits_per_s = 20'000'000});
}

Scene make_messages_wait(Stage& stage, const Request& request) {
  constexpr std::size_t kMessageBytes = 8'192;
  constexpr std::uint64_t kRate = 20'000'000;
  const FarSide sides = add_far_side(stage, request, kRate, 256 * 1024);
  const Actor reader = stage.start(
      "tcpfault-recv",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        answer_messages(accept_one(listening.fd), kMessageBytes);
        throw std::runtime_error("the sender of messages went away");
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(reader.channel.hear());
  const Actor sender =
      stage.start("tcpfault-send", [=, control = by_loss(request).congestion_control](const Channel& channel) {
        const int fd = connect_to(port, kLinkAddressB);
        set_congestion_control(fd, control);
        const std::vector<char> message(kMessageBytes, 'x');
        std::vector<char> answers(4'096);
        const auto settled = Clock::now() + Millis{3'000};
        for (bool said = false; send(fd, message.data(), message.size(), MSG_NOSIGNAL) > 0;) {
          (void)recv(fd, answers.data(), answers.size(), MSG_DONTWAIT);
          if (!said && Clock::now() > settled) {
            channel.say(1);
            said = true;
          }
        }
        throw std::runtime_error("the reader of messages went away");
      });
  sender.channel.hear();
  return {{"messages-wait", sender.pid, reader.pid, port, 1, netns_inode(sides.there)}};
}

Scene make_slow_reader_far(Stage& stage, const Request& request) {
  return make_long_flow(stage, request, "slow-reader-far", {.receiver_is_here = true, .pause = Millis{20}});
}

Scene make_mem_pressure(Stage& stage, const Request& request) {
  if (!request.is_guest) {
    throw Skip("mem-pressure lowers tcp_mem and so hits every connection of the machine: only with --i-am-a-guest");
  }
  if (request.private_netns) {
    throw Skip("mem-pressure: tcp_mem can only be written in the machine's first network namespace");
  }
  constexpr std::uint64_t kMinPages = 1'024, kPressurePages = 1'536, kMaxPages = 4'096;  // above what is in use now
  const std::string before = get_sysctl("net/ipv4/tcp_mem");
  const std::uint64_t used = read_pressure().pages;
  stage.at_end([before] { set_sysctl("net/ipv4/tcp_mem", before); });
  set_sysctl("net/ipv4/tcp_mem", std::to_string(used + kMinPages) + " " + std::to_string(used + kPressurePages) + " " +
                                     std::to_string(used + kMaxPages));

  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + 64);
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    for (std::vector<int> held;;) {
      held.push_back(accept_one(listening.fd));  // and never reads
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    need_descriptors(static_cast<std::size_t>(request.count) + 64);
    const std::vector<char> buffer(64 * 1024, 'x');
    const auto fill = [&](int fd) {
      while (send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
      }
    };
    std::vector<int> fds;
    while (!read_pressure().on && fds.size() < static_cast<std::size_t>(request.count)) {
      fds.push_back(connect_to(port));
      fill(fds.back());
    }
    wait_until("the kernel to report memory pressure", [] { return read_pressure().on; });
    channel.say(fds.size());
    for (;;) {
      sleep_for(Millis{500});
      for (const int fd : fds) {
        fill(fd);
      }
    }
  });
  const int flows = static_cast<int>(client.channel.hear());
  return {{"mem-pressure", server.pid, client.pid, port, flows}};
}

}  // namespace tcpfault
