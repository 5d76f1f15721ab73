// SPDX-License-Identifier: Apache-2.0
// Segments that a listener refuses although its queue has room: some of them faults, some not.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/segment.h"
#include "tests/scenario/sockets.h"
#include "tests/scenario/tun.h"

namespace tcpfault {
namespace {

constexpr const char* kTunAddress = "10.78.0.1";
constexpr std::uint32_t kFirstSender = 0x0A4E0002, kSenders = 200;  // 10.78.0.2 and the next ones

void serve_all(int listener) {
  for (;;) {
    const int fd = accept_one(listener);
    std::array<char, 64> asked{};
    (void)recv(fd, asked.data(), asked.size(), MSG_DONTWAIT);
    (void)send(fd, "ok\n", 3, MSG_NOSIGNAL);
    close(fd);
  }
}

/// A server on the TUN's address, and `per_s` segments a second to it, each from another address and port. What the
/// kernel answers is thrown away.
Scene with_segments(Stage& stage, const Request& request, const char* fault,
                    const std::function<void(tcphdr&, std::uint32_t number)>& fill) {
  if (!request.private_netns) {
    throw Skip(std::string(fault) + " makes a device: it needs a namespace of its own (--own-netns)");
  }
  const int netns = this_netns();
  const Actor sender = stage.start("tcpfault-far", [=](const Channel& channel) {
    const int tun = open_tun(netns, "far0", kTunAddress);
    bring_up("far0", kTunAddress, "255.255.255.0");  // with a way back to all the senders
    channel.say(1);
    const auto port = static_cast<std::uint16_t>(channel.hear());
    std::array<char, 2'048> thrown_away;
    for (std::uint32_t number = 0;; ++number) {
      Segment segment = segment_between(htonl(kFirstSender + number % kSenders),
                                        htons(static_cast<std::uint16_t>(1'024 + number % 60'000)),
                                        inet_addr(kTunAddress), htons(port));
      segment.tcp.seq = htonl(number);
      fill(segment.tcp, number);
      seal(segment);
      (void)!write(tun, &segment, sizeof segment);
      while (read(tun, thrown_away.data(), thrown_away.size()) > 0) {
      }
      if (number == 2 * kSenders) {
        channel.say(1);
      }
      sleep_for(Millis{1'000 / request.count});
    }
  });
  sender.channel.hear();
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.address = kTunAddress, .port = request.port, .backlog = 128});
    channel.say(listening.port);
    serve_all(listening.fd);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  sender.channel.say(port);
  return {{fault, server.pid, sender.pid, port, request.count}};
}

}  // namespace

Scene make_syn_flood(Stage& stage, const Request& request) {
  return with_segments(stage, request, "syn-flood", [](tcphdr& tcp, std::uint32_t) { tcp.syn = 1; });
}

Scene make_stray_segments(Stage& stage, const Request& request) {
  return with_segments(stage, request, "stray-segments", [](tcphdr& tcp, std::uint32_t number) {
    tcp.fin = number % 2;  // and those without any flag
    tcp.urg = tcp.psh = number % 4 == 3;
  });
}

Scene make_md5_missing(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-bgpd", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    tcp_md5sig signature{};
    auto* peer = reinterpret_cast<sockaddr_in*>(&signature.tcpm_addr);
    peer->sin_family = AF_INET;
    peer->sin_addr.s_addr = inet_addr(kLoopback);
    constexpr std::string_view kKey = "secret";
    signature.tcpm_keylen = kKey.size();
    std::memcpy(signature.tcpm_key, kKey.data(), kKey.size());
    if (setsockopt(listening.fd, IPPROTO_TCP, TCP_MD5SIG, &signature, sizeof signature) < 0) {
      throw Skip(std::string("this kernel has no TCP MD5 signatures: ") + std::strerror(errno));
    }
    channel.say(listening.port);
    accept_one(listening.fd);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor neighbour = stage.start("tcpfault-neigh", [=](const Channel& channel) {
    for (int tries = 0;; ++tries) {
      const int fd = start_connect(port);
      sleep_for(Millis{200});
      close(fd);
      if (tries == 2) {
        channel.say(1);
      }
    }
  });
  neighbour.channel.hear();
  return {{"md5-missing", server.pid, neighbour.pid, port, 1}};
}

Scene make_socket_filter(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    sock_filter drop_all{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
    const sock_fprog program{.len = 1, .filter = &drop_all};
    check(setsockopt(listening.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), "SO_ATTACH_FILTER");
    channel.say(listening.port);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int tries = 0;; ++tries) {
      const int fd = start_connect(port);
      sleep_for(Millis{700});
      close(fd);
      if (tries == 1) {
        channel.say(1);
      }
    }
  });
  client.channel.hear();
  return {{"socket-filter", server.pid, client.pid, port, 1}};
}

Scene make_defer_silent(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    set_option(listening.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30, "TCP_DEFER_ACCEPT");
    channel.say(listening.port);
    serve_all(listening.fd);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    constexpr Millis kPatience{4'000};  // each waits so long for the server to greet it
    std::deque<int> waiting;
    for (int i = 0;; ++i) {
      waiting.push_back(connect_to(port));
      sleep_for(kPatience / request.count);
      if (i >= request.count) {
        close(waiting.front());
        waiting.pop_front();
      }
      if (i == request.count) {
        channel.say(1);
      }
    }
  });
  client.channel.hear();
  return {{"defer-silent", server.pid, client.pid, port, request.count}};
}

Scene make_defer_accept(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port, .backlog = 128});
    set_option(listening.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5, "TCP_DEFER_ACCEPT");
    channel.say(listening.port);
    serve_all(listening.fd);
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int round = 0;; ++round) {
      std::vector<int> opened(static_cast<std::size_t>(request.count));
      for (int& fd : opened) {
        fd = connect_to(port);
      }
      sleep_for(Millis{300});
      for (const int fd : opened) {
        (void)send(fd, "GET\n", 4, MSG_NOSIGNAL);
        read_all(fd);
        close(fd);
      }
      if (round == 1) {
        channel.say(1);
      }
      sleep_for(Millis{300});
    }
  });
  client.channel.hear();
  return {{"defer-accept", server.pid, client.pid, port, request.count}};
}

}  // namespace tcpfault
