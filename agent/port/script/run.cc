// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/port/script/connected.h"

namespace tcpadvisor::port::script {
namespace {

using std::chrono::milliseconds;

constexpr Time kDrainTick = milliseconds(10);
constexpr Time kFastDrainTick = milliseconds(2);
constexpr std::uint64_t kMostAtOnce = 16 << 20;  ///< bytes of one send, and of one read by the peer

std::unexpected<Error> script_error(std::string message) {
  return fail(ErrorCode::bad_input, std::move(message));
}

/// These calls leave nothing in any queue.
bool refused(Outcome outcome) {
  switch (outcome) {
    case Outcome::no:
    case Outcome::badarg:
    case Outcome::nosuspend:
    case Outcome::noconnect:
    case Outcome::notsup:
    case Outcome::closed:
    case Outcome::enotconn:
    case Outcome::einval:
    case Outcome::busy:
    case Outcome::econnreset:
      return true;
    default:
      return false;
  }
}

}  // namespace

Run::Run(const Script& script, World& world, const RunSettings& settings, Transcript& transcript)
    : script_(script), world_(world), settings_(settings), transcript_(transcript) {}
Run::~Run() = default;

RunResult run_script(const Script& script, World& world, const RunSettings& settings, Transcript& transcript) {
  return Run(script, world, settings, transcript).play();
}

// ---- step by step ---------------------------------------------------------------------------------------------------

RunResult Run::play() {
  RunResult result;
  auto at_step = [&](const Step& step, Error error) {
    error.message = fmt::format("{}:{}:{}: {}", script_.name, step.line, step.column, error.message);
    return error;
  };
  for (const Step& step : script_.steps) {
    if (!step.only_on.empty() && !step.only_on.contains(world_.kind())) continue;
    if (settings_.stop) {
      if (auto why = settings_.stop()) {
        result.error = at_step(step, std::move(*why));
        return result;
      }
    }
    record_ = {.line = step.line, .step = step.text};
    given_.reset();
    called_.clear();
    Status status = step.action(*this);
    if (status && step.settles) status = settle();
    if (status && broken_) status = std::unexpected(*std::exchange(broken_, std::nullopt));
    if (status) status = check_wanted(step);
    if (status && &step == &script_.steps.back()) status = last_check();
    ++result.steps;
    if (!status && status.error().code == ErrorCode::bad_input) {
      result.error = at_step(step, status.error());
      return result;
    }
    show_states();
    if (!status) record_.failure = status.error().message;
    transcript_.add(record_);
    if (status) continue;
    result.failures.push_back(record_);
    if (!settings_.keep_going) return result;
  }
  return result;
}

Status Run::settle() {
  return world_.settle([this] { return progress(); }, or_stop([] { return false; }));
}

std::function<bool()> Run::or_stop(std::function<bool()> done) {
  return [this, done = std::move(done)] { return broken_ || (settings_.stop && settings_.stop()) || done(); };
}

std::uint64_t Run::progress() const {
  std::uint64_t sum = events_;
  for (const auto& [name, port] : ports_) {
    PortState state = port->port.state();
    sum += state.accepted + state.written + state.dropped + port->to_peer.arrived() + port->port.write_calls();
  }
  return sum;
}

void Run::show_states() {
  record_.at = world_.timers().now();
  for (const auto& [name, port] : ports_) record_.ports.emplace(name, port->port.state());
  for (const Caller* who : called_) record_.callers.push_back({who->name, state_of(*who), who->calls, who->returned});
  if (given_) record_.result = *given_;
}

Status Run::check_wanted(const Step& step) {
  if (!step.wanted) return {};
  std::string wanted = step.wanted->word;
  if (step.wanted->number) {
    auto value = step.wanted->number->evaluate(values_);
    if (!value) return std::unexpected(value.error());
    wanted = fmt::to_string(*value);
  }
  for (const Caller* who : called_) {
    if (std::string found = state_of(*who); found != wanted)
      return fail(ErrorCode::failed,
                  fmt::format("the result {}is {}", called_.size() > 1 ? "of " + who->name + " " : "", found));
  }
  if (given_ && *given_ != wanted) return fail(ErrorCode::failed, fmt::format("the result is {}", *given_));
  return {};
}

/// Where nothing is lost between the port and its peer, the sums have to agree.
Status Run::last_check() {
  for (const auto& [name, port] : ports_) {
    auto unread = port->peer->unread();
    PortState state = port->port.state();
    std::uint64_t arrived = port->to_peer.arrived();
    if (!unread || port->was_reset || port->peer->end() == PeerEnd::reset || arrived + *unread == state.written)
      continue;
    return fail(ErrorCode::failed, fmt::format("port {} wrote {} bytes, but its peer has {} and {} are on their way",
                                               name, state.written, arrived, *unread));
  }
  return {};
}

// ---- callers and their calls ----------------------------------------------------------------------------------------

Run::Caller& Run::caller(const std::string& name) {
  auto [at, added] = callers_.try_emplace(name);
  if (added) {
    by_id_.push_back(&at->second);
    at->second.name = name;
    at->second.id = static_cast<CallerId>(by_id_.size());
  }
  return at->second;
}

Run::Caller* Run::caller_of(CallerId id) {
  return id == kNobody || id > by_id_.size() ? nullptr : by_id_[id - 1];
}

Result<Run::Caller*> Run::free_caller(const std::string& name) {
  Caller& who = caller(name);
  if (who.gone) return script_error(fmt::format("caller {} has exited: take another one", name));
  if (who.pending) {
    return script_error(
        fmt::format("caller {} is {}: its last call has not returned, so it cannot make another; take "
                    "another caller, or wait",
                    name, state_of(who)));
  }
  return &who;
}

Result<Run::Connected*> Run::connected(const std::string& name) {
  auto at = ports_.find(name);
  if (at == ports_.end()) return script_error(fmt::format("port {} was not made on this transport", name));
  record_.shown_port = name;
  return at->second.get();
}

void Run::begin_call(Caller& who, Connected& on) {
  who.called = who.pending = true;
  who.on = &on;
  who.waited = false;
  who.called_at = world_.timers().now();
  ++who.calls;
  ++calls_;
}

void Run::answered(Caller& who, Outcome outcome) {
  who.pending = false;
  who.outcome = outcome;
  who.answered_at = world_.timers().now();
  who.answer_number = ++answers_;
  ++who.returned[outcome];
}

/// What every call but send does after it was made. The answer may have come by an event already.
Status Run::finish_call(Caller& who, Outcome outcome) {
  if (outcome != Outcome::pending && who.pending) answered(who, outcome);
  who.waited = who.pending;
  return {};
}

void Run::one_send(Caller& who) {
  --who.sends.left;
  Connected& on = *who.on;
  if (calls_ >= kMaxCalls) {
    broken_ = Error{ErrorCode::bad_input, "more than 1,000,000 calls: take a smaller repeat or larger sends", 0};
    who.sends.left = 0;
    return;
  }
  PortState state = on.port.state();
  if (state.queued + state.message_queue + who.sends.bytes > kMaxQueued) {
    broken_ = Error{ErrorCode::bad_input,
                    fmt::format("more than 64 MiB would be in the queues of port {}", on.port.name()), 0};
    who.sends.left = 0;
    return;
  }
  std::size_t sender = on.sender(who.id);
  std::string bytes = on.to_peer.next(sender, who.sends.bytes);
  begin_call(who, on);
  Outcome outcome = on.port.send(who.id, who.sends.options, bytes);
  if (outcome == Outcome::pending) {
    who.waited = true;
    return;
  }
  if (!who.pending) return;
  if (refused(outcome)) on.to_peer.take_back(sender, who.sends.bytes);
  answered(who, outcome);
}

/// As a process in a loop: the next call as soon as the last one has returned.
void Run::sends_on(Caller& who) {
  while (who.sends.left > 0 && !who.pending && !who.gone && !broken_) one_send(who);
}

void Run::on_event(Connected& from, const Event& event) {
  ++events_;
  Caller* who = caller_of(event.caller);
  if (event.kind == EventKind::port_gone) {
    note(fmt::format("{} is closed", from.port.name()));
    return;
  }
  if (who == nullptr || who->gone) return;
  if (event.kind == EventKind::data || (event.kind == EventKind::answer && !event.data.empty())) {
    if (Status status = from.received(event.data); !status && !broken_) broken_ = status.error();
  }
  switch (event.kind) {
    case EventKind::answer: {
      if (!who->pending) return;
      who->bytes = event.data.size();
      bool was_send = who->sends.bytes > 0 || who->sends.left > 0;
      if (was_send && refused(event.outcome)) from.to_peer.take_back(from.sender(who->id), who->sends.bytes);
      answered(*who, event.outcome);
      note(fmt::format("{} {}", who->name, to_text(event.outcome)));
      sends_on(*who);
      return;
    }
    case EventKind::suspended:
    case EventKind::resumed:
      note(fmt::format("{} {}", who->name, to_text(event.kind)));
      return;
    default:
      break;
  }
  ++who->messages[event.kind];
  if (event.kind == EventKind::reply) {
    who->reply = event.outcome;
    note(fmt::format("{} inet_reply {}", who->name, to_text(event.outcome)));
  } else if (event.kind == EventKind::data) {
    note(fmt::format("{} tcp {} bytes", who->name, event.data.size()));
  } else {
    note(fmt::format("{} {}", who->name, to_text(event.kind)));
  }
}

Status Run::send(const SendWish& wish) {
  auto port = connected(wish.port);
  if (!port) return std::unexpected(port.error());
  auto bytes = count(wish.bytes, "a send");
  auto repeat = wish.repeat ? count(*wish.repeat, "repeat") : Result<std::uint64_t>(1);
  if (!bytes) return std::unexpected(bytes.error());
  if (!repeat) return std::unexpected(repeat.error());
  if (*bytes > kMostAtOnce) return script_error("one send has at most 16 MiB");
  if (*repeat == 0 || *repeat > kMaxCalls) return script_error("repeat is from 1 to 1,000,000");
  std::vector<Caller*> who;
  for (const std::string& name : wish.callers) {
    auto one = free_caller(name);
    if (!one) return std::unexpected(one.error());
    if ((*port)->sender((*one)->id) >= Payload::kMaxSenders)
      return script_error(fmt::format("at most 16 callers send to one port: {} would be one more", name));
    who.push_back(*one);
  }
  for (Caller* one : who) {
    called_.push_back(one);
    one->calls = 0;
    one->returned.clear();
    one->on = *port;
    one->sends = {*repeat, *bytes, wish.options};
    if (wish.until || wish.until_waits) return send_until(*one, wish);
    sends_on(*one);
  }
  return {};
}

Status Run::send_until(Caller& who, const SendWish& wish) {
  auto stands = [&]() -> Result<bool> {
    return wish.until ? compare(*wish.until, fact_of(*who.on, wish.until->key)) : Result<bool>(false);
  };
  while (!broken_) {
    who.sends.left = 1;
    sends_on(who);
    if (settings_.stop && settings_.stop()) return {};
    if (who.pending) {
      if (Status status = world_.patience(or_stop([&] { return !who.pending; })); !status) return status;
    }
    auto now = stands();
    if (!now) return std::unexpected(now.error());
    if (*now && !who.pending) {
      // Only what lasts counts: a kernel may take more a little later.
      if (Status status = world_.patience(or_stop([] { return false; })); !status) return status;
      now = stands();
    }
    if (!now || *now) return now ? Status() : std::unexpected(now.error());
    if (who.pending) {
      if (wish.until_waits) return {};
      return fail(ErrorCode::failed, fmt::format("{} is {} before that is so", who.name, state_of(who)));
    }
    if (who.outcome != Outcome::ok && who.outcome != Outcome::yes && who.outcome != Outcome::timeout)
      return fail(ErrorCode::failed, fmt::format("a call returned {} before that was so", to_text(who.outcome)));
  }
  return {};
}

Status Run::receive(const std::optional<Number>& bytes, const std::string& port, const std::string& name,
                    std::optional<Time> timeout) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto who = free_caller(name);
  if (!who) return std::unexpected(who.error());
  auto wanted = bytes ? count(*bytes, "a receive") : Result<std::uint64_t>(0);
  if (!wanted) return std::unexpected(wanted.error());
  if (bytes && (*wanted == 0 || *wanted > kMostAtOnce))
    return script_error("a receive is of 1 byte to 16 MiB, or 'any'");
  called_.push_back(*who);
  (*who)->calls = 0;
  (*who)->returned.clear();
  (*who)->sends = {};
  (*who)->bytes = 0;
  begin_call(**who, **on);
  std::optional<milliseconds> ms;
  if (timeout) ms = std::chrono::ceil<milliseconds>(*timeout);
  (*on)->port.receive((*who)->id, *wanted, ms);
  return finish_call(**who, Outcome::pending);
}

