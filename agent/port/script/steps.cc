// SPDX-License-Identifier: Apache-2.0
// The steps of the language: one row each, with how its words become what a run does. docs/port-scripts.md lists them.
#include <sys/socket.h>

#include <array>

#include "agent/port/script/run.h"
#include "agent/port/script/script.h"

namespace tcpadvisor::port::script {
namespace {

/// The options of ports that follow; others go to `other`, which answers false for what it does not know either.
template <typename Other>
OptionWishes options(Cursor& c, const std::vector<std::string_view>& more, Other other) {
  OptionWishes wishes;
  while (auto setting = c.setting()) {
    if (c.option(*setting, wishes) || other(*setting)) continue;
    std::vector<std::string_view> known = more;
    known.insert(known.end(), option_names().begin(), option_names().end());
    c.unknown(*setting, known);
  }
  return wishes;
}

OptionWishes options(Cursor& c) {
  return options(c, {}, [](const Setting&) { return false; });
}

/// KEY=NUMBER of a few keys.
struct NumberKey {
  std::string_view key;
  std::optional<Number>& into;
};
bool number_setting(Cursor& c, const Setting& setting, std::initializer_list<NumberKey> keys) {
  for (const NumberKey& known : keys) {
    if (setting.key != known.key) continue;
    known.into = c.number_at(setting.value, setting.value_column);
    return true;
  }
  return false;
}

Action parse_transport(Cursor& c, Header& header) {
  int place = c.column();
  std::string_view word = c.choice({"fake", "unix", "tcp"});
  TransportKind kind = word == "fake" ? TransportKind::fake : word == "unix" ? TransportKind::unix : TransportKind::tcp;
  if (!header.conditional && header.transport.value_or(kind) != kind) {
    c.fail(place, "a script has one transport only; 'also' names others on which it holds, too");
  }
  if (!header.conditional) header.transport = kind;
  std::optional<Number> capacity, writable_at;
  while (auto setting = c.setting()) {
    if (kind != TransportKind::fake) c.fail(setting->column, "only 'transport fake' has settings");
    if (!number_setting(c, *setting, {{"capacity", capacity}, {"writable_at", writable_at}}))
      c.unknown(*setting, {"capacity", "writable_at"});
  }
  return [=](Run& run) { return run.set_kernel(capacity, writable_at); };
}

Action parse_also(Cursor& c, Header& header) {
  header.also.merge(c.transports());
  return [](Run&) { return Status(); };
}

Action parse_profile(Cursor& c, Header&) {
  Profile profile = c.choice({"otp25", "classic"}) == "otp25" ? Profile::otp25 : Profile::classic;
  return [=](Run& run) { return run.set_profile(profile); };
}

Action parse_port(Cursor& c, Header&) {
  PortWish wish{.name = c.new_name(NameKind::port)};
  wish.options = options(c, {"owner", "peer_sndbuf", "peer_recbuf"}, [&](const Setting& setting) {
    if (setting.key == "owner") {
      wish.owner = c.name_at(setting.value, setting.value_column, NameKind::caller);
      return true;
    }
    return number_setting(c, setting, {{"peer_sndbuf", wish.peer_sndbuf}, {"peer_recbuf", wish.peer_recbuf}});
  });
  return [=](Run& run) { return run.make_port(wish); };
}

Action parse_listener(Cursor& c, Header&) {
  std::string name = c.new_name(NameKind::listener);
  OptionWishes wishes = options(c);
  return [=](Run& run) { return run.make_listener(name, wishes); };
}

Action parse_accept(Cursor& c, Header&) {
  std::string name = c.new_name(NameKind::port), owner = "owner";
  c.want("from");
  std::string listener = c.name(NameKind::listener);
  while (auto setting = c.setting()) {
    if (setting->key != "owner") c.unknown(*setting, {"owner"});
    owner = c.name_at(setting->value, setting->value_column, NameKind::caller);
  }
  return [=](Run& run) { return run.accept(name, listener, owner); };
}

SendKind send_kind(Cursor& c, const Setting& setting) {
  for (SendKind kind : {SendKind::send, SendKind::command, SendKind::bang, SendKind::send_nosuspend}) {
    if (setting.value == to_text(kind)) return kind;
  }
  c.unknown({.key = setting.value, .column = setting.value_column}, {"send", "command", "bang", "send_nosuspend"});
  return SendKind::send;
}

Signal signal_kind(Cursor& c, const Setting& setting) {
  for (Signal kind : {Signal::message, Signal::send_nosuspend, Signal::control, Signal::death}) {
    if (setting.value == to_text(kind)) return kind;
  }
  c.unknown({.key = setting.value, .column = setting.value_column}, {"message", "send_nosuspend", "control", "death"});
  return Signal::message;
}

Action parse_channel(Cursor& c, Header&) {
  ChannelWish wish{.name = c.new_name(NameKind::channel)};
  while (auto setting = c.setting()) {
    if (setting->key == "connected") {
      wish.connected = c.yes_no(*setting, "yes", "no");
    } else if (!number_setting(c, *setting,
                               {{"busy_limit", wish.busy_limit},
                                {"high", wish.high},
                                {"low", wish.low},
                                {"peer_recbuf", wish.peer_recbuf}})) {
      c.unknown(*setting, {"busy_limit", "high", "low", "peer_recbuf", "connected"});
    }
  }
  return [=](Run& run) { return run.make_channel(wish); };
}

template <Status (Run::*method)(const std::string&)>
Action parse_of_channel(Cursor& c, Header&) {
  std::string channel = c.name(NameKind::channel);
  return [=](Run& run) { return (run.*method)(channel); };
}

Action parse_send(Cursor& c, Header&) {
  SendWish wish{.bytes = c.number("how many bytes")};
  c.want("from");
  wish.callers = c.callers();
  c.want("to");
  wish.to = c.name_of({NameKind::port, NameKind::channel});
  bool channel = c.is(wish.to, NameKind::channel);
  SendOptions& options = wish.how.options;
  int force_column = 0;
  while (!c.end() && c.peek() != "->") {
    int place = c.column();
    if (c.take("nosuspend")) {
      options.nosuspend = true;
    } else if (c.take("force")) {
      options.force = true;
      force_column = place;
    } else if (c.take("noconnect")) {
      options.noconnect = true;
    } else if (c.take("badoption")) {
      options.bad_option = true;
    } else if (c.take("until")) {
      if (wish.repeat) c.fail(place, "'repeat' and 'until' exclude each other");
      if (wish.callers.size() > 1) c.fail(place, "'until' is for one caller");
      if (c.take("wait")) {
        wish.until_waits = true;
      } else if (auto condition = c.setting()) {
        wish.until = c.comparison_of(wish.to, *condition);
      } else {
        c.fail(c.column(), "after 'until' comes 'wait' or a condition such as q>0");
      }
    } else if (auto setting = c.setting()) {
      if (setting->key == "kind") {
        if (channel) {
          wish.how.signal = signal_kind(c, *setting);
        } else {
          options.kind = send_kind(c, *setting);
        }
      } else if (!number_setting(c, *setting, {{"repeat", wish.repeat}})) {
        c.unknown(*setting, {"kind", "repeat"});
      }
      if (wish.repeat && (wish.until || wish.until_waits)) c.fail(place, "'repeat' and 'until' exclude each other");
    } else {
      c.want_end();
    }
  }
  if (force_column > 0 && (channel || options.kind != SendKind::command))
    c.fail(force_column, "'force' is for kind=command only");
  return [=](Run& run) { return run.send(wish); };
}

Action parse_receive(Cursor& c, Header&) {
  std::optional<Number> bytes;
  if (!c.take("any")) bytes = c.number("how many bytes, or 'any'");
  c.want("from");
  std::string port = c.port();
  c.want("by");
  std::string caller = c.caller();
  std::optional<Time> timeout;
  while (auto setting = c.setting()) {
    if (setting->key != "timeout") c.unknown(*setting, {"timeout"});
    timeout = c.time_at(setting->value, setting->value_column);
  }
  return [=](Run& run) { return run.receive(bytes, port, caller, timeout); };
}

Action parse_set(Cursor& c, Header&) {
  std::string name = c.name_of({NameKind::port, NameKind::listener});
  int place = c.column();
  OptionWishes wishes = options(c);
  if (wishes.empty() && c.end()) c.fail(place, "OPTION=VALUE is missing, for example high=10");
  for (const auto& wish : wishes) {
    if (wish.name == "packet" && !c.is(name, NameKind::listener))
      c.fail(place, "'packet' is given when the port is made: its peer checks the stream by it");
  }
  return [=](Run& run) { return run.set_options(name, wishes); };
}

Action parse_get(Cursor& c, Header&) {
  std::string name = c.name_of({NameKind::port, NameKind::listener, NameKind::channel});
  std::vector<std::string> keys;
  do keys.push_back(c.key_of(name));
  while (!c.end() && c.peek() != "->");
  if (keys.size() > 1 && c.peek() == "->") c.fail(c.column(), "'->' is for one key; 'expect' compares several");
  return [=](Run& run) { return run.get(name, keys); };
}

Action parse_subscribe(Cursor& c, Header&) {
  std::string caller = c.caller();
  c.want("to");
  std::string port = c.port();
  return [=](Run& run) { return run.subscribe(caller, port); };
}

Action parse_shutdown(Cursor& c, Header&) {
  std::string port = c.port();
  std::string_view how = c.choice({"read", "write", "both"});
  c.want("by");
  std::string caller = c.caller();
  int what = how == "read" ? SHUT_RD : how == "write" ? SHUT_WR : SHUT_RDWR;
  return [=](Run& run) { return run.shutdown(port, what, caller); };
}

Action parse_close(Cursor& c, Header&) {
  std::string port = c.port();
  c.want("by");
  std::string caller = c.caller();
  return [=](Run& run) { return run.close(port, caller); };
}

template <Status (Run::*method)(const std::string&)>
Action parse_of_port(Cursor& c, Header&) {
  std::string port = c.port();
  return [=](Run& run) { return (run.*method)(port); };
}

Action parse_exit(Cursor& c, Header&) {
  std::string caller = c.caller();
  return [=](Run& run) { return run.exit(caller); };
}

template <bool on>
Action parse_hold(Cursor& c, Header&) {
  std::string port = c.port();
  return [=](Run& run) { return run.hold(port, on); };
}

Action parse_peer(Cursor& c, Header&) {
  std::string port = c.name_of({NameKind::port, NameKind::channel});
  std::string_view what = c.choice({"reads", "drains", "stalls", "sends", "shuts", "closes", "resets"});
  if (what == "reads") {
    std::optional<Number> bytes;
    if (!c.take("all")) bytes = c.number("how many bytes, or 'all'");
    return [=](Run& run) { return run.peer_reads(port, bytes); };
  }
  if (what == "drains") {
    std::optional<Number> rate;
    if (!c.end()) {
      rate = c.number("how many bytes per second");
      c.want("per");
      c.want("second");
    }
    return [=](Run& run) { return run.peer_drains(port, rate); };
  }
  if (what == "stalls") return [=](Run& run) { return run.peer_stalls(port); };
  if (what == "sends") {
    Number bytes = c.number("how many bytes");
    return [=](Run& run) { return run.peer_sends(port, bytes); };
  }
  Run::PeerEnds how = what == "shuts"    ? Run::PeerEnds::shuts
                      : what == "closes" ? Run::PeerEnds::closes
                                         : Run::PeerEnds::resets;
  return [=](Run& run) { return run.peer_ends(port, how); };
}

Action parse_kernel(Cursor& c, Header&) {
  std::string port = c.name_of({NameKind::port, NameKind::channel});
  c.want("takes");
  Number bytes = c.number("how many bytes");
  return [=](Run& run) { return run.kernel_takes(port, bytes); };
}

Action parse_wait(Cursor& c, Header&) {
  if (!c.take("until")) {
    Time span = c.time();
    return [=](Run& run) { return run.wait(span); };
  }
  Expectation wanted = c.expectation();
  Time within = c.take("within") ? c.time() : Time(std::chrono::seconds(10));
  return [=](Run& run) { return run.wait_until(wanted, within); };
}

Action parse_let(Cursor& c, Header&) {
  std::string name = c.new_name(NameKind::value);
  c.want("=");
  // "q of P", or a number; a key may be called as a value, so what follows decides.
  Cursor ahead = c;
  std::string first = ahead.next("a number, or KEY of P");
  if (!ahead.failed() && ahead.peek() == "of") {
    ahead.want("of");
    std::string of = ahead.name_of({NameKind::port, NameKind::listener, NameKind::channel});
    std::string key = c.key_of(of);
    c.want("of");
    c.name_of({NameKind::port, NameKind::listener, NameKind::channel});
    return [=](Run& run) { return run.let(name, key, of); };
  }
  Number number = c.number("a number, or KEY of P");
  return [=](Run& run) { return run.let(name, number); };
}

Action parse_probe(Cursor& c, Header&) {
  ProbeNames wish{.sends = c.new_name(NameKind::value)};
  if (c.peek() != "with") wish.reads = c.new_name(NameKind::value);
  c.want("with");
  wish.bytes = c.number("how many bytes one send has");
  while (auto setting = c.setting()) {
    if (setting->key == "nodelay") {
      wish.nodelay = c.yes_no(*setting, "true", "false");
    } else if (!number_setting(c, *setting, {{"sndbuf", wish.sndbuf}, {"peer_recbuf", wish.peer_recbuf}})) {
      c.unknown(*setting, {"sndbuf", "peer_recbuf", "nodelay"});
    }
  }
  return [=](Run& run) { return run.probe(wish); };
}

Action parse_expect(Cursor& c, Header&) {
  Expectation wanted = c.expectation();
  return [=](Run& run) { return run.expect(wanted); };
}

using enum StepShape::Scope;
using enum Gives;
constexpr std::array kSteps{
    StepShape{"transport", "transport fake [capacity=N] [writable_at=N] | unix | tcp", nothing, looks, parse_transport},
    StepShape{"also", "also unix tcp", nothing, looks, parse_also},
    StepShape{"profile", "profile otp25 | classic", nothing, looks, parse_profile},
    StepShape{"port", "port P [owner=A] [OPTION=VALUE…]", nothing, acts, parse_port},
    StepShape{"listener", "listener L [OPTION=VALUE…]", nothing, looks, parse_listener},
    StepShape{"accept", "accept P from L [owner=A]", nothing, acts, parse_accept},
    StepShape{"channel", "channel D [busy_limit=N] [high=N] [low=N] [peer_recbuf=N] [connected=no]", nothing, acts,
              parse_channel},
    StepShape{"connect", "connect D", nothing, acts, parse_of_channel<&Run::connect_channel>},
    StepShape{"disconnect", "disconnect D", nothing, acts, parse_of_channel<&Run::disconnect_channel>},
    StepShape{"send", "send N from A to P [kind=…] [nosuspend] [repeat=N] [until wait]", call, acts, parse_send},
    StepShape{"receive", "receive N|any from P by A [timeout=TIME]", call, acts, parse_receive},
    StepShape{"set", "set P OPTION=VALUE…", outcome, acts, parse_set},
    StepShape{"get", "get P KEY…", value, looks, parse_get},
    StepShape{"subscribe", "subscribe A to P", value, acts, parse_subscribe},
    StepShape{"shutdown", "shutdown P read|write|both by A", call, acts, parse_shutdown},
    StepShape{"close", "close P by A", call, acts, parse_close},
    StepShape{"port_close", "port_close P", nothing, acts, parse_of_port<&Run::port_close>},
    StepShape{"kill", "kill P", nothing, acts, parse_of_port<&Run::kill>},
    StepShape{"exit", "exit A", nothing, acts, parse_exit},
    StepShape{"hold", "hold P", nothing, acts, parse_hold<true>},
    StepShape{"release", "release P", nothing, acts, parse_hold<false>},
    StepShape{"peer", "peer P reads N|all, drains [N per second], stalls, sends N, shuts, closes, resets", nothing,
              acts, parse_peer},
    StepShape{"kernel", "kernel P takes N", nothing, fake_only, parse_kernel},
    StepShape{"wait", "wait TIME | wait until WHAT [within TIME]", nothing, acts, parse_wait},
    StepShape{"let", "let N = NUMBER | let N = KEY of P", nothing, looks, parse_let},
    StepShape{"probe", "probe K [R] with N [sndbuf=N] [peer_recbuf=N] [nodelay=true]", nothing, looks, parse_probe},
    StepShape{"expect", "expect A RESULT [KEY=VALUE…] | P KEY=VALUE… | peer P KEY=VALUE… | order A B…", nothing, looks,
              parse_expect},
};

}  // namespace

std::span<const StepShape> step_shapes() {
  return kSteps;
}

}  // namespace tcpadvisor::port::script
