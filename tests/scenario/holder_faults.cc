// SPDX-License-Identifier: Apache-2.0
// Faults of sockets that more than one process or thread could answer for.
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include "tests/scenario/faults.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

[[noreturn]] void do_nothing() {
  for (;;) {
    pause();
  }
}

/// Opens `count` connections and closes them at once.
Actor start_visitors(Stage& stage, int count, std::uint16_t port) {
  return stage.start("tcpfault-client", [=](const Channel& channel) {
    for (int i = 0; i < count; ++i) {
      close(connect_to(port));
    }
    channel.say(1);
  });
}

/// A descriptor of `fd` on its way to whoever reads from the other end of `channel`.
void put_into_message(int channel, int fd) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> room{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  check(static_cast<int>(sendmsg(channel, &message, 0)), "sendmsg");
}

}  // namespace

Scene make_fork_server(Stage& stage, const Request& request) {
  const Actor parent = stage.start("tcpfault-parent", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    accept_one(listening.fd);  // and never closes its copy
    const pid_t worker = check(fork(), "fork");
    if (worker == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      prctl(PR_SET_NAME, "tcpfault-worker");
      do_nothing();  // it should read
    }
    channel.say(static_cast<std::uint64_t>(worker));
  });
  const auto port = static_cast<std::uint16_t>(parent.channel.hear());
  const Actor client = stage.start("tcpfault-client", [=](const Channel&) { write_for_ever(connect_to(port)); });
  const auto worker = static_cast<pid_t>(parent.channel.hear());
  sleep_for(Millis{500});  // until its buffers are full
  return {{"fork-server", worker, client.pid, port, 1}};
}

Scene make_inherited(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held;
    for (int i = 0; i < request.count; ++i) {
      held.push_back(check(accept4(listening.fd, nullptr, nullptr, 0), "accept"));  // not close-on-exec
    }
    const pid_t child = check(fork(), "fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execlp("sleep", "sleep", "600", nullptr);
      _exit(1);
    }
    for (const int fd : held) {
      close(fd);
    }
    channel.say(static_cast<std::uint64_t>(child));
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = start_visitors(stage, request.count, port);
  client.channel.hear();
  const auto child = static_cast<pid_t>(server.channel.hear());
  return {{"inherited", child, server.pid, port, request.count}};
}

Scene make_zombie_leader(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held;
    for (int i = 0; i < request.count; ++i) {
      held.push_back(accept_one(listening.fd));
    }
    wait_until("CLOSE_WAIT", [&] { return all_in_state(held, kCloseWait); });
    for (int i = 0; i < 4; ++i) {
      std::thread(do_nothing).detach();
    }
    channel.say(1);
    syscall(SYS_exit, 0);  // the main thread only
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = start_visitors(stage, request.count, port);
  server.channel.hear();
  return {{"zombie-leader", server.pid, client.pid, port, request.count}};
}

Scene make_socket_activation(Stage& stage, const Request& request) {
  const Listening listening = listen_on({.port = request.port});  // both inherit it, as from a service manager
  const Actor manager = stage.start("systemd", [](const Channel&) { do_nothing(); });
  const Actor service = stage.start("tcpfault-server", [](const Channel&) { do_nothing(); });  // it should accept
  close(listening.fd);
  const Actor client = start_visitors(stage, request.count, listening.port);
  client.channel.hear();
  wait_until("CLOSE_WAIT in the accept queue",
             [&] { return count_in_state(listening.port, kCloseWait) >= request.count; });
  return {{"socket-activation", service.pid, manager.pid, listening.port, request.count}};
}

Scene make_mptcp_unaccepted(Stage& stage, const Request& request) {
  const Actor server = stage.start("tcpfault-server", [=](const Channel& channel) {
    constexpr int kMptcp = 262;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, kMptcp);
    if (fd < 0) {
      throw Skip("this kernel has no MPTCP");
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(request.port);
    socklen_t size = sizeof address;
    check(bind(fd, reinterpret_cast<sockaddr*>(&address), size), "bind");
    check(listen(fd, request.count * 2), "listen");
    check(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    channel.say(ntohs(address.sin_port));
  });
  const auto port = static_cast<std::uint16_t>(server.channel.hear());
  const Actor client = start_visitors(stage, request.count, port);
  client.channel.hear();
  wait_until("CLOSE_WAIT in the accept queue", [&] { return count_in_state(port, kCloseWait) >= request.count; });
  return {{"mptcp-unaccepted", server.pid, client.pid, port, request.count}};
}

/// The connections of visitors that have left, and one with data that nobody reads. The broker touches each once more
/// and hands it on in a message; the receiver never looks. It gives an agent time to see it at work first.
Scene make_passed_on(Stage& stage, const Request& request) {
  const Actor broker = stage.start("tcpfault-broker", [=](const Channel& channel) {
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    std::vector<int> held;
    for (int i = 0; i < request.count; ++i) {
      held.push_back(accept_one(listening.fd));
    }
    wait_until("CLOSE_WAIT", [&] { return all_in_state(held, kCloseWait); });
    channel.say(1);
    held.push_back(accept_one(listening.fd));
    channel.say(1);
    sleep_for(Millis{3'500});
    std::array<int, 2> pair{};
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
    for (const int fd : held) {
      char byte = 0;
      recv(fd, &byte, 1, MSG_DONTWAIT);
      put_into_message(pair[0], fd);
      close(fd);
    }
  });
  const auto port = static_cast<std::uint16_t>(broker.channel.hear());
  const Actor visitors = start_visitors(stage, request.count, port);
  visitors.channel.hear();
  broker.channel.hear();
  const Actor writer = stage.start("tcpfault-writer", [=](const Channel&) { write_for_ever(connect_to(port)); });
  broker.channel.hear();
  return {{"passed-on", broker.pid, writer.pid, port, request.count}};
}

}  // namespace tcpfault