Status Run::shutdown(const std::string& port, int how, const std::string& name) {
  return call(port, name, [how](Port& on, CallerId id) { return on.shutdown(id, how); });
}

Status Run::close(const std::string& port, const std::string& name) {
  return call(port, name, [](Port& on, CallerId id) { return on.close(id); });
}

Status Run::call(const std::string& port, const std::string& name,
                 const std::function<Outcome(Port&, CallerId)>& what) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto who = free_caller(name);
  if (!who) return std::unexpected(who.error());
  called_.push_back(*who);
  (*who)->calls = 0;
  (*who)->returned.clear();
  (*who)->sends = {};
  begin_call(**who, **on);
  return finish_call(**who, what((*on)->port, (*who)->id));
}

Status Run::subscribe(const std::string& name, const std::string& port) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto who = free_caller(name);
  if (!who) return std::unexpected(who.error());
  given_ = fmt::to_string((*on)->port.subscribe((*who)->id));
  return {};
}

Status Run::exit(const std::string& name) {
  Caller& who = caller(name);
  if (who.gone) return script_error(fmt::format("caller {} has exited already", name));
  who.gone = true;
  who.pending = false;
  who.sends = {};
  for (const auto& [port, on] : ports_) on->port.caller_dies(who.id);
  return {};
}

