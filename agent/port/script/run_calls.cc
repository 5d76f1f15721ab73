// SPDX-License-Identifier: Apache-2.0
// The part of a run that makes calls: callers, what they wait for, and what they hear.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/port/script/line.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {
namespace {

/// These calls leave nothing in any queue.
bool refused(Outcome outcome) {
  switch (outcome) {
    case Outcome::no:
    case Outcome::badarg:
    case Outcome::nosuspend:
    case Outcome::noconnect:
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

Result<Run::Line*> Run::line(const std::string& name) {
  auto at = lines_.find(name);
  if (at == lines_.end()) return script_error(fmt::format("{} was not made on this transport", name));
  record_.shown = name;
  return at->second.get();
}

// The parser knows which names are ports and which are channels.
Result<Run::PortLine*> Run::port(const std::string& name) {
  auto on = line(name);
  if (!on) return std::unexpected(on.error());
  return static_cast<PortLine*>(*on);
}

Result<Run::ChannelLine*> Run::channel(const std::string& name) {
  auto on = line(name);
  if (!on) return std::unexpected(on.error());
  return static_cast<ChannelLine*>(*on);
}

Result<OtherEnd*> Run::peer(const std::string& name) {
  auto on = line(name);
  if (!on) return std::unexpected(on.error());
  if (!(*on)->peer) return script_error(fmt::format("channel {} has no peer: 'connect {}' makes one", name, name));
  return (*on)->peer.get();
}

void Run::begin_call(Caller& who, Line& on) {
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
  Line& on = *who.on;
  if (calls_ >= kMaxCalls) {
    broken_ = Error{ErrorCode::bad_input, "more than 1,000,000 calls: take a smaller repeat or larger sends", 0};
    who.sends.left = 0;
    return;
  }
  if (on.queued() + who.sends.bytes > kMaxQueued) {
    broken_ = Error{ErrorCode::bad_input, fmt::format("more than 64 MiB would be in the queues of {}", on.name()), 0};
    who.sends.left = 0;
    return;
  }
  std::size_t sender = on.sender(who.id);
  std::string bytes = on.next_bytes(sender, who.sends.bytes);
  begin_call(who, on);
  Outcome outcome = on.send(who.id, who.sends.how, bytes);
  if (outcome == Outcome::pending) {
    who.waited = true;
    return;
  }
  if (!who.pending) return;
  if (refused(outcome)) on.take_back(sender, who.sends.bytes);
  answered(who, outcome);
}

/// As a process in a loop: the next call as soon as the last one has returned.
void Run::sends_on(Caller& who) {
  constexpr int kAskEvery = 64;  // calls of up to 16 MiB
  for (int made = 1; who.sends.left > 0 && !who.pending && !who.gone && !broken_; ++made) {
    one_send(who);
    if (made % kAskEvery == 0 && settings_.stop && settings_.stop()) return;
  }
}

void Run::on_event(Line& from, const Event& event) {
  Caller* who = caller_of(event.caller);
  if (event.kind == EventKind::reason) {
    record_.reasons.add(who != nullptr ? fmt::format("{} at {}: {}", who->name, from.name(), event.data)
                                       : fmt::format("{}: {}", from.name(), event.data));
    return;
  }
  ++events_;
  if (event.kind == EventKind::port_gone || event.kind == EventKind::nodedown) {
    note(fmt::format("{} {}", from.name(), event.kind == EventKind::nodedown ? "nodedown" : "is closed"));
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
      if (was_send && refused(event.outcome)) from.take_back(from.sender(who->id), who->sends.bytes);
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
  auto on = line(wish.to);
  if (!on) return std::unexpected(on.error());
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
    if ((*on)->sender((*one)->id) >= Payload::kMaxSenders)
      return script_error(fmt::format("at most 16 callers send to one port or channel: {} would be one more", name));
    who.push_back(*one);
  }
  for (Caller* one : who) {
    called_.push_back(one);
    one->calls = 0;
    one->returned.clear();
    one->on = *on;
    one->sends = {*repeat, *bytes, wish.how};
    if (wish.until || wish.until_waits) return send_until(*one, wish);
    sends_on(*one);
  }
  return {};
}

Status Run::send_until(Caller& who, const SendWish& wish) {
  auto stands = [&]() -> Result<bool> {
    return wish.until ? compare(*wish.until, who.on->fact(wish.until->key)) : Result<bool>(false);
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
  auto on = this->port(port);
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
  std::optional<std::chrono::milliseconds> ms;
  if (timeout) ms = std::chrono::ceil<std::chrono::milliseconds>(*timeout);
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
  auto on = this->port(port);
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
  auto on = this->port(port);
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
  for (const auto& [line, on] : lines_) on->caller_dies(who.id);
  return {};
}

}  // namespace tcpadvisor::port::script
