// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace tcpadvisor::port::load {
namespace {

constexpr Time kRefill = std::chrono::milliseconds(10);
constexpr std::uint64_t kRefillsPerSecond = 100;

}  // namespace

std::uint64_t stamp_now() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

/// Whether it reads is decided in one place, watch(), from what holds it back: echo that the peer has not taken, the
/// rest after a read, a rate that is used up, a stall.
class Server::Connection final : public TransportEvents {
 public:
  Connection(Server& server, std::unique_ptr<Transport> transport)
      : server_(server), options_(server.options_), transport_(std::move(transport)) {
    transport_->listen_to(this);
    if (options_.rate > 0) refill();
    watch();
  }
  ~Connection() override {
    server_.timers_.cancel(refill_);
    server_.timers_.cancel(rest_);
  }

  void close(bool reset) { transport_->close(reset); }

  void readable() override {
    std::size_t most = most_to_read();
    if (most == 0 || rest_ != 0 || !unsent_.empty()) return watch();  // it was told before that changed
    Moved moved = transport_->read(std::span(server_.buffer_).first(most));
    if (moved.sys_errno != 0 && moved.try_later()) return;
    if (moved.sys_errno != 0 || moved.bytes == 0) return server_.end(*this, false);
    std::string_view bytes(server_.buffer_.data(), moved.bytes);
    if (options_.message > 0) look_for_stamps(bytes);
    read_ += bytes.size();
    server_.totals_.bytes += bytes.size();
    if (options_.rate > 0) spend(bytes.size());
    if (options_.rest > Time::zero()) {
      rest_ = server_.timers_.after(options_.rest, [this] {
        rest_ = 0;
        watch();
      });
    }
    go_on(options_.echo ? bytes : std::string_view());
  }

  void writable() override { go_on(std::exchange(unsent_, {})); }

 private:
  std::size_t most_to_read() const {
    std::uint64_t most = server_.buffer_.size();
    if (options_.rate > 0) most = std::min(most, budget_);
    for (std::uint64_t bound : {options_.stall_after, options_.close_after}) {
      if (bound > 0) most = std::min(most, bound - std::min(bound, read_));
    }
    return most;
  }

  void watch() {
    transport_->want_readable(unsent_.empty() && rest_ == 0 && most_to_read() > 0);
    transport_->want_writable(!unsent_.empty());
  }

  void spend(std::uint64_t bytes) {
    budget_ -= bytes;
    if (refill_ == 0) refill_ = server_.timers_.after(kRefill, [this] { refill_again(); });
  }

  /// What the next 10 ms allow. Less than a byte adds up.
  void refill() {
    owed_ += options_.rate;
    budget_ = std::exchange(owed_, owed_ % kRefillsPerSecond) / kRefillsPerSecond;
    if (budget_ == 0) refill_ = server_.timers_.after(kRefill, [this] { refill_again(); });
  }
  void refill_again() {
    refill_ = 0;
    refill();
    watch();
  }

  /// Sends back what it can and keeps the rest. The last thing that an event does: this may be gone afterwards.
  void go_on(std::string_view echo) {
    if (!echo.empty()) {
      iovec part{const_cast<char*>(echo.data()), echo.size()};  // writev does not write to it
      Moved moved = transport_->write({&part, 1});
      if (moved.sys_errno != 0 && !moved.try_later()) return server_.end(*this, false);
      unsent_ = echo.substr(moved.bytes);
    }
    bool done = options_.close_after > 0 && read_ >= options_.close_after;
    if (done && (unsent_.empty() || options_.reset)) return server_.end(*this, options_.reset);
    watch();
  }

  void look_for_stamps(std::string_view bytes) {
    std::uint64_t now = stamp_now();
    for (std::size_t at = 0; at < bytes.size();) {
      std::uint64_t within = (read_ + at) % options_.message;
      if (within < stamp_.size()) {
        std::size_t here = std::min(stamp_.size() - within, bytes.size() - at);
        std::memcpy(stamp_.data() + within, bytes.data() + at, here);
        at += here;
        if (within + here < stamp_.size()) return;
        std::uint64_t sent = 0;
        std::memcpy(&sent, stamp_.data(), sizeof sent);
        server_.totals_.delivery.add(Time(static_cast<std::int64_t>(now - std::min(now, sent))));
        ++server_.totals_.messages;
      } else {
        at += options_.message - within;
      }
    }
  }

  Server& server_;
  const ServerOptions& options_;
  std::unique_ptr<Transport> transport_;
  std::uint64_t read_ = 0;               ///< bytes
  std::uint64_t budget_ = 0, owed_ = 0;  ///< bytes that the rate still allows; hundredths of bytes
  TimerId refill_ = 0, rest_ = 0;
  std::array<char, sizeof(std::uint64_t)> stamp_{};  ///< of the message that is arriving
  std::string unsent_;                               ///< echo that the kernel did not take: at most one read
};

Server::Server(Timers& timers, const ServerOptions& options) : timers_(timers), options_(options) {}

Server::~Server() = default;

void Server::add(std::unique_ptr<Transport> transport) {
  auto connection = std::make_unique<Connection>(*this, std::move(transport));
  const Connection* key = connection.get();
  connections_.emplace(key, std::move(connection));
  ++totals_.accepted;
  ++totals_.open;
}

void Server::end(Connection& connection, bool reset) {
  connection.close(reset);
  --totals_.open;
  connections_.erase(&connection);
}

}  // namespace tcpadvisor::port::load