// ---- ports ----------------------------------------------------------------------------------------------------------

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
  if (ports_.size() == kMaxPorts) return script_error("a script has at most 100 ports");
  wish.kernel = kernel_;
  wish.near = {options.sndbuf, options.recbuf, options.nodelay};
  auto connection = world_.connect(wish);
  if (!connection) return std::unexpected(connection.error());
  PortSetup setup{.name = name, .profile = profile_, .options = options, .owner = caller(owner).id};
  auto hear = [this](Connected& from, const Event& event) { on_event(from, event); };
  ports_.emplace(name, std::make_unique<Connected>(std::move(setup), std::move(*connection), world_.timers(), hear));
  record_.shown_port = name;
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
  auto on = connected(name);
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
  auto on = connected(port);
  if (on) (*on)->port.port_close();
  return on ? Status() : std::unexpected(on.error());
}

Status Run::kill(const std::string& port) {
  auto on = connected(port);
  if (on) (*on)->port.kill();
  return on ? Status() : std::unexpected(on.error());
}

Status Run::hold(const std::string& port, bool held) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  if (held) {
    (*on)->port.hold();
  } else {
    (*on)->port.release();
  }
  return {};
}

// ---- the peer -------------------------------------------------------------------------------------------------------

Status Run::take_from_peer(Connected& on, const std::string& bytes) {
  // The driver may throw a queue away and go on, after a FIN: then the stream has a gap.
  PortState state = on.port.state();
  if (state.dropped > 0 && state.open) on.to_peer.stop_checking();
  Status status = on.to_peer.check(bytes);
  if (!status) status.error().message = fmt::format("peer {}: {}", on.port.name(), status.error().message);
  return status;
}

