// SPDX-License-Identifier: Apache-2.0
// Senders that stand in their own way, and paths that lose what they carry.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "tests/kernel/packet_filter.h"
#include "tests/scenario/delaylink.h"
#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

constexpr std::size_t kHeadBytes = 64, kBodyBytes = 1'000, kAnswerBytes = 32;
constexpr int kEthernetMtu = 1'500;

bool has_control(const char* name) {
  return get_sysctl("net/ipv4/tcp_available_congestion_control").find(name) != std::string::npos;
}

struct Talk {
  const char* name;
  bool in_pieces;
  Millis thinking;
};

/// `count` conversations of one client.
Scene make_talk(Stage& stage, const Request& request, const Talk& talk) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> fds(static_cast<std::size_t>(request.count));
    std::ranges::generate(fds, [&] { return accept_one(listening.fd); });
    // In turns: each of the clients waits for its own answer only, and all of them think alike.
    for (;;) {
      for (const int fd : fds) {
        if (!read_exactly(fd, kHeadBytes + kBodyBytes)) {
          throw std::runtime_error("a client went away");
        }
      }
      if (talk.thinking.count() > 0) {
        sleep_for(talk.thinking);
      }
      for (const int fd : fds) {
        write_exactly(fd, kAnswerBytes);
      }
    }
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    std::vector<int> fds(static_cast<std::size_t>(request.count));
    std::ranges::generate(fds, [&] { return connect_to(port); });
    for (int round = 0;; ++round) {
      for (const int fd : fds) {
        if (talk.in_pieces) {
          write_exactly(fd, kHeadBytes);
          write_exactly(fd, kBodyBytes);
        } else {
          write_exactly(fd, kHeadBytes + kBodyBytes);
        }
      }
      for (const int fd : fds) {
        if (!read_exactly(fd, kAnswerBytes)) {
          throw std::runtime_error("the server went away");
        }
      }
      if (round == 10) {
        channel.say(1);  // the first acknowledgements of a connection are quick
      }
    }
  });
  client.channel.hear();
  return {{talk.name, client.pid, server.pid, port, request.count}};
}

