// SPDX-License-Identifier: Apache-2.0
#include "agent/port/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace tcpadvisor::port {
namespace {

// The external format of a send operation to a process identifier, OTP 25.2.3.
constexpr std::uint64_t kOverheadShort = 207, kOverheadLong = 231, kOverheadFragment = 162;
constexpr std::size_t kShort = 64;

bool refuses(Signal signal, const SendOptions& options) {
  return signal == Signal::send_nosuspend || (signal == Signal::message && options.nosuspend);
}

Options port_options(const ChannelSetup& setup) {
  Options options;
  options.high = setup.high;
  options.low = setup.low;
  options.mq_high = options.mq_low = std::numeric_limits<std::int32_t>::max();
  options.packet = 4;
  options.nodelay = true;
  options.active = {Active::Mode::on, 0};  // a distribution port reads all the time, so it sees the far node go
  return options;
}

}  // namespace

std::string_view to_text(Signal signal) {
  switch (signal) {
    case Signal::message:
      return "message";
    case Signal::send_nosuspend:
      return "send_nosuspend";
    case Signal::control:
      return "control";
    case Signal::death:
      return "death";
  }
  return "?";
}

std::uint64_t Channel::overhead(std::size_t payload) {
  return payload <= kShort ? kOverheadShort : kOverheadLong;
}

Channel::Channel(ChannelSetup setup, Timers& timers, EventSink& sink)
    : setup_(std::move(setup)), operations_(timers, sink, [this] { return retry_resumed(); }) {}

Channel::~Channel() {
  operations_.timers().cancel(setup_timer_);
}

void Channel::up(std::unique_ptr<Transport> transport) {
  Operations::Scope operation(operations_);
  operations_.timers().cancel(std::exchange(setup_timer_, 0));
  end_connection();
  pending_ = lost_ = false;
  transport_ = std::move(transport);
  DriverEvents& above = *this;
  driver_ = std::make_unique<Driver>(Profile::otp25, port_options(setup_), *transport_, operations_.timers(), above);
  transport_->listen_to(this);
  pump();
}

void Channel::down() {
  Operations::Scope operation(operations_);
  operations_.timers().cancel(std::exchange(setup_timer_, 0));
  pending_ = lost_ = false;
  because(kNobody, [&] {
    return fmt::format(
        "the connection has ended: {} messages in its queue are thrown away, and who was held goes on as if they were "
        "sent",
        queue_.size());
  });
  end_connection();
  for (const Item& item : std::exchange(queue_, {})) dropped_ += item.bytes.size();
  queued_ = 0;
  busy_ = false;
  for (const Suspended& s : std::exchange(suspended_, {})) {
    dropped_ += s.left.size();
    accepted_ += s.left.size();
    operations_.tell({EventKind::resumed, s.caller});
    operations_.tell({EventKind::answer, s.caller, s.result});
  }
  operations_.tell({EventKind::nodedown});
}

void Channel::end_connection() {
  if (!driver_) return;
  driver_->stop(true);
  written_before_ += driver_->written();
  dropped_ += driver_->dropped();
  driver_.reset();
  transport_.reset();
  driver_busy_ = false;
}

// ---- sending ----

Outcome Channel::send(CallerId caller, Signal signal, const SendOptions& options, std::string_view payload) {
  Operations::Scope operation(operations_);
  if (options.bad_option || is_suspended(caller)) return Outcome::badarg;
  Outcome accepted = signal == Signal::send_nosuspend ? Outcome::yes : Outcome::ok;
  if (!driver_ && !pending_) {
    because(caller, [&] {
      return std::string(options.noconnect ? "there is no connection, and it asked for none (noconnect)"
                                           : "there is no connection: one is asked for, and the message waits");
    });
    if (options.noconnect) return Outcome::noconnect;
    if (!ask_for_connection()) return accepted;  // dropped, as on a node that cannot be reached
  }
  if (refuses(signal, options)) {
    if (busy_) {
      because(caller, [&] {
        return fmt::format("is refused, as it asked for (nosuspend): the channel is busy until its queue, {}, is empty",
                           queued_);
      });
      ++refused_;
      return signal == Signal::send_nosuspend ? Outcome::no : Outcome::nosuspend;
    }
    // Looked at once, before the first byte: a message that may not be suspended enters whole, however large.
    std::string_view left = payload;
    for (bool first = true; first || !left.empty(); first = false) {
      enter(left.substr(0, kFragment), first);
      left.remove_prefix(std::min(left.size(), kFragment));
    }
    pump();
    return accepted;
  }
  if (signal == Signal::message) return enter_or_suspend(caller, accepted, payload);
  if (busy_) bypassed_ += payload.size();
  enter(payload, true);
  pump();
  if (signal == Signal::death || !busy_) return accepted;
  return suspend({caller, accepted, {}, false, operations_.now()});
}

bool Channel::ask_for_connection() {
  if (!connect_) return false;
  pending_ = true;
  setup_timer_ = operations_.timers().after(kSetupTime, [this] {
    setup_timer_ = 0;
    down();
  });
  connect_();
  return true;
}

