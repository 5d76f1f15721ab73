// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/stage.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/evidence/queue_line.h"
#include "agent/sources/net_counters.h"
#include "agent/sources/sock_diag.h"

namespace tcpadvisor::port::scenario {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMaxToldEvents = 60;
constexpr Time kFirstLook = milliseconds(200), kLastLook = milliseconds(300);

/// What the symptoms of this room show in, of all that the kernel counts.
constexpr std::array<std::string_view, 14> kCounters{"Tcp.OutSegs",
                                                     "Tcp.OutRsts",
                                                     "Tcp.EstabResets",
                                                     "Tcp.RetransSegs",
                                                     "TcpExt.TCPToZeroWindowAdv",
                                                     "TcpExt.TCPFromZeroWindowAdv",
                                                     "TcpExt.TCPWantZeroWindowAdv",
                                                     "TcpExt.TCPWinProbe",
                                                     "TcpExt.TCPAbortOnData",
                                                     "TcpExt.TCPAbortOnClose",
                                                     "TcpExt.TCPAbortOnTimeout",
                                                     "TcpExt.TCPLossProbes",
                                                     "TcpExt.DelayedACKs",
                                                     "TcpExt.TCPAutoCorking"};

Counters counters_now() {
  return sources::read_net_files(os::ProcRoot()).counters;
}

Told counters_told(const Counters& before, const Counters& after, double span_s) {
  Told told{Told::Kind::result, {}, {{"kind", "result"}, {"seconds", span_s}, {"counters", nlohmann::json::object()}}};
  std::string line;
  for (std::string_view name : kCounters) {
    auto then = before.find(std::string(name)), now = after.find(std::string(name));
    if (then == before.end() || now == after.end() || now->second <= then->second) continue;
    std::uint64_t delta = now->second - then->second;
    told.json["counters"][std::string(name)] = delta;
    line += fmt::format("{}{} +{}", line.empty() ? "" : ", ", name.substr(name.find('.') + 1), with_commas(delta));
  }
  told.lines.push_back("counted by this namespace meanwhile: " + (line.empty() ? "nothing" : line));
  return told;
}

std::string seconds_text(Time span) {
  return fmt::format("{:.3f} s", std::chrono::duration<double>(span).count());
}

/// The far socket of the connection, in the peer's process.
Endpoint endpoint_of(const std::string& address) {
  return parse_endpoint(address).value_or(Endpoint{});
}

std::optional<SocketRow> find(const Endpoint& local, const Endpoint& remote) {
  if (local.port == 0) return std::nullopt;
  auto row = sources::find_socket(local, remote);
  return row ? std::optional(std::move(*row)) : std::nullopt;
}

}  // namespace

struct Stage::Connection final : EventSink {
  struct Waiting {
    std::string what;
    Time since{};
  };

  Connection(Stage& owner, std::size_t number) : stage(owner), index(number) {}
  void on_event(const Event& event) override { stage.heard(index, event); }
  bool open() const { return port ? port->state().open : channel->state().connected; }
  UserQueueClaim claim() const { return port ? claim_of(*port, named) : claim_of(*channel, named); }

  Stage& stage;
  std::size_t index;
  std::string name;
  std::string local, remote;
  ConnectionName named;
  std::unique_ptr<Port> port;
  std::unique_ptr<Channel> channel;
  std::optional<Publisher::Id> published;
  std::map<CallerId, Waiting> waiting;
  PeerSocket last_known;
};

Result<std::unique_ptr<Stage>> Stage::build(const Setup& setup, milliseconds hold, Tell tell) {
  std::vector<os::UniqueFd> ours, theirs;
  for (std::size_t i = 0; i < setup.connections; ++i) {
    auto pair = setup.unix_sockets ? unix_pair(setup.near, setup.far)
                : setup.accepted   ? tcp_pair(setup.far, setup.near)
                                   : tcp_pair(setup.near, setup.far);
    if (!pair) return std::unexpected(pair.error());
    if (setup.accepted) std::swap(pair->near, pair->far);
    ours.push_back(std::move(pair->near));
    theirs.push_back(std::move(pair->far));
  }
  auto peer = Peer::start(std::move(theirs));
  if (!peer) return std::unexpected(peer.error());
  auto reactor = Reactor::create();
  if (!reactor) return std::unexpected(reactor.error());
  std::unique_ptr<Stage> stage(new Stage(setup, std::move(*reactor), std::move(*peer), hold, std::move(tell)));
  for (std::size_t i = 0; i < ours.size(); ++i) stage->add(i, std::move(ours[i]));
  return stage;
}

