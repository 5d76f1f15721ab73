// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/senders.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/port/load/server.h"

namespace tcpadvisor::port::load {
namespace {

constexpr std::uint64_t kBatch = 256;      ///< messages of one producer before the others and the sockets get a turn
constexpr std::uint64_t kLookAtClock = 8;  ///< messages; the largest takes milliseconds

/// The port will never take bytes again.
bool is_the_end(Outcome outcome) {
  switch (outcome) {
    case Outcome::closed:
    case Outcome::enotconn:
    case Outcome::econnreset:
    case Outcome::einval:  // with nosuspend
    case Outcome::badarg:  // port_command
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Senders::Driven final : EventSink {
  Driven(Senders& owner, std::size_t index) : senders(owner), number(index) {}
  void on_event(const Event& event) override { senders.heard(*this, event); }

  Senders& senders;
  const std::size_t number;
  std::vector<Producer> producers;
  std::optional<Time> hung_up;
  std::optional<Ended> ended;
  std::unique_ptr<Port> port;  // last: it may still tell of its end
};

Senders::Senders(Timers& timers, const SenderOptions& options)
    : timers_(timers), options_(options), message_(options.size, 'x') {}

Senders::~Senders() = default;

std::size_t Senders::add(std::unique_ptr<Transport> transport) {
  std::size_t number = ports_.size();
  auto driven = std::make_unique<Driven>(*this, number);
  driven->producers.resize(options_.producers);
  driven->port = std::make_unique<Port>(PortSetup{.options = options_.port}, std::move(transport), timers_, *driven);
  ports_.push_back(std::move(driven));
  return number;
}

const Port& Senders::port(std::size_t number) const {
  return *ports_[number]->port;
}

const std::optional<Senders::Ended>& Senders::ended(std::size_t number) const {
  return ports_[number]->ended;
}

// ---- what comes back ----

void Senders::heard(Driven& driven, const Event& event) {
  switch (event.kind) {
    case EventKind::busy_port:
      ++totals_.suspensions;
      return;
    case EventKind::answer: {
      if (event.caller == kNobody || event.caller > driven.producers.size()) return;
      Producer& producer = driven.producers[event.caller - 1];
      if (std::exchange(producer.waits, false)) returned(driven, producer.called, stamp_now(), event.outcome);
      return;
    }
    case EventKind::reply:  // what became of a call that returned at once
      if (is_the_end(event.outcome)) has_ended(driven, true);
      return;
    case EventKind::tcp_closed:
      peer_hung_up(driven.number);
      return;
    case EventKind::port_gone:
      has_ended(driven, true);
      return;
    default:
      return;
  }
}

void Senders::returned(Driven& driven, std::uint64_t called, std::uint64_t now, Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
    case Outcome::yes:
      ++totals_.sent;
      break;
    case Outcome::busy:
    case Outcome::no:
    case Outcome::nosuspend:
      ++totals_.refused;
      return;
    case Outcome::timeout:
      ++totals_.timeouts;
      if (options_.port.send_timeout_close) has_ended(driven, false);
      break;
    default:
      ++totals_.errors;
      if (is_the_end(outcome)) has_ended(driven, true);
      return;
  }
  totals_.send.add(Time(static_cast<std::int64_t>(now - called)));
}

void Senders::peer_hung_up(std::size_t number) {
  std::optional<Time>& at = ports_[number]->hung_up;
  if (!at) at = timers_.now();
}

void Senders::end(std::size_t number) {
  peer_hung_up(number);
  has_ended(*ports_[number], true);
}

void Senders::has_ended(Driven& driven, bool by_peer) {
  if (driven.ended) return;
  driven.ended = Ended{by_peer ? driven.hung_up.value_or(timers_.now()) : timers_.now(), by_peer};
  ++ended_;
  if (hear_end_) hear_end_(driven.number);
}

// ---- sending ----

/// At most `most` messages of one producer; how many calls it made.
std::uint64_t Senders::produce(Driven& driven, std::size_t producer, std::uint64_t most, Time until) {
  Producer& me = driven.producers[producer];
  SendOptions how{.kind = options_.kind, .nosuspend = options_.nosuspend};
  std::uint64_t made = 0, now = stamp_now();
  while (made < most && !me.waits && !driven.ended) {
    if (made > 0 && made % kLookAtClock == 0 && timers_.now() >= until) break;
    ++made;
    me.called = now;
    std::memcpy(message_.data(), &now, sizeof now);
    // It may return from within by an event, but not before the call does.
    Outcome outcome = driven.port->send(static_cast<CallerId>(producer + 1), how, message_);
    if (outcome == Outcome::pending) {
      me.waits = true;
      ++totals_.waits;
      break;
    }
    now = stamp_now();
    returned(driven, me.called, now, outcome);
    if (outcome != Outcome::ok && outcome != Outcome::yes) break;  // refused: not at once again
  }
  totals_.calls += made;
  return made;
}

std::uint64_t Senders::one_of(std::size_t who, std::uint64_t most, Time until) {
  return produce(*ports_[who / options_.producers], who % options_.producers, most, until);
}

bool Senders::send_freely(Time slice) {
  bool any = false;
  Time until = timers_.now() + slice;
  std::size_t all = ports_.size() * options_.producers;
  for (std::size_t tried = 0; tried < all; ++tried, next_ = (next_ + 1) % all) {
    if (tried > 0 && timers_.now() >= until) return any;
    any = one_of(next_, kBatch, until) > 0 || any;
  }
  return any;
}

void Senders::send_due(std::uint64_t due, Time slice) {
  Time until = timers_.now() + slice;
  std::size_t all = ports_.size() * options_.producers;
  for (std::size_t idle = 0; totals_.calls < due && idle < all; next_ = (next_ + 1) % all) {
    idle = one_of(next_, 1, until) > 0 ? 0 : idle + 1;
    if (timers_.now() >= until) return;
  }
}

bool Senders::all_flushed() const {
  return std::ranges::all_of(ports_, [](const auto& driven) {
    PortState state = driven->port->state();
    return state.queued == 0 && state.message_queue == 0;
  });
}

}  // namespace tcpadvisor::port::load
