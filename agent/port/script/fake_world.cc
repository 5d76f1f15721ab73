// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "agent/port/script/world.h"

namespace tcpadvisor::port::script {
namespace {

constexpr std::size_t kTimersAtOneInstant = 1'000'000;

class FakePeer final : public Peer {
 public:
  explicit FakePeer(std::shared_ptr<FakeWire> wire) : wire_(std::move(wire)) {}

  std::string read(std::uint64_t bytes) override { return closed_ ? std::string() : wire_->peer_read(bytes); }
  void write(std::string_view bytes) override {
    if (!closed_) wire_->peer_write(bytes);
  }
  void shut() override { wire_->peer_shutdown(); }
  void close() override {
    closed_ = true;
    wire_->peer_shutdown();
    refuse_bytes();
  }
  void reset() override {
    closed_ = true;
    wire_->peer_reset();
  }
  PeerEnd end() override {
    if (closed_) return PeerEnd::none;
    if (wire_->reset_sent()) return PeerEnd::reset;
    return wire_->fin_sent() && wire_->in_kernel() == 0 ? PeerEnd::fin : PeerEnd::none;
  }
  void take(std::uint64_t bytes) override {
    wire_->set_kernel({.capacity = wire_->in_kernel() + bytes, .writable_at = std::min<std::uint64_t>(bytes, 1)});
  }
  std::optional<std::uint64_t> unread() const override {
    return closed_ ? std::nullopt : std::optional(wire_->in_kernel());
  }

  /// A closed end answers bytes with RST. True if it did.
  bool refuse_bytes() {
    if (!closed_ || wire_->in_kernel() == 0) return false;
    wire_->peer_reset();
    return true;
  }

 private:
  std::shared_ptr<FakeWire> wire_;
  bool closed_ = false;
};

class FakeWorld final : public World {
 public:
  TransportKind kind() const override { return TransportKind::fake; }
  Timers& timers() override { return time_; }

  Result<Connection> connect(const ConnectionWish& wish) override {
    auto wire = std::make_shared<FakeWire>(time_, wish.kernel);
    auto peer = std::make_unique<FakePeer>(wire);
    peers_.push_back(peer.get());
    return Connection{wire->take_near(), std::move(peer)};
  }

  Status settle(const std::function<std::uint64_t()>&, const std::function<bool()>&) override { return settle(); }
  Status patience(const std::function<bool()>&) override { return settle(); }

  Status advance(Time span, const std::function<bool()>& done) override {
    using std::chrono::milliseconds;
    // In steps, so that what a closed peer refuses and what `done` waits for is seen in time.
    for (Time left = span; left > Time::zero();) {
      if (done()) return {};
      Time step = std::min<Time>(left, milliseconds(1));
      if (time_.idle()) step = left;
      if (!time_.advance(step, kTimersAtOneInstant)) return restless();
      if (Status status = settle(); !status) return status;
      left -= step;
    }
    return {};
  }

  Result<Room> probe(const ProbeWish& wish) override {
    std::uint64_t capacity = wish.connection.kernel.capacity, size = wish.bytes;
    std::uint64_t free = capacity % size, wanted = std::max<std::uint64_t>(wish.connection.kernel.writable_at, 1);
    Room room{.sends = capacity / size};
    while (free < wanted && room.reads * size < capacity) {
      ++room.reads;
      free += size;
    }
    return room;
  }

  Time tolerance() const override { return Time::zero(); }

 private:
  Status settle() {
    bool again = true;
    while (again) {
      if (!time_.settle(kTimersAtOneInstant)) return restless();
      again = false;
      for (FakePeer* peer : peers_) again |= peer->refuse_bytes();
    }
    return {};
  }

  static Status restless() {
    return fail(ErrorCode::failed, "the port does not come to rest: more than 1,000,000 things happen at one instant");
  }

  VirtualTime time_;
  std::vector<FakePeer*> peers_;  ///< of connections; they live as long as the run
};

}  // namespace

std::string_view to_text(TransportKind kind) {
  switch (kind) {
    case TransportKind::fake:
      return "fake";
    case TransportKind::unix:
      return "unix";
    case TransportKind::tcp:
      break;
  }
  return "tcp";
}

std::unique_ptr<World> fake_world() {
  return std::make_unique<FakeWorld>();
}

}  // namespace tcpadvisor::port::script
