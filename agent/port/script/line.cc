// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/line.h"

#include <fmt/format.h>

#include <array>

namespace tcpadvisor::port::script {
namespace {

struct NumberFact {
  std::string_view key;
  std::uint64_t value;
};
struct YesNoFact {
  std::string_view key;
  bool value;
};

std::optional<std::string> find(const std::string& key, std::span<const NumberFact> numbers,
                                std::span<const YesNoFact> flags) {
  for (const NumberFact& number : numbers) {
    if (number.key == key) return fmt::to_string(number.value);
  }
  for (const YesNoFact& flag : flags) {
    if (flag.key == key) return flag.value ? "yes" : "no";
  }
  return std::nullopt;
}

}  // namespace

std::size_t Run::Line::sender(CallerId id) {
  auto at = std::ranges::find(senders_, id);
  if (at != senders_.end()) return static_cast<std::size_t>(at - senders_.begin());
  if (senders_.size() == Payload::kMaxSenders) return Payload::kMaxSenders;
  senders_.push_back(id);
  return senders_.size() - 1;
}

Status Run::Line::received(std::string_view bytes) {
  Status status = from_peer_.check(bytes);
  if (!status) status.error().message = fmt::format("{} received: {}", name_, status.error().message);
  return status;
}

// ---- port -----------------------------------------------------------------------------------------------------------

Run::PortLine::PortLine(PortSetup setup, Connection connection, Timers& timers, Hear hear)
    : Line(setup.name, setup.options.packet, timers, std::move(hear)),
      port(std::move(setup), std::move(connection.port_end), timers, *this) {
  peer = std::move(connection.peer);
}

std::string Run::PortLine::held(CallerId caller) const {
  auto state = port.call_state(caller);
  if (state == Call::State::suspended) return "suspended";
  return state == Call::State::scheduled ? "scheduled" : "waiting";
}

std::uint64_t Run::PortLine::queued() const {
  PortState state = port.state();
  return state.queued + state.message_queue;
}

std::uint64_t Run::PortLine::progress() const {
  PortState state = port.state();
  return state.accepted + state.written + state.dropped + port.write_calls();
}

bool Run::PortLine::has_gap() const {
  PortState state = port.state();
  return state.dropped > 0 && state.open;
}

std::string Run::PortLine::fact(const std::string& key) const {
  PortState state = port.state();
  const std::array numbers{NumberFact{"q", state.queued},
                           NumberFact{"mq", state.message_queue},
                           NumberFact{"accepted", state.accepted},
                           NumberFact{"written", state.written},
                           NumberFact{"dropped", state.dropped},
                           NumberFact{"bypassed", state.bypassed},
                           NumberFact{"waiting", state.waiting},
                           NumberFact{"suspended", state.suspended},
                           NumberFact{"scheduled", state.scheduled},
                           NumberFact{"refused", state.refused},
                           NumberFact{"writes", port.write_calls()}};
  const std::array flags{YesNoFact{"busy", state.busy},   YesNoFact{"mq_busy", state.message_busy},
                         YesNoFact{"limbo", state.limbo}, YesNoFact{"pending_shutdown", state.pending_shutdown},
                         YesNoFact{"open", state.open},   YesNoFact{"gone", state.gone}};
  if (auto found = find(key, numbers, flags)) return *found;
  if (option_name(key)) return option_text(port.options(), key).value_or("");
  std::uint64_t value = 0;
  Outcome outcome = port.statistic(key, value);
  return outcome == Outcome::ok ? fmt::to_string(value) : std::string(to_text(outcome));
}

// ---- channel --------------------------------------------------------------------------------------------------------

Run::ChannelLine::ChannelLine(ChannelSetup setup, Timers& timers, Hear hear)
    : Line(setup.name, 4, timers, std::move(hear)), channel(std::move(setup), timers, *this) {}

void Run::ChannelLine::up(Connection connection) {
  peer = std::move(connection.peer);
  was_reset = false;
  channel.up(std::move(connection.port_end));
}

void Run::ChannelLine::on_event(const Event& event) {
  if (event.kind == EventKind::nodedown) {  // nothing of what was sent comes any more
    forget_stream();
    written_before_ = channel.state().written;
  }
  Line::on_event(event);
}

std::string Run::ChannelLine::next_bytes(std::size_t sender, std::size_t bytes) {
  std::string text = to_peer.next(sender, std::min(bytes, Channel::kFragment));
  while (text.size() < bytes) text += to_peer.next(sender, std::min(bytes - text.size(), Channel::kFragment));
  return text;
}

void Run::ChannelLine::take_back(std::size_t sender, std::size_t bytes) {
  std::size_t last = bytes % Channel::kFragment;
  if (last > 0 || bytes == 0) to_peer.take_back(sender, last);
  for (std::size_t left = bytes - last; left > 0; left -= Channel::kFragment)
    to_peer.take_back(sender, Channel::kFragment);
}

std::uint64_t Run::ChannelLine::queued() const {
  ChannelState state = channel.state();
  return state.queued + state.driver_queued;
}

std::uint64_t Run::ChannelLine::progress() const {
  ChannelState state = channel.state();
  return state.accepted + state.written + state.dropped + state.queued;
}

std::string Run::ChannelLine::fact(const std::string& key) const {
  ChannelState state = channel.state();
  const std::array numbers{NumberFact{"q", state.queued},
                           NumberFact{"driver_q", state.driver_queued},
                           NumberFact{"accepted", state.accepted},
                           NumberFact{"written", state.written},
                           NumberFact{"dropped", state.dropped},
                           NumberFact{"bypassed", state.bypassed},
                           NumberFact{"suspended", state.suspended},
                           NumberFact{"refused", state.refused},
                           NumberFact{"busy_limit", channel.setup().busy_limit}};
  const std::array flags{YesNoFact{"busy", state.busy}, YesNoFact{"driver_busy", state.driver_busy},
                         YesNoFact{"connected", state.connected}, YesNoFact{"pending", state.pending}};
  return find(key, numbers, flags).value_or("");
}

}  // namespace tcpadvisor::port::script
