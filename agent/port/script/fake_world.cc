// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>
#include <vector>

#include "agent/port/script/world.h"

namespace tcpadvisor::port::script {
namespace {

constexpr std::size_t kTimersAtOneInstant = 1'000'000;

/// One wire, shared by the peer, which may go, and the world, which answers for it afterwards.
struct FarEnd {
  FakeWire wire;
  bool closed = false;

  /// A closed end answers bytes with RST. True if it did.
  bool refuse_bytes() {
    if (!closed || wire.in_kernel() == 0) return false;
    wire.peer_reset();
    return true;
  }
};

class FakePeer final : public OtherEnd {
 public:
  explicit FakePeer(std::shared_ptr<FarEnd> far) : far_(std::move(far)) {}
  ~FakePeer() override { close(); }

  std::string read(std::uint64_t bytes) override { return far_->closed ? std::string() : far_->wire.peer_read(bytes); }
  void write(std::string_view bytes) override {
    if (!far_->closed) far_->wire.peer_write(bytes);
  }
  void shut() override { far_->wire.peer_shutdown(); }
  void close() override {
    if (std::exchange(far_->closed, true)) return;
    far_->wire.peer_shutdown();
    far_->refuse_bytes();
  }
  void reset() override {
    far_->closed = true;
    far_->wire.peer_reset();
  }
  PeerEnd end() override {
    if (far_->closed) return PeerEnd::none;
    if (far_->wire.reset_sent()) return PeerEnd::reset;
    return far_->wire.fin_sent() && far_->wire.in_kernel() == 0 ? PeerEnd::fin : PeerEnd::none;
  }
  void take(std::uint64_t bytes) override {
    far_->wire.set_kernel({.capacity = far_->wire.in_kernel() + bytes, .writable_at = 1});
  }
  std::optional<std::uint64_t> unread() const override {
    return far_->closed ? std::nullopt : std::optional(far_->wire.in_kernel());
  }

 private:
  std::shared_ptr<FarEnd> far_;
};

class FakeWorld final : public World {
 public:
  TransportKind kind() const override { return TransportKind::fake; }
  Timers& timers() override { return time_; }

  Result<Connection> connect(const ConnectionWish& wish) override {
    auto far = std::make_shared<FarEnd>(FakeWire(time_, wish.kernel));
    far_ends_.push_back(far);
    return Connection{far->wire.take_near(), std::make_unique<FakePeer>(far)};
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
    // Reads of `size` until `wanted` are free, or the kernel is empty.
    auto in_reads = [size](std::uint64_t bytes) { return bytes / size + (bytes % size > 0 ? 1 : 0); };
    return Room{.sends = capacity / size,
                .reads = std::min(in_reads(wanted - std::min(free, wanted)), in_reads(capacity))};
  }

  Time tolerance() const override { return Time::zero(); }

 private:
  Status settle() {
    bool again = true;
    while (again) {
      if (!time_.settle(kTimersAtOneInstant)) return restless();
      again = false;
      for (const auto& far : far_ends_) again |= far->refuse_bytes();
    }
    return {};
  }

  static Status restless() {
    return fail(ErrorCode::failed, "the port does not come to rest: more than 1,000,000 things happen at one instant");
  }

  VirtualTime time_;
  std::vector<std::shared_ptr<FarEnd>> far_ends_;
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