Status Run::peer_reads(const std::string& port, const std::optional<Number>& bytes) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto wanted = bytes ? count(*bytes, "a read") : Result<std::uint64_t>(kMaxQueued);
  if (!wanted) return std::unexpected(wanted.error());
  std::uint64_t left = *wanted;
  while (left > 0 && !broken_ && !(settings_.stop && settings_.stop())) {
    std::string got = (*on)->peer->read(std::min(left, kMostAtOnce));
    if (got.empty()) {
      auto more = [&] { return !(got = (*on)->peer->read(std::min(left, kMostAtOnce))).empty(); };
      if (Status status = world_.patience(or_stop(more)); !status) return status;
      if (got.empty() && !more()) break;
    }
    left -= got.size();
    if (Status status = take_from_peer(**on, got); !status) return status;
  }
  return {};
}

Status Run::peer_drains(const std::string& port, const std::optional<Number>& bytes_per_second) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto rate = bytes_per_second ? count(*bytes_per_second, "a rate") : Result<std::uint64_t>(kMaxQueued);
  if (!rate) return std::unexpected(rate.error());
  (*on)->drain_rate = *rate;
  (*on)->drain_all = !bytes_per_second;
  (*on)->drain_owed = 0;
  if (!std::exchange((*on)->draining, true)) drain(**on);
  return {};
}