Stage::Stage(const Setup& setup, std::unique_ptr<Reactor> reactor, std::unique_ptr<Peer> peer, milliseconds hold,
             Tell tell)
    : setup_(setup),
      reactor_(std::move(reactor)),
      peer_(std::move(peer)),
      hold_(hold),
      tell_(std::move(tell)),
      publisher_(std::make_unique<Publisher>(*reactor_)) {}

Stage::~Stage() {
  for (const auto& connection : connections_) {
    if (connection->published) publisher_->remove(*connection->published);
  }
}

void Stage::add(std::size_t index, os::UniqueFd socket) {
  auto connection = std::make_unique<Connection>(*this, index);
  connection->name = index < setup_.names.size() ? setup_.names[index] : fmt::format("P{}", index + 1);
  if (!setup_.unix_sockets) {
    connection->local = local_address(socket.get());
    connection->remote = remote_address(socket.get());
    connection->named = connection_of(connection->local, connection->remote);
  }
  auto transport = std::make_unique<SocketTransport>(*reactor_, std::move(socket));
  if (setup_.channels) {
    connection->channel = std::make_unique<Channel>(ChannelSetup{.name = connection->name}, *reactor_, *connection);
    connection->channel->up(std::move(transport));
  } else {
    PortSetup port{.name = connection->name, .profile = setup_.profile, .options = setup_.options};
    connection->port = std::make_unique<Port>(std::move(port), std::move(transport), *reactor_, *connection);
  }
  if (!setup_.unix_sockets) {
    connection->published = publisher_->add([known = connection.get()] { return known->claim(); });
  }
  connections_.push_back(std::move(connection));
}

// ---- the run ----

Status Stage::run(const Scenario& scenario, os::StopSignals& signals) {
  nlohmann::json sockets = nlohmann::json::array();
  Told heading{.kind = Told::Kind::heading, .lines = {}, .json = {}};
  heading.lines.push_back(
      fmt::format("driver: process {}; peer: process {} ({})", getpid(), peer_->pid(), Peer::kComm));
  for (const auto& connection : connections_) {
    if (connection->local.empty()) continue;
    sockets.push_back({{"name", connection->name}, {"local", connection->local}, {"remote", connection->remote}});
    if (connections_.size() <= 4) {
      heading.lines.push_back(fmt::format("{}: {} -> {}", connection->name, connection->local, connection->remote));
    }
  }
  heading.json = {{"kind", "connections"}, {"pid", getpid()}, {"peer_pid", peer_->pid()}, {"sockets", sockets}};
  tell_(heading);

  Reactor::Watch stop(*reactor_, signals.fd(), Reactor::Wants::read, [] {});
  stop.set(true);
  stop_fd_ = signals.fd();
  Counters before = counters_now();
  began_ = reactor_->now();
  publisher_->speak_now();
  peer_->on_end(*reactor_, [this](const std::string& how) {
    peer_end_ = fmt::format("the peer's process {} has ended at {}, {}", peer_->pid(),
                            seconds_text(reactor_->now() - began_), how);
    say(*peer_end_ + ": what follows is not this scenario any more", {{"what", "peer_ended"}, {"how", how}});
  });
  scenario.play(*this);
  at(kFirstLook, [this] { every(seconds(1), [this] { look(); }); });
  Time end = began_ + hold_;
  while (signals.received() == 0 && reactor_->now() < end) reactor_->turn(end - reactor_->now());

  stop.set(false);  // a signal stays readable
  if (looked_ && reactor_->now() - shown_ >= kLastLook) look();
  reactor_->run_until([this] { return looked_; }, kLastLook);
  if (untold_ > 0) {
    tell_({Told::Kind::event,
           {fmt::format("and {} more events", with_commas(untold_))},
           {{"kind", "event"}, {"what", "untold"}, {"count", untold_}}});
  }
  tell_(counters_told(before, counters_now(), seconds_since_start()));
  if (peer_end_) return fail(ErrorCode::failed, fmt::format("{}: {}", scenario.name, *peer_end_));
  return {};
}

