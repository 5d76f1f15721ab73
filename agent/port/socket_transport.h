// SPDX-License-Identifier: Apache-2.0
// The real transports: a connected stream socket (TCP or AF_UNIX) on a reactor, and how to make such pairs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"
#include "agent/port/reactor.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

class SocketTransport final : public Transport {
 public:
  /// Takes a connected, non-blocking stream socket.
  SocketTransport(Reactor& reactor, os::UniqueFd socket) : reactor_(reactor), socket_(std::move(socket)) {}

  void listen_to(TransportEvents* events) override { events_ = events; }
  Moved write(std::span<const iovec> parts) override;
  Moved read(std::span<char> into) override;
  void want_writable(bool on) override;
  void want_readable(bool on) override;
  int shutdown(int how) override;
  void close(bool reset) override;
  void set_buffers(int sndbuf, int recbuf) override;
  void set_nodelay(bool on) override;

  int fd() const { return socket_.get(); }  ///< -1 once it is closed
  /// Bytes that the peer's kernel has not acknowledged (ss: Send-Q); after close() what it was then. TCP only.
  std::uint64_t send_queue() const;

 private:
  Reactor& reactor_;
  os::UniqueFd socket_;
  std::uint64_t left_ = 0;  ///< send_queue() when it was closed
  TransportEvents* events_ = nullptr;
  // Made when they are first needed: most ports are idle most of the time.
  std::unique_ptr<Reactor::Watch> writable_, readable_;
};

/// What the program asks of a socket before it connects or listens; the kernel clamps (SOCK_MIN_SNDBUF and so on).
struct SocketWishes {
  std::optional<std::int32_t> sndbuf{}, recbuf{};  ///< bytes
  bool nodelay = false;
};

/// A listening TCP socket on loopback. Non-blocking.
struct TcpListener {
  os::UniqueFd socket;
  std::uint16_t port = 0;

  /// `port` 0: one that is free.
  static Result<TcpListener> open(const SocketWishes& wishes, int backlog = 128, std::uint16_t port = 0);
  /// Connects to it and accepts: both ends, established.
  struct Pair;
  Result<Pair> connect_one(const SocketWishes& near);
};
struct TcpListener::Pair {
  os::UniqueFd near, far;  ///< who connected, who accepted; non-blocking
};

/// Two connected ends: `near` of who connects, `far` of who accepts.
Result<TcpListener::Pair> tcp_pair(const SocketWishes& near, const SocketWishes& far);
Result<TcpListener::Pair> unix_pair(const SocketWishes& near, const SocketWishes& far);

/// Connects to a listener on loopback, waiting at most 5 s, or until `stop_fd` (-1: none) becomes readable;
/// non-blocking.
Result<os::UniqueFd> connect_loopback(std::uint16_t port, const SocketWishes& wishes, int stop_fd = -1);

/// "127.0.0.1:40000" of one end; empty for a socket without an address.
std::string local_address(int fd);
std::string remote_address(int fd);

}  // namespace tcpadvisor::port
