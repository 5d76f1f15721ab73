// SPDX-License-Identifier: Apache-2.0
// Calls that hold the lock of their socket for long, so that what arrives has to wait behind them.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/sockets.h"

namespace tcpfault {
namespace {

constexpr std::size_t kPage = 4096;
constexpr Millis kStall{1'500};
constexpr char kBulk = 'x', kTick = '.';

/// Descriptor of a new userfaultfd.
int faults_of_this_process() {
  const auto fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
  if (fd < 0) throw Skip("userfaultfd() is not possible here: a call cannot be made to wait for a page");
  uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
  check(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
  return fd;
}

/// Takes the page away: whoever touches it waits.
void take_away(int faults, char* page) {
  check(madvise(page, kPage, MADV_DONTNEED), "MADV_DONTNEED");
  uffdio_register all{.range = {.start = reinterpret_cast<std::uintptr_t>(page), .len = kPage},
                      .mode = UFFDIO_REGISTER_MODE_MISSING,
                      .ioctls = 0};
  check(ioctl(faults, UFFDIO_REGISTER, &all), "UFFDIO_REGISTER");
}

/// Waits until somebody waits for the page, and as long again as `stall`; then puts it there.
void bring_back(int faults, char* page, Millis stall) {
  uffd_msg message{};
  while (read(faults, &message, sizeof message) != sizeof message) {
  }
  sleep_for(stall);
  uffdio_zeropage all{
      .range = {.start = reinterpret_cast<std::uintptr_t>(page), .len = kPage}, .mode = 0, .zeropage = 0};
  check(ioctl(faults, UFFDIO_ZEROPAGE, &all), "UFFDIO_ZEROPAGE");
}

/// Takes what comes, until it is a tick. Room for much lets the sender send much at a time.
void read_until_tick(int fd) {
  set_option(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20, "SO_RCVBUF");
  std::vector<char> buffer(64 * 1024);
  bool bulk = false;  // the ticks that have piled up do not count
  for (;;) {
    const ssize_t size = check(static_cast<int>(recv(fd, buffer.data(), buffer.size(), 0)), "recv");
    if (size == 0) return;
    const char last = buffer[static_cast<std::size_t>(size) - 1];
    bulk = bulk || last == kBulk;
    if (bulk && last == kTick) return;
  }
}

/// Data for a while, so that the congestion window grows, then a tick every millisecond, until the reader has waited.
void send_both(int fd) {
  const std::vector<char> much(4'096, kBulk);
  for (;;) {
    for (const auto end = Clock::now() + Millis{100}; Clock::now() < end;) {
      if (send(fd, much.data(), much.size(), MSG_NOSIGNAL) < 0) return;
    }
    for (const auto end = Clock::now() + kStall + Millis{300}; Clock::now() < end; sleep_for(Millis{1})) {
      (void)send(fd, &kTick, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }
}

}  // namespace

/// A reader whose recv() waits for its own memory, as if that were swapped out, and whose buffers are small then. Its
/// sender sends many small segments meanwhile.
Scene make_backlog_drops(Stage& stage, const Request& request) {
  if (!request.private_netns) throw Skip("changes settings: only in a namespace of its own");
  set_sysctl("net/ipv4/tcp_slow_start_after_idle", "0");
  const Actor reader = stage.start("tcpfault-recv", [=](const Channel& channel) {
    const int faults = faults_of_this_process();
    const Listening listening = listen_on({.port = request.port});
    channel.say(listening.port);
    const int fd = accept_one(listening.fd);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, 4'096, "SO_SNDBUF");
    void* memory = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail_errno("mmap");
    char* page = static_cast<char*>(memory);
    for (int i = 0;; ++i) {
      read_until_tick(fd);
      set_option(fd, SOL_SOCKET, SO_RCVBUF, 9'000, "SO_RCVBUF");
      take_away(faults, page);
      std::thread pager([&] { bring_back(faults, page, kStall); });
      (void)recv(fd, page, kPage, 0);
      pager.join();
      if (i == request.count) channel.say(1);
    }
  });
  const auto port = static_cast<std::uint16_t>(reader.channel.hear());
  const Actor sender = stage.start("tcpfault-send", [=](const Channel&) {
    const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    set_option(fd, IPPROTO_TCP, TCP_MAXSEG, 128, "TCP_MAXSEG");
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
    send_both(fd);
  });
  reader.channel.hear();
  return {{"backlog-drops", reader.pid, sender.pid, port, 1}};
}

}  // namespace tcpfault
