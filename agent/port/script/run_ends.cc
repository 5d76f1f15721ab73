// SPDX-License-Identifier: Apache-2.0
// The part of a run that makes ports, listeners and channels, and sets what they are.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/port/script/line.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {

Result<std::uint64_t> Run::count(const Number& number, std::string_view what) const {
  auto value = number.evaluate(values_);
  if (!value) return std::unexpected(value.error());
  if (*value < 0) return script_error(fmt::format("{} of {}: less than nothing", what, *value));
  return static_cast<std::uint64_t>(*value);
}

Status Run::set_kernel(const std::optional<Number>& capacity, const std::optional<Number>& writable_at) {
  if (world_.kind() != TransportKind::fake) return {};
  auto room = capacity ? count(*capacity, "a capacity") : Result<std::uint64_t>(0);
  auto at = writable_at ? count(*writable_at, "writable_at") : Result<std::uint64_t>(1);
  if (!room) return std::unexpected(room.error());
  if (!at) return std::unexpected(at.error());
  if (*room > 0 && *at > *room)
    return script_error("writable_at is more than the capacity: it would never be writable");
  kernel_ = {.capacity = *room, .writable_at = *at};
  return {};
}

Status Run::set_profile(Profile profile) {
  profile_ = profile;
  return {};
}

Result<std::vector<OptionSetting>> Run::settings_of(const OptionWishes& wishes) const {
  std::vector<OptionSetting> settings;
  for (const auto& wish : wishes) {
    std::string value = wish.word;
    if (wish.number) {
      auto number = wish.number->evaluate(values_);
      if (!number) return std::unexpected(number.error());
      value = fmt::to_string(*number);
    }
    settings.push_back({wish.name, std::move(value)});
  }
  return settings;
}

Result<std::optional<std::int32_t>> Run::buffer(const std::optional<Number>& number) const {
  if (!number) return std::nullopt;
  auto bytes = count(*number, "a buffer");
  if (!bytes) return std::unexpected(bytes.error());
  return static_cast<std::int32_t>(std::min<std::uint64_t>(*bytes, 1 << 30));
}

Status Run::connect(const std::string& name, const std::string& owner, const Options& options, ConnectionWish wish) {
  if (lines_.size() == kMaxLines) return script_error("a script has at most 100 ports");
  wish.kernel = kernel_;
  wish.near = {options.sndbuf, options.recbuf, options.nodelay};
  auto connection = world_.connect(wish);
  if (!connection) return std::unexpected(connection.error());
  PortSetup setup{
      .name = name, .profile = profile_, .options = options, .explain = settings_.explain, .owner = caller(owner).id};
  auto hear = [this](Line& from, const Event& event) { on_event(from, event); };
  lines_.emplace(name, std::make_unique<PortLine>(std::move(setup), std::move(*connection), world_.timers(), hear));
  record_.shown = name;
  return {};
}

Status Run::make_channel(const ChannelWish& wish) {
  if (lines_.size() == kMaxLines) return script_error("a script has at most 100 ports and channels");
  ChannelSetup setup{.name = wish.name, .explain = settings_.explain};
  auto limit = wish.busy_limit ? count(*wish.busy_limit, "busy_limit") : Result<std::uint64_t>(setup.busy_limit);
  auto high = buffer(wish.high), low = buffer(wish.low), recbuf = buffer(wish.peer_recbuf);
  if (!limit) return std::unexpected(limit.error());
  if (!high) return std::unexpected(high.error());
  if (!low) return std::unexpected(low.error());
  if (!recbuf) return std::unexpected(recbuf.error());
  setup.busy_limit = *limit;
  setup.high = high->value_or(setup.high);
  setup.low = low->value_or(std::min(setup.low, setup.high));
  auto hear = [this](Line& from, const Event& event) { on_event(from, event); };
  auto made = std::make_unique<ChannelLine>(setup, world_.timers(), hear);
  made->channel.on_connect([this, name = wish.name] { note(name + " asks for a connection"); });
  lines_.emplace(wish.name, std::move(made));
  record_.shown = wish.name;
  ConnectionWish connection{.kernel = kernel_, .near = {}, .far = {}};
  connection.far.recbuf = *recbuf;
  channel_wishes_[wish.name] = connection;
  return wish.connected ? connect_channel(wish.name) : Status();
}

