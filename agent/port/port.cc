// SPDX-License-Identifier: Apache-2.0
#include "agent/port/port.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tcpadvisor::port {
namespace {

using std::chrono::seconds;

constexpr Time kRound = seconds(5);      ///< prim_inet looks at the queue again after this (INET_CLOSE_TIMEOUT)
constexpr Time kReplyWait = seconds(5);  ///< and at a reply that does not come
constexpr Time kLongestClose = seconds(180);

}  // namespace

Port::Port(PortSetup setup, std::unique_ptr<Transport> transport, Timers& timers, EventSink& sink)
    : setup_(std::move(setup)),
      transport_(std::move(transport)),
      // Resumed callers are processes of their own: they run once the operation that resumed them is over.
      operations_(timers, sink, [this] { return finish_drained() || scheduler_.retry_resumed(); }),
      scheduler_(operations_.timers(), [this](Event event) { operations_.tell(std::move(event)); }),
      // The driver of R14 and R16 has no task for what is due at once: it waits for the next poll.
      driver_(setup_.profile, setup_.options, *transport_,
              setup_.profile == Profile::otp25 ? scheduler_.timers() : operations_.timers(), *this) {
  scheduler_.attach(driver_);
  if (setup_.explain) scheduler_.explain();
  transport_->listen_to(this);
}

Port::~Port() {
  for (const auto& [caller, draining] : draining_) operations_.timers().cancel(draining.timer);
}

void Port::writable() {
  Operations::Scope operation(operations_);
  scheduler_.in_line(kNobody, [this] { driver_.writable(); });
}

void Port::readable() {
  Operations::Scope operation(operations_);
  scheduler_.in_line(kNobody, [this] { driver_.readable(); });
}

void Port::driver_event(Event event) {
  if (event.kind == EventKind::empty_out_q) {
    // A caller that drains the queue swallows its own notice.
    if (auto at = draining_.find(event.caller); at != draining_.end()) {
      operations_.timers().cancel(std::exchange(at->second.timer, 0));
      drained_.push_back(event.caller);
      return;
    }
  }
  if (event.caller == kNobody) event.caller = setup_.owner;
  operations_.tell(std::move(event));
}

void Port::driver_exit() {
  end(false);
}

Outcome Port::send(CallerId caller, const SendOptions& options, std::string_view data) {
  Operations::Scope operation(operations_);
  return in_a_call(caller) ? Outcome::badarg : scheduler_.output(caller, options, data);
}

// ---- shutdown and close ----

Outcome Port::shutdown(CallerId caller, int how) {
  Operations::Scope operation(operations_);
  if (in_a_call(caller)) return Outcome::badarg;
  Outcome outcome = Outcome::closed;
  scheduler_.in_line(caller, [&] { outcome = shut(caller, how); });
  return outcome;
}

Outcome Port::shut(CallerId caller, int how) {
  if (gone_) return Outcome::closed;
  if (setup_.profile == Profile::otp25) return driver_.shutdown_deferred(how);
  if (how == SHUT_RD || driver_.queued() == 0) return driver_.shutdown_now(how);
  return start_draining(caller, {.closes = false, .how = how});
}

Outcome Port::close(CallerId caller) {
  Operations::Scope operation(operations_);
  if (in_a_call(caller)) return Outcome::badarg;
  Outcome outcome = Outcome::ok;
  scheduler_.in_line(caller, [&] { outcome = start_closing(caller); });
  return outcome;
}

Outcome Port::start_closing(CallerId caller) {
  if (gone_) return Outcome::ok;
  const Linger& linger = driver_.options().linger;
  bool at_once = setup_.profile == Profile::otp25 && linger.on && linger.seconds == 0;
  if (at_once || driver_.queued() == 0) {
    end(false);
    return Outcome::ok;
  }
  return start_draining(caller, {});
}

bool Port::in_a_call(CallerId caller) const {
  return caller != kNobody &&
         (scheduler_.calls().contains(caller) || draining_.contains(caller) || driver_.receiving() == caller);
}

Outcome Port::start_draining(CallerId caller, Draining draining) {
  because(caller, [&] {
    return fmt::format(
        "waits for the queue, q {}, before the {}: looked at every 5 s, and given up when nothing has gone",
        driver_.queued(), draining.closes ? "port is closed" : "shutdown");
  });
  draining.initial = draining.previous = driver_.subscribe(caller);
  draining.began = operations_.now();
  next_round(caller, draining_[caller] = draining);
  return Outcome::pending;
}

std::optional<Time> Port::bound(const Draining& draining) const {
  if (!draining.closes || setup_.profile == Profile::classic) return std::nullopt;
  const Linger& linger = driver_.options().linger;
  return draining.began + (linger.on ? Time(seconds(linger.seconds)) : kLongestClose);
}

void Port::next_round(CallerId caller, Draining& draining) {
  Time wait = kRound;
  if (auto until = bound(draining)) wait = std::clamp(*until - operations_.now(), Time::zero(), wait);
  draining.timer = operations_.timers().after(wait, [this, caller] { round_over(caller); });
}

void Port::round_over(CallerId caller) {
  Draining& draining = draining_.at(caller);
  std::uint64_t now_queued = driver_.queued();
  auto until = bound(draining);
  bool too_long = until && operations_.now() >= *until;
  // otp25 compares with the value at the start for ever, so any progress at all keeps the wait going to its bound.
  std::uint64_t compared = setup_.profile == Profile::otp25 ? draining.initial : draining.previous;
  if (now_queued > 0 && now_queued != compared && !too_long) {
    draining.previous = now_queued;
    next_round(caller, draining);
    return;
  }
  because(caller, [&] {
    if (now_queued == 0) return std::string("the queue is empty");
    if (too_long) return fmt::format("has waited as long as it may; q {} still", now_queued);
    return fmt::format("has waited 5 s, and q {} is what it was: nothing goes", now_queued);
  });
  Draining given_up = draining;
  draining_.erase(caller);  // a notice that comes late is a message again
  drained(caller, given_up);
}