double Stage::seconds_since_start() const {
  return std::chrono::duration<double>(reactor_->now() - began_).count();
}

void Stage::look() {
  if (!looked_) {  // the peer is stopped or gone; what it said last is the best there is
    show({});
    return;
  }
  looked_ = false;
  peer_->ask(*reactor_, [this](const std::vector<PeerSocket>& peer) {
    looked_ = true;
    show(peer);
  });
}

void Stage::show(const std::vector<PeerSocket>& peer) {
  shown_ = reactor_->now();
  Truth truth{.seconds = seconds_since_start(), .connections = {}};
  for (const auto& connection : connections_) {
    if (connection->index < peer.size()) connection->last_known = peer[connection->index];
    truth.connections.push_back(truth_of(*connection));
    say_the_last_word(*connection);
  }
  tell_({Told::Kind::truth, truth_lines(truth), truth_json(truth)});
}

ConnectionTruth Stage::truth_of(const Connection& connection) const {
  ConnectionTruth truth;
  truth.name = connection.name;
  truth.local = connection.local;
  truth.remote = connection.remote;
  truth.peer = connection.last_known;
  Endpoint local = endpoint_of(connection.local), remote = endpoint_of(connection.remote);
  truth.near = find(local, remote);
  truth.far = find(remote, local);
  if (connection.port) {
    PortState state = connection.port->state();
    const Options& options = connection.port->options();
    truth.message_queue = state.message_queue;
    truth.driver_queue = state.queued;
    truth.taken = state.accepted + state.message_queue;
    truth.high = static_cast<std::uint64_t>(options.high);
    truth.low = static_cast<std::uint64_t>(options.low);
    truth.message_high = static_cast<std::uint64_t>(options.mq_high);
    truth.message_low = static_cast<std::uint64_t>(options.mq_low);
    truth.busy = state.busy;
    truth.message_busy = state.message_busy;
    truth.pending_shutdown = state.pending_shutdown;
    truth.limbo = state.limbo;
    truth.open = state.open;
    truth.waiting = state.waiting;
    truth.suspended = state.suspended;
    truth.scheduled = state.scheduled;
    truth.waited_ms = static_cast<std::uint64_t>(state.waited / milliseconds(1));
    truth.dropped = state.dropped;
    truth.refused = state.refused;
    truth.bypassed = state.bypassed;
    truth.write_calls = connection.port->write_calls();
  } else {
    ChannelState state = connection.channel->state();
    truth.channel_queue = state.queued;
    truth.driver_queue = state.driver_queued;
    // Its queue counts what a message costs, the kernel what goes over the wire; so the sum is made of both.
    truth.taken = state.queued + state.driver_queued + state.dropped + state.written;
    truth.high = connection.channel->setup().busy_limit;
    truth.busy = state.busy;
    truth.open = state.connected;
    truth.suspended = state.suspended;
    truth.waited_ms = static_cast<std::uint64_t>(state.waited / milliseconds(1));
    truth.dropped = state.dropped;
    truth.refused = state.refused;
    truth.bypassed = state.bypassed;
  }
  return truth;
}

// ---- calls ----

Port& Stage::port(std::size_t connection) {
  return *connections_[connection]->port;
}

Channel& Stage::channel(std::size_t connection) {
  return *connections_[connection]->channel;
}

Outcome Stage::send(CallerId caller, std::uint64_t bytes, const SendOptions& options, std::size_t connection) {
  Outcome outcome = port(connection).send(caller, options, std::string(bytes, 'x'));
  called(caller, connection, fmt::format("{} of {} bytes", to_text(options.kind), with_commas(bytes)), outcome);
  return outcome;
}