Status Run::connect_channel(const std::string& name) {
  auto on = channel(name);
  if (!on) return std::unexpected(on.error());
  if ((*on)->channel.state().connected) return script_error(fmt::format("channel {} is connected already", name));
  ConnectionWish wish = channel_wishes_[name];
  wish.kernel = kernel_;
  wish.near.nodelay = true;
  auto connection = world_.connect(wish);
  if (!connection) return std::unexpected(connection.error());
  (*on)->up(std::move(*connection));
  return {};
}

Status Run::disconnect_channel(const std::string& name) {
  auto on = channel(name);
  if (!on) return std::unexpected(on.error());
  (*on)->channel.down();
  return {};
}

Status Run::make_port(const PortWish& wish) {
  auto settings = settings_of(wish.options);
  if (!settings) return std::unexpected(settings.error());
  Options options;
  if (port::apply(options, *settings) != Outcome::ok)
    return script_error("Erlang takes no port with these options: one has a value of the wrong type or out of range");
  auto sndbuf = buffer(wish.peer_sndbuf), recbuf = buffer(wish.peer_recbuf);
  if (!sndbuf) return std::unexpected(sndbuf.error());
  if (!recbuf) return std::unexpected(recbuf.error());
  return connect(wish.name, wish.owner, options, {.kernel = {}, .near = {}, .far = {*sndbuf, *recbuf}});
}

Status Run::make_listener(const std::string& name, const OptionWishes& wishes) {
  auto settings = settings_of(wishes);
  if (!settings) return std::unexpected(settings.error());
  Options options;
  if (port::apply(options, *settings) != Outcome::ok)
    return script_error(
        "Erlang takes no listener with these options: one has a value of the wrong type or out of range");
  listeners_[name] = {options};
  return {};
}

Status Run::accept(const std::string& name, const std::string& listener, const std::string& owner) {
  auto from = listeners_.find(listener);
  if (from == listeners_.end())
    return script_error(fmt::format("listener {} was not made on this transport", listener));
  Options options = inherited(from->second.options);
  ConnectionWish wish{.kernel = {}, .near = {}, .far = {}, .accepted = true};
  return connect(name, owner, options, wish);
}

Status Run::set_options(const std::string& name, const OptionWishes& wishes) {
  auto settings = settings_of(wishes);
  if (!settings) return std::unexpected(settings.error());
  if (auto listener = listeners_.find(name); listener != listeners_.end()) {
    given_ = to_text(port::apply(listener->second.options, *settings));
    return {};
  }
  auto on = this->port(name);
  if (!on) return std::unexpected(on.error());
  given_ = to_text((*on)->port.set_options(*settings));
  return {};
}

Status Run::get(const std::string& name, const std::vector<std::string>& keys) {
  std::string all;
  for (const std::string& key : keys) {
    auto value = fact(name, key);
    if (!value) return std::unexpected(value.error());
    all += (all.empty() ? "" : " ") + (keys.size() > 1 ? key + "=" : "") + *value;
  }
  given_ = all;
  return {};
}

Status Run::port_close(const std::string& port) {
  auto on = this->port(port);
  if (on) (*on)->port.port_close();
  return on ? Status() : std::unexpected(on.error());
}

Status Run::kill(const std::string& port) {
  auto on = this->port(port);
  if (on) (*on)->port.kill();
  return on ? Status() : std::unexpected(on.error());
}

Status Run::hold(const std::string& port, bool held) {
  auto on = this->port(port);
  if (!on) return std::unexpected(on.error());
  if (held) {
    (*on)->port.hold();
  } else {
    (*on)->port.release();
  }
  return {};
}

}  // namespace tcpadvisor::port::script