/// The drain's own clock: every 10 ms a hundredth of the rate, or everything every 2 ms.
void Run::drain(Connected& on) {
  on.drain_timer = world_.timers().after(on.drain_all ? kFastDrainTick : kDrainTick, [this, &on] {
    on.drain_owed += on.drain_rate;
    std::uint64_t due = on.drain_owed / 100;
    on.drain_owed %= 100;
    while (due > 0) {
      std::string got = on.peer->read(std::min(due, kMostAtOnce));
      if (got.empty()) break;
      due -= got.size();
      if (Status status = take_from_peer(on, got); !status && !broken_) broken_ = status.error();
    }
    drain(on);
  });
}

Status Run::peer_stalls(const std::string& port) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  (*on)->draining = false;
  world_.timers().cancel(std::exchange((*on)->drain_timer, 0));
  return {};
}

Status Run::peer_sends(const std::string& port, const Number& bytes) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto size = count(bytes, "a send");
  if (!size) return std::unexpected(size.error());
  if (*size > kMostAtOnce) return script_error("one send has at most 16 MiB");
  (*on)->peer_sends(*size);
  return {};
}

Status Run::peer_ends(const std::string& port, PeerEnds how) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  switch (how) {
    case PeerEnds::shuts:
      (*on)->peer->shut();
      break;
    case PeerEnds::closes:
      (*on)->peer->close();
      break;
    case PeerEnds::resets:
      (*on)->peer->reset();
      (*on)->was_reset = true;
      break;
  }
  return {};
}

Status Run::kernel_takes(const std::string& port, const Number& bytes) {
  auto on = connected(port);
  if (!on) return std::unexpected(on.error());
  auto room = count(bytes, "room");
  if (!room) return std::unexpected(room.error());
  (*on)->peer->take(*room);
  return {};
}

// ---- time and values ------------------------------------------------------------------------------------------------

Status Run::wait(Time span) {
  return world_.advance(span, or_stop([] { return false; }));
}

Status Run::wait_until(const Expectation& wanted, Time within) {
  std::optional<Result<std::string>> found;
  auto done = [&] {
    found = judge(wanted);
    return !*found || (*found)->empty();
  };
  if (Status status = settle(); !status) return status;
  if (Status status = world_.advance(within, or_stop(done)); !status) return status;
  done();
  if (!*found) return std::unexpected(found->error());
  if ((*found)->empty()) return {};
  return fail(ErrorCode::failed, **found);
}

Status Run::let(const std::string& name, const Number& number) {
  auto value = number.evaluate(values_);
  if (!value) return std::unexpected(value.error());
  values_[name] = *value;
  given_ = fmt::to_string(*value);
  return {};
}

Status Run::probe(const ProbeNames& wish) {
  auto bytes = count(wish.bytes, "a send");
  auto sndbuf = buffer(wish.sndbuf), recbuf = buffer(wish.peer_recbuf);
  if (!bytes) return std::unexpected(bytes.error());
  if (!sndbuf) return std::unexpected(sndbuf.error());
  if (!recbuf) return std::unexpected(recbuf.error());
  if (*bytes == 0 || *bytes > kMostAtOnce) return script_error("a probe sends 1 byte to 16 MiB at a time");
  ProbeWish probe{.bytes = *bytes, .connection = {.kernel = kernel_, .near = {}, .far = {}}};
  probe.connection.near.sndbuf = *sndbuf;
  probe.connection.near.nodelay = wish.nodelay;
  probe.connection.far.recbuf = *recbuf;
  auto room = world_.probe(probe);
  if (!room) return std::unexpected(room.error());
  values_[wish.sends] = static_cast<std::int64_t>(room->sends);
  if (!wish.reads.empty()) values_[wish.reads] = static_cast<std::int64_t>(room->reads);
  given_ = wish.reads.empty() ? fmt::format("{}={}", wish.sends, room->sends)
                              : fmt::format("{}={} {}={}", wish.sends, room->sends, wish.reads, room->reads);
  return {};
}

}  // namespace tcpadvisor::port::script
