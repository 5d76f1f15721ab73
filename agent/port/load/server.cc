// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

namespace tcpadvisor::port::load {
namespace {

constexpr Time kRefill = std::chrono::milliseconds(10);
constexpr std::uint64_t kRefillsPerSecond = 100;

}  // namespace

std::uint64_t stamp_now() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

struct Server::Connection {
  os::UniqueFd socket;
  std::unique_ptr<Reactor::Watch> readable, writable;
  std::uint64_t read = 0;    ///< bytes
  std::uint64_t budget = 0;  ///< what the rate still allows before the next refill
  TimerId refill = 0;
  std::array<char, sizeof(std::uint64_t)> stamp{};  ///< of the message that is arriving
  std::string unsent;                               ///< echo that the kernel did not take
};

Server::Server(Reactor& reactor, const ServerOptions& options) : reactor_(reactor), options_(options) {}

Server::~Server() {
  for (const auto& [fd, connection] : connections_) reactor_.cancel(connection->refill);
}

void Server::listen(os::UniqueFd listener) {
  listener_ = std::move(listener);
  accepting_ =
      std::make_unique<Reactor::Watch>(reactor_, listener_.get(), Reactor::Wants::read, [this] { accept_all(); });
  accepting_->set(true);
}

void Server::accept_all() {
  while (true) {
    os::UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    add(std::move(socket));
  }
}

void Server::add(os::UniqueFd socket) {
  int fd = socket.get();
  auto connection = std::make_unique<Connection>();
  Connection& added = *connection;
  added.socket = std::move(socket);
  added.readable =
      std::make_unique<Reactor::Watch>(reactor_, fd, Reactor::Wants::read, [this, &added] { ready(added); });
  added.readable->set(true);
  connections_[fd] = std::move(connection);
  ++totals_.accepted;
  ++totals_.open;
  if (options_.rate > 0) refill(added);
}

void Server::refill(Connection& connection) {
  connection.budget = std::max<std::uint64_t>(1, options_.rate / kRefillsPerSecond);
  if (options_.stall_after == 0 || connection.read < options_.stall_after) connection.readable->set(true);
  connection.refill = reactor_.after(kRefill, [this, &connection] { refill(connection); });
}

void Server::ready(Connection& connection) {
  std::uint64_t most = buffer_.size();
  if (options_.rate > 0) most = std::min(most, connection.budget);
  for (std::uint64_t bound : {options_.stall_after, options_.close_after}) {
    if (bound > 0) most = std::min(most, bound - std::min(bound, connection.read));
  }
  if (most == 0) {
    connection.readable->set(false);  // a refill goes on; a stall does not
    return;
  }
  if (options_.rest > Time::zero()) {
    connection.readable->set(false);
    connection.refill = reactor_.after(options_.rest, [&connection] { connection.readable->set(true); });
  }
  read_some(connection, most);
}

void Server::read_some(Connection& connection, std::uint64_t most) {
  ssize_t got = recv(connection.socket.get(), buffer_.data(), most, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end(connection, false);
  auto bytes = static_cast<std::size_t>(got);
  if (options_.message > 0) look_for_stamps(connection, bytes);
  connection.read += bytes;
  totals_.bytes += bytes;
  if (options_.rate > 0) connection.budget -= bytes;
  if (options_.echo) send_back(connection, bytes);
  if (options_.close_after > 0 && connection.read >= options_.close_after) end(connection, options_.reset);
}

void Server::look_for_stamps(Connection& connection, std::size_t bytes) {
  std::uint64_t now = stamp_now();
  for (std::size_t at = 0; at < bytes;) {
    std::uint64_t within = (connection.read + at) % options_.message;
    if (within < connection.stamp.size()) {
      std::size_t here = std::min(connection.stamp.size() - within, bytes - at);
      std::memcpy(connection.stamp.data() + within, buffer_.data() + at, here);
      at += here;
      if (within + here < connection.stamp.size()) return;
      std::uint64_t sent = 0;
      std::memcpy(&sent, connection.stamp.data(), sizeof sent);
      totals_.delivery.add(Time(static_cast<std::int64_t>(now - sent)));
      ++totals_.messages;
    } else {
      at += options_.message - within;
    }
  }
}

void Server::send_back(Connection& connection, std::size_t bytes) {
  ssize_t put =
      connection.unsent.empty() ? send(connection.socket.get(), buffer_.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
  auto taken = static_cast<std::size_t>(std::max<ssize_t>(put, 0));
  if (taken == bytes) return;
  connection.unsent.append(buffer_.data() + taken, bytes - taken);
  connection.readable->set(false);  // not more than one buffer is kept
  if (!connection.writable) {
    auto flush = [this, &connection] {
      ssize_t more = send(connection.socket.get(), connection.unsent.data(), connection.unsent.size(),
                          MSG_DONTWAIT | MSG_NOSIGNAL);
      if (more < 0 && errno != EAGAIN && errno != EINTR) return end(connection, false);
      connection.unsent.erase(0, static_cast<std::size_t>(std::max<ssize_t>(more, 0)));
      if (!connection.unsent.empty()) return;
      connection.writable->set(false);
      connection.readable->set(true);
    };
    connection.writable =
        std::make_unique<Reactor::Watch>(reactor_, connection.socket.get(), Reactor::Wants::write, std::move(flush));
  }
  connection.writable->set(true);
}

void Server::end(Connection& connection, bool reset) {
  reactor_.cancel(connection.refill);
  if (reset) {
    linger now{1, 0};
    (void)setsockopt(connection.socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  --totals_.open;
  connections_.erase(connection.socket.get());
}

}  // namespace tcpadvisor::port::load
