// SPDX-License-Identifier: Apache-2.0
#include "agent/port/socket_transport.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/os/proc_root.h"

namespace tcpadvisor::port {
namespace {

using Pair = TcpListener::Pair;

constexpr int kConnectWaitMs = 5'000;

Moved moved(ssize_t bytes) {
  return bytes >= 0 ? Moved{static_cast<std::size_t>(bytes), 0} : Moved{0, errno};
}

void set_int(int fd, int level, int option, int value) {
  // What the kernel does not take it clamps; a refusal leaves its own choice, which is what gen_tcp users get as well.
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

void wish(int fd, const SocketWishes& wishes, bool tcp) {
  if (wishes.sndbuf) set_int(fd, SOL_SOCKET, SO_SNDBUF, *wishes.sndbuf);
  if (wishes.recbuf) set_int(fd, SOL_SOCKET, SO_RCVBUF, *wishes.recbuf);
  if (tcp && wishes.nodelay) set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> ip{};
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in.sin_addr, ip.data(), ip.size());
    return fmt::format("{}:{}", ip.data(), ntohs(in.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in.sin6_addr, ip.data(), ip.size());
    return fmt::format("[{}]:{}", ip.data(), ntohs(in.sin6_port));
  }
  return {};
}

}  // namespace

Moved SocketTransport::write(std::span<const iovec> parts) {
  if (parts.size() == 1) {  // the usual case, and cheaper
    return moved(send(socket_.get(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg does not write to it
  message.msg_iovlen = parts.size();
  return moved(sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

Moved SocketTransport::read(std::span<char> into) {
  return moved(recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT));
}

void SocketTransport::want_writable(bool on) {
  if (!on && !writable_) return;
  if (!writable_) {
    writable_ = std::make_unique<Reactor::Watch>(reactor_, socket_.get(), Reactor::Wants::write, [this] {
      if (events_ != nullptr) events_->writable();
    });
  }
  writable_->set(on);
}

void SocketTransport::want_readable(bool on) {
  if (!on && !readable_) return;
  if (!readable_) {
    readable_ = std::make_unique<Reactor::Watch>(reactor_, socket_.get(), Reactor::Wants::read, [this] {
      if (events_ != nullptr) events_->readable();
    });
  }
  readable_->set(on);
}

int SocketTransport::shutdown(int how) {
  return ::shutdown(socket_.get(), how) == 0 ? 0 : errno;
}

std::uint64_t SocketTransport::send_queue() const {
  if (!socket_) return left_;
  int bytes = 0;
  return ioctl(socket_.get(), SIOCOUTQ, &bytes) == 0 ? static_cast<std::uint64_t>(std::max(bytes, 0)) : 0;
}

void SocketTransport::close(bool reset) {
  left_ = send_queue();
  writable_.reset();
  readable_.reset();
  if (reset) {
    linger now{1, 0};
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  socket_.reset();
}

void SocketTransport::set_buffers(int sndbuf, int recbuf) {
  if (sndbuf >= 0) set_int(socket_.get(), SOL_SOCKET, SO_SNDBUF, sndbuf);
  if (recbuf >= 0) set_int(socket_.get(), SOL_SOCKET, SO_RCVBUF, recbuf);
}

void SocketTransport::set_nodelay(bool on) {
  set_int(socket_.get(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

Result<TcpListener> TcpListener::open(const SocketWishes& wishes, int backlog, std::uint16_t port) {
  os::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return os::fail_errno("cannot open a TCP socket", errno);
  wish(socket.get(), wishes, true);
  sockaddr_in address = loopback(port);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket.get(), generic, sizeof address) != 0 || listen(socket.get(), backlog) != 0 ||
      getsockname(socket.get(), generic, &length) != 0) {
    return os::fail_errno(fmt::format("cannot listen on 127.0.0.1{}", port != 0 ? fmt::format(":{}", port) : ""),
                          errno);
  }
  return TcpListener{std::move(socket), ntohs(address.sin_port)};
}

Result<Pair> TcpListener::connect_one(const SocketWishes& wishes) {
  os::UniqueFd near(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!near) return os::fail_errno("cannot open a TCP socket", errno);
  wish(near.get(), wishes, true);
  sockaddr_in address = loopback(port);
  // Loopback answers within the call or never; a full accept queue would show as a time-out below.
  if (connect(near.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    return os::fail_errno(fmt::format("cannot connect to 127.0.0.1:{}", port), errno);
  }
  pollfd waiting{socket.get(), POLLIN, 0};
  if (poll(&waiting, 1, kConnectWaitMs) != 1) {
    return fail(ErrorCode::failed, fmt::format("no connection arrived at 127.0.0.1:{} within 5 s", port));
  }
  os::UniqueFd far(accept4(socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!far) return os::fail_errno(fmt::format("cannot accept on 127.0.0.1:{}", port), errno);
  return Pair{std::move(near), std::move(far)};
}

Result<Pair> tcp_pair(const SocketWishes& near, const SocketWishes& far) {
  auto listener = TcpListener::open(far);
  if (!listener) return std::unexpected(listener.error());
  return listener->connect_one(near);
}

Result<Pair> unix_pair(const SocketWishes& near, const SocketWishes& far) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return os::fail_errno("cannot make a pair of Unix sockets", errno);
  }
  Pair pair{os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
  wish(pair.near.get(), near, false);
  wish(pair.far.get(), far, false);
  return pair;
}

Result<os::UniqueFd> connect_loopback(std::uint16_t port, const SocketWishes& wishes, int stop_fd) {
  os::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return os::fail_errno("cannot open a TCP socket", errno);
  wish(socket.get(), wishes, true);
  sockaddr_in address = loopback(port);
  std::string failed = fmt::format("cannot connect to 127.0.0.1:{}", port);
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return socket;
  if (errno != EINPROGRESS) return os::fail_errno(failed, errno);
  std::array<pollfd, 2> waiting{{{socket.get(), POLLOUT, 0}, {stop_fd, POLLIN, 0}}};
  if (poll(waiting.data(), waiting.size(), kConnectWaitMs) <= 0) return os::fail_errno(failed, ETIMEDOUT);
  if (waiting[0].revents == 0) return fail(ErrorCode::failed, failed + ": interrupted");
  int error = 0;
  socklen_t length = sizeof error;
  (void)getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return os::fail_errno(failed, error);
  return socket;
}

std::string local_address(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

std::string remote_address(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

}  // namespace tcpadvisor::port