/// What flows over a path made for it, and how.
struct PathFlow {
  const char* name;
  const char* control;
  DelayLinkOptions link;
  std::size_t burst_bytes = 0;  ///< 0: without a pause
  Millis pause{0};
  Millis settles{2'500};
  std::uint32_t filtered_every = 0;  ///< one packet in so many is dropped where it arrives, by the packet filter there
};

void send_over(int fd, const PathFlow& flow, const Channel& channel) {
  if (flow.burst_bytes == 0) {
    write_for_ever(fd);
    throw std::runtime_error("the receiver went away");
  }
  for (int round = 0;; ++round) {
    write_exactly(fd, flow.burst_bytes);
    if (!read_exactly(fd, kAnswerBytes)) {  // all of it has arrived
      throw std::runtime_error("the receiver went away");
    }
    if (round == 1) {
      channel.say(1);
    }
    sleep_for(flow.pause);
  }
}

Scene make_path_flow(Stage& stage, const Request& request, const PathFlow& flow) {
  if (!has_control(flow.control)) {
    throw Skip(std::string("this kernel has no ") + flow.control);
  }
  const FarSide sides = add_far_side(stage, request.private_netns, flow.link);
  const Actor receiver = stage.start(
      "tcpfault-recv",
      [=](const Channel& channel) {
        (void)setpriority(PRIO_PROCESS, 0, -20);
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        const int fd = accept_one(listening.fd);
        std::string why_not;
        if (flow.filtered_every != 0 &&
            !tcpadvisor::traffic::drop_packets(tcpadvisor::traffic::Hook::input, flow.filtered_every, why_not))
          throw Skip(why_not);
        while (flow.burst_bytes > 0 && read_exactly(fd, flow.burst_bytes)) {
          write_exactly(fd, kAnswerBytes);
        }
        read_all(fd);
        throw std::runtime_error("the sender went away");
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(receiver.channel.hear());
  const Actor sender = stage.start(
      "tcpfault-send",
      [=](const Channel& channel) {
        (void)setpriority(PRIO_PROCESS, 0, -20);
        const int fd = connect_to(port, kLinkAddressB);
        set_congestion_control(fd, flow.control);
        send_over(fd, flow, channel);
      },
      sides.here);
  if (flow.burst_bytes > 0) {
    sender.channel.hear();
  } else {
    sleep_for(flow.settles);  // slow start is another story
  }
  return {{flow.name, sender.pid, receiver.pid, port, 1, netns_inode(sides.there)}};
}

constexpr std::size_t kBurstBytes = 1'000'000;
constexpr Millis kBurstPause{1'500};

PathFlow bursts_by(const char* name, const char* control) {
  return {.name = name,
          .control = control,
          .link = {.one_way_delay = std::chrono::milliseconds(30), .mtu_bytes = kEthernetMtu},
          .burst_bytes = kBurstBytes,
          .pause = kBurstPause};
}

}  // namespace

Scene make_nagle_stall(Stage& stage, const Request& request) {
  return make_talk(stage, request, {.name = "nagle-stall", .in_pieces = true, .thinking = Millis{0}});
}

Scene make_one_write(Stage& stage, const Request& request) {
  // Longer than acknowledgements are delayed: the round trip looks as slow as in a stall.
  return make_talk(stage, request, {.name = "one-write", .in_pieces = false, .thinking = Millis{60}});
}

Scene make_lossy_path(Stage& stage, const Request& request) {
  return make_path_flow(stage, request,
                        {.name = "lossy-path",
                         .control = "cubic",
                         .link = {.one_way_delay = std::chrono::milliseconds(20),
                                  .rate_bits_per_s = 100'000'000,
                                  .mtu_bytes = kEthernetMtu,
                                  .lost_per_million = 10'000}});
}

Scene make_local_filter(Stage& stage, const Request& request) {
  return make_path_flow(stage, request,
                        {.name = "local-filter",
                         .control = "cubic",
                         .link = {.one_way_delay = std::chrono::milliseconds(20),
                                  .rate_bits_per_s = 100'000'000,
                                  .mtu_bytes = kEthernetMtu},
                         .filtered_every = 150});
}

Scene make_full_path(Stage& stage, const Request& request) {
  // Several flows at once, so that losses are many enough to be counted in seconds.
  constexpr std::uint64_t kRate = 20'000'000, kQueueBytes = 100'000;
  const char* control = has_control("cubic") ? "cubic" : "reno";
  const FarSide sides = add_far_side(stage, request.private_netns,
                                     {.one_way_delay = std::chrono::milliseconds(10),
                                      .rate_bits_per_s = kRate,
                                      .queue_bytes = kQueueBytes,
                                      .mtu_bytes = kEthernetMtu});
  const Actor receiver = stage.start(
      "tcpfault-recv",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        for (;;) {
          std::thread(read_all, accept_one(listening.fd)).detach();
        }
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(receiver.channel.hear());
  const Actor sender = stage.start(
      "tcpfault-send",
      [=](const Channel& channel) {
        for (int i = 0; i < request.count; ++i) {
          const int fd = connect_to(port, kLinkAddressB);
          set_congestion_control(fd, control);
          std::thread(write_for_ever, fd).detach();
        }
        channel.say(1);
      },
      sides.here);
  sender.channel.hear();
  sleep_for(Millis{2'500});  // slow start is another story
  return {{"full-path", sender.pid, receiver.pid, port, request.count, netns_inode(sides.there)}};
}

Scene make_reordering(Stage& stage, const Request& request) {
  return make_path_flow(stage, request,
                        {.name = "reordering",
                         .control = "cubic",
                         .link = {.one_way_delay = std::chrono::milliseconds(10),
                                  .rate_bits_per_s = 50'000'000,
                                  .mtu_bytes = kEthernetMtu,
                                  .late_per_million = 10'000}});
}

Scene make_tail_loss(Stage& stage, const Request& request) {
  // One segment at a time: nothing comes behind it that would tell of its loss.
  return make_path_flow(stage, request,
                        {.name = "tail-loss",
                         .control = "cubic",
                         .link = {.one_way_delay = std::chrono::microseconds(2'500),
                                  .mtu_bytes = kEthernetMtu,
                                  .lost_per_million = 50'000},
                         .burst_bytes = kBodyBytes});
}

Scene make_syn_lost(Stage& stage, const Request& request) {
  const FarSide sides =
      add_far_side(stage, request.private_netns,
                   {.one_way_delay = std::chrono::milliseconds(5), .mtu_bytes = kEthernetMtu, .lost_syns_every = 5});
  const Actor server = stage.start(
      "tcpfault-server",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port, .backlog = 128});
        channel.say(listening.port);
        for (;;) {
          const int fd = accept_one(listening.fd);
          (void)read_exactly(fd, 1);  // its end
          close(fd);
        }
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start(
      "tcpfault-client",
      [=](const Channel& channel) {
        for (int i = 0; i < request.count; ++i) {
          std::thread([=] {
            for (;;) {
              close(connect_to(port, kLinkAddressB));
              sleep_for(Millis{100});
            }
          }).detach();
        }
        channel.say(1);
      },
      sides.here);
  client.channel.hear();
  return {{"syn-lost", client.pid, server.pid, port, request.count, netns_inode(sides.there)}};
}

Scene make_slow_bursts(Stage& stage, const Request& request) {
  return make_path_flow(stage, request, bursts_by("slow-bursts", "cubic"));
}

Scene make_bursts_bbr(Stage& stage, const Request& request) {
  return make_path_flow(stage, request, bursts_by("bursts-bbr", "bbr"));
}

Scene make_mtu_blackhole(Stage& stage, const Request& request) {
  const FarSide sides =
      add_far_side(stage, request.private_netns,
                   {.one_way_delay = std::chrono::milliseconds(10), .mtu_bytes = kEthernetMtu, .largest_bytes = 1'300});
  const Actor server = stage.start(
      "tcpfault-server",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        const int small = accept_one(listening.fd), bulk = accept_one(listening.fd);
        (void)bulk;  // nothing of it ever arrives
        while (read_exactly(small, kHeadBytes)) {
          write_exactly(small, kAnswerBytes);
        }
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor small = stage.start(
      "tcpfault-small",
      [=](const Channel& channel) {
        const int fd = connect_to(port, kLinkAddressB);
        channel.say(1);
        for (;;) {
          write_exactly(fd, kHeadBytes);
          if (!read_exactly(fd, kAnswerBytes)) {
            throw std::runtime_error("the server went away");
          }
          sleep_for(Millis{200});
        }
      },
      sides.here);
  small.channel.hear();
  const Actor bulk = stage.start(
      "tcpfault-send",
      [=](const Channel& channel) {
        const int fd = connect_to(port, kLinkAddressB);
        channel.say(1);
        write_for_ever(fd);
      },
      sides.here);
  bulk.channel.hear();
  sleep_for(Millis{2'500});  // until the timer has run out three times
  return {{"mtu-blackhole", bulk.pid, server.pid, port, 1, netns_inode(sides.there)}};
}

Scene make_hole_given_up(Stage& stage, const Request& request) {
  const FarSide sides =
      add_far_side(stage, request.private_netns,
                   {.one_way_delay = std::chrono::milliseconds(10), .mtu_bytes = kEthernetMtu, .largest_bytes = 1'300});
  const Actor server = stage.start(
      "tcpfault-server",
      [=](const Channel& channel) {
        const Listening listening = listen_on({.address = kLinkAddressB, .port = request.port});
        channel.say(listening.port);
        for (;;) {
          std::thread([fd = accept_one(listening.fd)] {
            (void)read_exactly(fd, 1);  // nothing comes but the end
            close(fd);
          }).detach();
        }
      },
      sides.there);
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start(
      "tcpfault-client",
      [=](const Channel& channel) {
        for (int i = 0; i < request.count; ++i) {
          std::thread([=] {
            for (;;) {
              const int fd = connect_to(port, kLinkAddressB);
              // The kernel ends it before the third time-out in a row.
              set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1'000, "TCP_USER_TIMEOUT");
              write_exactly(fd, 4 * kBodyBytes);
              (void)read_exactly(fd, 1);
              close(fd);
            }
          }).detach();
        }
        channel.say(1);
      },
      sides.here);
  client.channel.hear();
  return {{"hole-given-up", client.pid, server.pid, port, request.count, netns_inode(sides.there)}};
}

}  // namespace tcpfault