void Channel::enter(std::string_view bytes, bool first) {
  std::uint64_t cost = bytes.size() + (first ? overhead(bytes.size()) : kOverheadFragment);
  queue_.push_back({std::string(bytes), cost});
  queued_ += cost;
  accepted_ += bytes.size();
  if (queued_ >= setup_.busy_limit && !busy_) {
    because(kNobody, [&] {
      return fmt::format("its queue, {} with the overhead of each message, has reached the limit {}: busy", queued_,
                         setup_.busy_limit);
    });
  }
  if (queued_ >= setup_.busy_limit) busy_ = true;
}

bool Channel::enter_some(std::string& left, bool& first) {
  // The bytes decide here, not the flag: a queue that has sagged below the limit takes more.
  std::size_t taken = 0;
  while ((first || taken < left.size()) && queued_ < setup_.busy_limit) {
    std::string_view fragment = std::string_view(left).substr(taken, kFragment);
    enter(fragment, first);
    taken += fragment.size();
    first = false;
  }
  left.erase(0, taken);
  return !first && left.empty();
}

Outcome Channel::enter_or_suspend(CallerId caller, Outcome result, std::string_view payload) {
  Suspended sender{caller, result, std::string(payload), true, operations_.now()};
  bool all_in = false;
  do {
    all_in = enter_some(sender.left, sender.first);
    pump();
  } while (!all_in && !busy_);
  return all_in && !busy_ ? result : suspend(std::move(sender));
}

Outcome Channel::suspend(Suspended sender) {
  because(sender.caller, [&] {
    if (sender.left.empty() && !sender.first)
      return std::string("is suspended: its message is in the queue, and the channel is busy");
    return fmt::format("is suspended with {} bytes that are not in the queue yet: the channel is busy",
                       sender.left.size());
  });
  operations_.tell({EventKind::suspended, sender.caller});
  operations_.tell({EventKind::busy_dist_port, sender.caller});
  suspended_.push_back(std::move(sender));
  return Outcome::pending;
}

void Channel::pump() {
  while (driver_ && !lost_ && !driver_busy_ && !queue_.empty()) {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    queued_ -= item.cost;
    driver_->command(kNobody, item.bytes);
  }
  if (lost_) {  // the driver said so while it was on the stack; now it is not
    down();
  } else {
    resume();
  }
}

void Channel::resume() {
  if (!busy_ || !queue_.empty() || driver_busy_) return;
  busy_ = false;
  because(kNobody, [&] {
    const std::string all = "its queue is empty and its port is not busy: not busy any more";
    return suspended_.empty() ? all : fmt::format("{}, {} may go on", all, suspended_.size());
  });
  resumed_.insert(resumed_.end(), std::make_move_iterator(suspended_.begin()),
                  std::make_move_iterator(suspended_.end()));
  suspended_.clear();
}

bool Channel::retry_resumed() {
  if (resumed_.empty()) return false;
  for (Suspended& sender : std::exchange(resumed_, {})) {
    operations_.tell({EventKind::resumed, sender.caller});
    bool nothing_left = !sender.first && sender.left.empty();
    if (nothing_left || (enter_some(sender.left, sender.first) && !busy_)) {
      operations_.tell({EventKind::answer, sender.caller, sender.result});
    } else {
      suspend(std::move(sender));
    }
  }
  pump();
  return true;
}

void Channel::caller_dies(CallerId caller) {
  std::erase_if(suspended_, [caller](const Suspended& s) { return s.caller == caller; });
  std::erase_if(resumed_, [caller](const Suspended& s) { return s.caller == caller; });
}

// ---- the channel's port ----

void Channel::port_busy(bool on) {
  driver_busy_ = on;
  because(kNobody, [&] {
    return std::string(on ? "its port is busy: the rest stays in the channel's queue"
                          : "its port is not busy any more");
  });
}

void Channel::writable() {
  Operations::Scope operation(operations_);
  driver_->writable();
  pump();
}

void Channel::readable() {
  Operations::Scope operation(operations_);
  driver_->readable();
  pump();
}

// ---- what is there ----

ChannelState Channel::state() const {
  ChannelState state{.queued = queued_,
                     .driver_queued = driver_ ? driver_->queued() : 0,
                     .busy = busy_,
                     .driver_busy = driver_busy_,
                     .suspended = static_cast<std::uint32_t>(suspended_.size()),
                     .connected = driver_ != nullptr,
                     .pending = pending_,
                     .accepted = accepted_,
                     .written = written_before_ + (driver_ ? driver_->written() : 0),
                     .dropped = dropped_ + (driver_ ? driver_->dropped() : 0),
                     .bypassed = bypassed_,
                     .refused = refused_};
  if (!suspended_.empty()) state.waited = operations_.now() - suspended_.front().since;
  return state;
}

bool Channel::is_suspended(CallerId caller) const {
  auto is = [caller](const Suspended& s) { return s.caller == caller; };
  return std::ranges::any_of(suspended_, is) || std::ranges::any_of(resumed_, is);
}

}  // namespace tcpadvisor::port
