// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "agent/os/proc_root.h"
#include "agent/port/script/world.h"

namespace tcpadvisor::port::script {
namespace {

using std::chrono::milliseconds;
using Pair = TcpListener::Pair;

constexpr Time kQuiet = milliseconds(20);
constexpr Time kPatience = milliseconds(200);
constexpr Time kLongestSettle = milliseconds(2'000);
constexpr Time kTolerance = milliseconds(50);

/// Its sends go without MSG_DONTWAIT, which the socket does not need: that tells them from the port's in a trace.
class SocketPeer final : public OtherEnd {
 public:
  explicit SocketPeer(os::UniqueFd socket) : socket_(std::move(socket)) {}

  std::string read(std::uint64_t bytes) override {
    std::string into(std::min<std::uint64_t>(bytes, 256 << 10), '\0');
    ssize_t got = socket_ ? recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT) : 0;
    if (got < 0 && errno != EAGAIN && errno != EINTR) broken_ = true;
    if (got == 0 && socket_ && !into.empty()) ended_ = true;
    into.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return into;
  }

  void write(std::string_view bytes) override {
    if (socket_) unsent_.append(bytes);
    push();
  }
  void shut() override {
    if (socket_) ::shutdown(socket_.get(), SHUT_WR);
  }
  void close() override { socket_.reset(); }
  void reset() override {
    if (!socket_) return;
    linger now{1, 0};
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_.reset();
  }

  PeerEnd end() override {
    push();
    if (broken_) return PeerEnd::reset;
    if (ended_) return PeerEnd::fin;
    if (!socket_) return PeerEnd::none;
    char next = 0;
    ssize_t got = recv(socket_.get(), &next, 1, MSG_DONTWAIT | MSG_PEEK);
    if (got == 0) return PeerEnd::fin;
    return got < 0 && errno != EAGAIN && errno != EINTR ? PeerEnd::reset : PeerEnd::none;
  }

 private:
  /// What the kernel did not take at once; tried again whenever somebody looks.
  void push() {
    if (!socket_ || unsent_.empty()) return;
    ssize_t sent = send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent > 0) unsent_.erase(0, static_cast<std::size_t>(sent));
  }

  os::UniqueFd socket_;
  std::string unsent_;
  bool broken_ = false;  ///< a read saw the reset; the kernel says so once
  bool ended_ = false;
};

bool writable(int fd, Time wait) {
  pollfd waiting{fd, POLLOUT, 0};
  return poll(&waiting, 1, static_cast<int>(std::chrono::ceil<milliseconds>(wait).count())) == 1;
}

class SocketWorld final : public World {
 public:
  SocketWorld(TransportKind kind, std::unique_ptr<Reactor> reactor) : kind_(kind), reactor_(std::move(reactor)) {}

  TransportKind kind() const override { return kind_; }
  Timers& timers() override { return *reactor_; }

  Result<Connection> connect(const ConnectionWish& wish) override {
    auto pair = open(wish);
    if (!pair) return std::unexpected(pair.error());
    if (wish.accepted && kind_ == TransportKind::tcp) std::swap(pair->near, pair->far);
    return Connection{std::make_unique<SocketTransport>(*reactor_, std::move(pair->near)),
                      std::make_unique<SocketPeer>(std::move(pair->far))};
  }

  Status settle(const std::function<std::uint64_t()>& progress, const std::function<bool()>& stop) override {
    Time longest = reactor_->now() + kLongestSettle, quiet_since = reactor_->now();
    std::uint64_t seen = progress();
    while (!stop() && reactor_->now() < longest && reactor_->now() - quiet_since < kQuiet) {
      reactor_->turn(milliseconds(2));
      if (std::uint64_t now = progress(); now != seen) {
        seen = now;
        quiet_since = reactor_->now();
      }
    }
    return {};
  }

  Status patience(const std::function<bool()>& done) override {
    reactor_->run_until(done, kPatience);
    return {};
  }

  Status advance(Time span, const std::function<bool()>& done) override {
    // What `done` waits for may have no event of ours (the peer's side of a socket), so it is asked now and then.
    Time end = reactor_->now() + span;
    while (!done()) {
      Time left = end - reactor_->now();
      if (left <= Time::zero()) break;
      reactor_->turn(std::min<Time>(left, milliseconds(2)));
    }
    return {};
  }

  Result<Room> probe(const ProbeWish& wish) override {
    auto pair = open(wish.connection);
    if (!pair) return std::unexpected(pair.error());
    std::string bytes(wish.bytes, 'p');
    std::uint64_t sent = 0;
    // TCP takes more once what it has is acknowledged, so full means: full for as long as a call may wait. Not writable
    // does not mean full: a Unix socket says so when a quarter is used.
    for (bool full = false; !full && sent < kProbeLimit;) {
      ssize_t taken = send(pair->near.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (taken < 0 && errno != EAGAIN) return os::fail_errno("cannot send on the probe's socket", errno);
      if (taken > 0) sent += static_cast<std::uint64_t>(taken);
      full = taken < 0 && !writable(pair->near.get(), kPatience);
    }
    if (sent >= kProbeLimit) return fail(ErrorCode::failed, "the kernel took 64 MiB of the probe and was not full");
    Room room{.sends = sent / wish.bytes};
    while (!writable(pair->near.get(), kind_ == TransportKind::tcp ? milliseconds(1) : milliseconds(0))) {
      if (recv(pair->far.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) <= 0) break;
      ++room.reads;
    }
    return room;
  }

  Time tolerance() const override { return kTolerance; }

 private:
  static constexpr std::uint64_t kProbeLimit = 64 << 20;

  Result<Pair> open(const ConnectionWish& wish) const {
    if (kind_ == TransportKind::unix) return unix_pair(wish.near, wish.far);
    return wish.accepted ? tcp_pair(wish.far, wish.near) : tcp_pair(wish.near, wish.far);
  }

  TransportKind kind_;
  std::unique_ptr<Reactor> reactor_;
};

}  // namespace

Result<std::unique_ptr<World>> socket_world(TransportKind kind) {
  auto reactor = Reactor::create();
  if (!reactor) return std::unexpected(reactor.error());
  return std::make_unique<SocketWorld>(kind, std::move(*reactor));
}

}  // namespace tcpadvisor::port::script