Outcome Stage::send_quietly(CallerId caller, std::string_view data, const SendOptions& options,
                            std::size_t connection) {
  return port(connection).send(caller, options, data);
}

void Stage::shutdown(CallerId caller, std::size_t connection) {
  called(caller, connection, "shutdown(write)", port(connection).shutdown(caller, SHUT_WR));
}

void Stage::close(CallerId caller, std::size_t connection) {
  called(caller, connection, "close", port(connection).close(caller));
}

void Stage::subscribe(CallerId caller, std::size_t connection) {
  std::uint64_t queued = port(connection).subscribe(caller);
  tell_event(fmt::format("caller {} asks to be told when the driver queue is empty: {} bytes now", caller,
                         with_commas(queued)),
             {{"what", "subscribe"}, {"caller", caller}, {"queued", queued}});
}

void Stage::receive(CallerId caller, std::size_t connection) {
  called(caller, connection, "recv", Outcome::pending);
  port(connection).receive(caller, 0, std::nullopt);
}

void Stage::called(CallerId caller, std::size_t connection, const std::string& what, Outcome outcome) {
  Connection& at = *connections_[connection];
  if (outcome == Outcome::pending) at.waiting[caller] = {what, reactor_->now()};
  std::string result(outcome == Outcome::pending ? "does not return" : to_text(outcome));
  // A receive that waits is no news.
  if (what == "recv") result = "waits for the peer";
  tell_event(fmt::format("caller {}: {}: {}", caller, what, result),
             {{"what", what}, {"connection", at.name}, {"caller", caller}, {"outcome", to_text(outcome)}});
}

void Stage::say_the_last_word(Connection& connection) {
  if (!connection.open() && connection.published) {
    publisher_->remove(*std::exchange(connection.published, std::nullopt));
  }
}

void Stage::heard(std::size_t connection, const Event& event) {
  Connection& at = *connections_[connection];
  if (!quiet_) {
    std::string text;
    nlohmann::json details{{"what", to_text(event.kind)}, {"connection", at.name}, {"caller", event.caller}};
    if (event.kind == EventKind::answer) {
      auto call = at.waiting.extract(event.caller);
      std::string what = call.empty() ? "call" : call.mapped().what;
      Time since = call.empty() ? reactor_->now() : call.mapped().since;
      text = fmt::format("caller {}: {}: {} after {}", event.caller, what, to_text(event.outcome),
                         seconds_text(reactor_->now() - since));
      details["outcome"] = to_text(event.outcome);
    } else if (event.kind == EventKind::port_gone) {
      text = "the port is gone, its descriptor is closed";
    } else {
      text = fmt::format("caller {}: {}", event.caller, to_text(event.kind));
    }
    tell_event(text, std::move(details));
  }
  say_the_last_word(at);
  if (hear_) hear_(connection, event);
}

void Stage::say(const std::string& text, nlohmann::json details) {
  details["kind"] = "event";
  details["seconds"] = seconds_since_start();
  details["text"] = text;
  tell_({Told::Kind::event, {fmt::format("{:7.3f} s  {}", seconds_since_start(), text)}, std::move(details)});
}

void Stage::tell_event(const std::string& text, nlohmann::json details) {
  if (++told_ > kMaxToldEvents) {
    ++untold_;
    return;
  }
  details["kind"] = "event";
  details["seconds"] = seconds_since_start();
  tell_({Told::Kind::event, {fmt::format("{:7.3f} s  {}", seconds_since_start(), text)}, std::move(details)});
}

void Stage::peer(const PeerOrder& order) {
  peer_->tell(order);
}

ConnectionTruth Stage::truth(std::size_t connection) const {
  return truth_of(*connections_[connection]);
}

void Stage::at(Time since_start, std::function<void()> what) {
  reactor_->after(began_ + since_start - reactor_->now(), std::move(what));
}

void Stage::every(Time period, std::function<void()> what) {
  what();
  reactor_->after(period, [this, period, what = std::move(what)] { every(period, what); });
}

}  // namespace tcpadvisor::port::scenario