void Port::drained(CallerId caller, const Draining& draining) {
  Outcome outcome = Outcome::ok;
  if (draining.closes) {
    end(false);
  } else {
    outcome = driver_.shutdown_now(draining.how);
  }
  operations_.tell({EventKind::answer, caller, outcome, {}});
}

bool Port::finish_drained() {
  if (drained_.empty()) return false;
  for (CallerId caller : std::exchange(drained_, {})) {
    if (auto draining = draining_.extract(caller); !draining.empty()) drained(caller, draining.mapped());
  }
  return true;
}

void Port::port_close() {
  Operations::Scope operation(operations_);
  scheduler_.in_line(kNobody, [this] { end(false); });
}

void Port::kill() {
  Operations::Scope operation(operations_);
  scheduler_.in_line(kNobody, [this] { end(true); });
}

void Port::end(bool kill) {
  if (ended_) return;
  bool first = !std::exchange(gone_, true);
  // Later calls come from a limbo that is over, or are a kill that ends it, or find nothing to do.
  ended_ = first || kill ? driver_.stop(kill) : !driver_.connected();
  if (first) {
    auto others = std::exchange(draining_, {});
    for (const auto& [caller, draining] : others) {
      operations_.timers().cancel(draining.timer);
      operations_.tell({EventKind::answer, caller, draining.closes ? Outcome::ok : Outcome::closed, {}});
    }
    scheduler_.port_gone(setup_.profile == Profile::otp25 ? std::optional(kReplyWait) : std::nullopt);
  }
  if (ended_) operations_.tell({EventKind::port_gone, setup_.owner});
}

// ---- the rest ----

void Port::receive(CallerId caller, std::size_t bytes, std::optional<std::chrono::milliseconds> timeout) {
  Operations::Scope operation(operations_);
  scheduler_.in_line(caller, [&] {
    if (gone_) {
      operations_.tell({EventKind::answer, caller, Outcome::closed, {}});
    } else {
      driver_.receive(caller, bytes, timeout);
    }
  });
}

std::uint64_t Port::subscribe(CallerId caller) {
  Operations::Scope operation(operations_);
  std::uint64_t queued = 0;
  scheduler_.in_line(caller, [&] { queued = gone_ ? 0 : driver_.subscribe(caller); });
  return queued;
}

Outcome Port::set_options(std::span<const OptionSetting> settings) {
  Operations::Scope operation(operations_);
  Outcome outcome = Outcome::einval;
  scheduler_.in_line(kNobody, [&] {
    if (gone_) return;
    outcome = driver_.set_options(settings);
    scheduler_.limits_changed();
  });
  return outcome;
}

Outcome Port::statistic(std::string_view item, std::uint64_t& value) const {
  if (gone_ && !driver_.in_limbo()) return Outcome::einval;
  const SendStatistics& sent = driver_.statistics();
  const std::array<std::pair<std::string_view, std::uint64_t>, 5> items{
      {{"send_cnt", sent.count},
       {"send_oct", sent.bytes},
       {"send_max", sent.max},
       {"send_avg", static_cast<std::uint64_t>(sent.mean)},
       {"send_pend", driver_.queued()}}};
  auto at = std::ranges::find(items, item, &std::pair<std::string_view, std::uint64_t>::first);
  if (at == items.end()) return Outcome::einval;
  value = at->second;
  return Outcome::ok;
}

void Port::caller_dies(CallerId caller) {
  Operations::Scope operation(operations_);
  scheduler_.caller_dies(caller);
  if (auto draining = draining_.extract(caller); !draining.empty()) {
    operations_.timers().cancel(draining.mapped().timer);
  }
  if (caller == setup_.owner) port_close();
}

void Port::hold() {
  scheduler_.hold();
}

void Port::give_one_turn() {
  Operations::Scope operation(operations_);
  scheduler_.give_one_turn();
}

void Port::release() {
  Operations::Scope operation(operations_);
  scheduler_.release();
}

PortState Port::state() const {
  PortState state{.queued = driver_.queued(),
                  .message_queue = scheduler_.message_queue(),
                  .busy = driver_.busy(),
                  .message_busy = scheduler_.message_queue_busy(),
                  .pending_shutdown = driver_.pending_shutdown(),
                  .limbo = driver_.in_limbo(),
                  .open = driver_.connected(),
                  .gone = gone_,
                  .accepted = driver_.written() + driver_.queued() + driver_.dropped(),
                  .written = driver_.written(),
                  .dropped = driver_.dropped(),
                  .bypassed = driver_.bypassed(),
                  .refused = scheduler_.refused()};
  for (const auto& [caller, call] : scheduler_.calls()) {
    switch (call.state) {
      case Call::State::waiting:
        ++state.waiting;
        break;
      case Call::State::suspended:
        ++state.suspended;
        break;
      case Call::State::scheduled:
        ++state.scheduled;
        break;
    }
    state.waited = std::max(state.waited, operations_.now() - call.since);
  }
  // Classic shutdown does not defer: it waits for the queue in the call.
  for (const auto& [caller, draining] : draining_) state.pending_shutdown |= !draining.closes;
  return state;
}

std::optional<Call::State> Port::call_state(CallerId caller) const {
  auto call = scheduler_.calls().find(caller);
  if (call != scheduler_.calls().end()) return call->second.state;
  if (in_a_call(caller)) return Call::State::waiting;
  return std::nullopt;
}

}  // namespace tcpadvisor::port
