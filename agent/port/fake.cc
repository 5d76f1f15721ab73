// SPDX-License-Identifier: Apache-2.0
#include "agent/port/fake.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tcpadvisor::port {

bool VirtualTime::advance(Time span, std::size_t limit) {
  Time end = now_ + span;
  if (!run_until(end, limit)) return false;
  now_ = end;
  return true;
}

bool VirtualTime::run_until(Time end, std::size_t limit) {
  while (timers_.next_due().value_or(Time::max()) <= end) {
    if (limit-- == 0) return false;
    auto timer = timers_.take(end);
    now_ = std::max(now_, timer->due);
    timer->what();
  }
  return true;
}

struct FakeWire::Shared {
  Timers& timers;
  FakeKernel kernel;
  std::string outbound{}, inbound{};  ///< towards the peer, towards the port
  TransportEvents* events = nullptr;
  bool want_writable = false, want_readable = false, poll_pending = false;
  bool shut_read = false, shut_write = false, closed = false, reset_out = false;  ///< by the port
  bool fin_in = false, reset_in = false;                                          ///< by the peer
  std::vector<std::size_t> write_sizes{};

  std::uint64_t free() const { return kernel.capacity - std::min<std::uint64_t>(kernel.capacity, outbound.size()); }
  bool writable() const { return shut_write || reset_in || (free() > 0 && free() >= kernel.writable_at); }
  bool readable() const { return shut_read || fin_in || reset_in || !inbound.empty(); }

  /// What epoll would report, in the next turn; a level stays until it is handled.
  static void poll(const std::shared_ptr<Shared>& self) {
    bool report = (self->want_writable && self->writable()) || (self->want_readable && self->readable());
    if (!report || self->poll_pending || self->closed) return;
    self->poll_pending = true;
    self->timers.after(Time::zero(), [self] {
      self->poll_pending = false;
      // Output before input, as erts does it: after an RST it is the writer who hears of it.
      if (!self->closed && self->want_writable && self->writable() && self->events) self->events->writable();
      if (!self->closed && self->want_readable && self->readable() && self->events) self->events->readable();
      poll(self);
    });
  }
};

class FakeWire::Near final : public Transport {
 public:
  explicit Near(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~Near() override { shared_->events = nullptr; }

  void listen_to(TransportEvents* events) override { shared_->events = events; }

  Moved write(std::span<const iovec> parts) override {
    if (shared_->reset_in) return {0, ECONNRESET};
    if (shared_->shut_write) return {0, EPIPE};
    std::uint64_t room = shared_->free(), wanted = 0;
    std::size_t moved = 0;
    for (const iovec& part : parts) {
      wanted += part.iov_len;
      std::size_t taken = std::min<std::uint64_t>(part.iov_len, room - moved);
      shared_->outbound.append(static_cast<const char*>(part.iov_base), taken);
      moved += taken;
    }
    if (moved == 0 && wanted > 0) return {0, EAGAIN};
    shared_->write_sizes.push_back(moved);
    return {moved, 0};
  }

  Moved read(std::span<char> into) override {
    if (shared_->reset_in) return {0, ECONNRESET};
    if (shared_->shut_read) return {};
    std::size_t moved = std::min(into.size(), shared_->inbound.size());
    if (moved == 0 && !shared_->fin_in) return {0, EAGAIN};
    std::copy_n(shared_->inbound.begin(), moved, into.begin());
    shared_->inbound.erase(0, moved);
    return {moved, 0};
  }

  void want_writable(bool on) override {
    shared_->want_writable = on;
    Shared::poll(shared_);
  }
  void want_readable(bool on) override {
    shared_->want_readable = on;
    Shared::poll(shared_);
  }

  int shutdown(int how) override {
    if (how != SHUT_WR) shared_->shut_read = true;
    if (how != SHUT_RD) shared_->shut_write = true;
    Shared::poll(shared_);
    return 0;
  }

  void close(bool reset) override {
    // Unread bytes make the kernel send RST, too; bytes on their way out are thrown away by an RST only.
    shared_->closed = true;
    shared_->reset_out = reset || !shared_->inbound.empty();
    if (reset) shared_->outbound.clear();
  }

 private:
  std::shared_ptr<Shared> shared_;
};

FakeWire::FakeWire(Timers& timers, FakeKernel kernel)
    : shared_(std::make_shared<Shared>(Shared{.timers = timers, .kernel = kernel})) {}
FakeWire::~FakeWire() = default;

std::unique_ptr<Transport> FakeWire::take_near() {
  return std::make_unique<Near>(shared_);
}

std::string FakeWire::peer_read(std::uint64_t bytes) {
  std::string taken = shared_->outbound.substr(0, bytes);
  shared_->outbound.erase(0, taken.size());
  Shared::poll(shared_);
  return taken;
}

void FakeWire::peer_write(std::string_view bytes) {
  shared_->inbound.append(bytes);
  Shared::poll(shared_);
}

void FakeWire::peer_shutdown() {
  shared_->fin_in = true;
  Shared::poll(shared_);
}

void FakeWire::peer_reset() {
  shared_->reset_in = true;
  shared_->outbound.clear();
  Shared::poll(shared_);
}

void FakeWire::set_kernel(FakeKernel kernel) {
  shared_->kernel = kernel;
  Shared::poll(shared_);
}

std::uint64_t FakeWire::in_kernel() const {
  return shared_->outbound.size();
}
bool FakeWire::fin_sent() const {
  return shared_->shut_write || (shared_->closed && !shared_->reset_out);
}
bool FakeWire::reset_sent() const {
  return shared_->reset_out;
}
bool FakeWire::closed() const {
  return shared_->closed;
}
const std::vector<std::size_t>& FakeWire::write_sizes() const {
  return shared_->write_sizes;
}

}  // namespace tcpadvisor::port
