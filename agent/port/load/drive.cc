// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/drive.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/os/proc_root.h"
#include "agent/port/port.h"
#include "agent/port/reactor.h"
#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kBatch = 256;      ///< messages of one producer before the others and the sockets get a turn
constexpr Time kPace = milliseconds(1);  ///< a limited rate is served in steps of this
constexpr Time kDrain = seconds(2);      ///< for what is queued at the end
constexpr Time kReaderTurn = milliseconds(50);
constexpr std::size_t kCountableMemory = 100;  ///< ports; fewer drown in the pages of everything else
constexpr int kBacklog = 4'096;

/// Resident memory of this process, bytes.
std::uint64_t resident() {
  auto text = os::ProcRoot().read("/proc/self/statm");
  std::uint64_t all = 0, pages = 0;
  if (!text || std::sscanf(text->c_str(), "%lu %lu", &all, &pages) != 2) return 0;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

/// A server on a thread of its own, until it is destroyed.
class Reader {
 public:
  static Result<std::unique_ptr<Reader>> start(const ServerOptions& options, const SocketWishes& wishes,
                                               std::vector<os::UniqueFd> sockets, bool listens) {
    auto reactor = Reactor::create();
    if (!reactor) return std::unexpected(reactor.error());
    std::unique_ptr<Reader> reader(new Reader(std::move(*reactor), options));
    if (listens) {
      auto listener = TcpListener::open(wishes, kBacklog);
      if (!listener) return std::unexpected(listener.error());
      reader->port_ = listener->port;
      reader->server_.listen(std::move(listener->socket));
    }
    for (os::UniqueFd& socket : sockets) reader->server_.add(std::move(socket));
    reader->thread_ = std::thread([self = reader.get()] {
      while (!self->stop_.load(std::memory_order_relaxed)) self->reactor_->turn(kReaderTurn);
    });
    return reader;
  }
  ~Reader() { stop(); }

  std::uint16_t port() const { return port_; }
  /// Stops it; afterwards the totals stand still.
  const ServerTotals& stop() {
    stop_.store(true, std::memory_order_relaxed);
    if (thread_.joinable()) thread_.join();
    return server_.totals();
  }

 private:
  Reader(std::unique_ptr<Reactor> reactor, const ServerOptions& options)
      : reactor_(std::move(reactor)), server_(*reactor_, options) {}

  std::unique_ptr<Reactor> reactor_;
  Server server_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class Drive {
 public:
  Drive(const LoadOptions& options, std::unique_ptr<Reactor> reactor)
      : options_(options), reactor_(std::move(reactor)), message_(std::max<std::uint64_t>(options.size, 8), 'x') {}

  Status open_ports();
  LoadResult run(os::StopSignals& signals, const std::function<void(double, std::uint64_t)>& progress);

 private:
  struct Producer {
    bool waits = false;
    std::uint64_t called = 0;  ///< stamp
  };
  struct Driven final : EventSink {
    explicit Driven(Drive& owner) : drive(owner) {}
    void on_event(const Event& event) override { drive.heard(*this, event); }
    Drive& drive;
    std::unique_ptr<Port> port;
    std::vector<Producer> producers;
  };

  Result<std::vector<os::UniqueFd>> connect_all();
  void heard(Driven& driven, const Event& event);
  /// At most `most` messages of one producer; how many calls it made.
  std::uint64_t produce(Driven& driven, std::size_t producer, std::uint64_t most);
  void returned(std::uint64_t called, std::uint64_t now, Outcome outcome);
  void full_turn();
  void paced_turn(double since_start);
  void drain();

  LoadOptions options_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Reader> reader_;
  std::string message_;
  std::vector<std::unique_ptr<Driven>> ports_;
  std::size_t next_ = 0;  ///< who is first in the next paced turn
  std::uint64_t calls_ = 0;
  LoadResult result_;
};

Result<std::vector<os::UniqueFd>> Drive::connect_all() {
  SocketWishes wishes{options_.port.sndbuf, options_.port.recbuf, options_.port.nodelay};
  ServerOptions serves = options_.reader;
  serves.message = message_.size();
  std::vector<os::UniqueFd> near, far;
  if (options_.unix_sockets) {
    for (std::uint32_t i = 0; i < options_.ports; ++i) {
      auto pair = unix_pair(wishes, {});
      if (!pair) return std::unexpected(pair.error());
      near.push_back(std::move(pair->near));
      far.push_back(std::move(pair->far));
    }
  }
  if (!options_.connect) {
    auto reader = Reader::start(serves, {}, std::move(far), !options_.unix_sockets);
    if (!reader) return std::unexpected(reader.error());
    reader_ = std::move(*reader);
  }
  for (std::uint32_t i = 0; !options_.unix_sockets && i < options_.ports; ++i) {
    auto socket = connect_loopback(options_.connect.value_or(reader_ ? reader_->port() : 0), wishes);
    if (!socket) return std::unexpected(socket.error());
    near.push_back(std::move(*socket));
  }
  return near;
}

Status Drive::open_ports() {
  auto sockets = connect_all();
  if (!sockets) return std::unexpected(sockets.error());
  ports_.reserve(sockets->size());
  std::uint64_t before = resident();
  for (os::UniqueFd& socket : *sockets) {
    auto driven = std::make_unique<Driven>(*this);
    driven->port =
        std::make_unique<Port>(PortSetup{.options = options_.port},
                               std::make_unique<SocketTransport>(*reactor_, std::move(socket)), *reactor_, *driven);
    driven->producers.resize(options_.producers);
    ports_.push_back(std::move(driven));
  }
  if (ports_.size() >= kCountableMemory) {
    result_.memory_per_port = (std::max(resident(), before) - before) / ports_.size();
  }
  return {};
}

void Drive::heard(Driven& driven, const Event& event) {
  if (event.kind == EventKind::busy_port) ++result_.suspensions;
  if (event.kind != EventKind::answer || event.caller == kNobody || event.caller > driven.producers.size()) return;
  Producer& producer = driven.producers[event.caller - 1];
  if (!std::exchange(producer.waits, false)) return;
  returned(producer.called, stamp_now(), event.outcome);
}

void Drive::returned(std::uint64_t called, std::uint64_t now, Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
    case Outcome::yes:
      ++result_.sent;
      break;
    case Outcome::busy:
    case Outcome::no:
    case Outcome::nosuspend:
      ++result_.refused;
      return;
    case Outcome::timeout:
      ++result_.timeouts;
      break;
    default:
      ++result_.errors;
      return;
  }
  result_.send.add(Time(static_cast<std::int64_t>(now - called)));
}

std::uint64_t Drive::produce(Driven& driven, std::size_t producer, std::uint64_t most) {
  Producer& me = driven.producers[producer];
  SendOptions how{.kind = options_.kind, .nosuspend = options_.nosuspend};
  std::uint64_t made = 0, now = stamp_now();
  while (made < most && !me.waits) {
    ++made;
    me.called = now;
    std::memcpy(message_.data(), &now, sizeof now);
    // It may return from within by an event, but not before the call does.
    Outcome outcome = driven.port->send(static_cast<CallerId>(producer + 1), how, message_);
    if (outcome == Outcome::pending) {
      me.waits = true;
      ++result_.waits;
      break;
    }
    now = stamp_now();
    returned(me.called, now, outcome);
    if (outcome != Outcome::ok && outcome != Outcome::yes) break;  // refused or closed: not at once again
  }
  calls_ += made;
  return made;
}

void Drive::full_turn() {
  bool any = false;
  for (const auto& driven : ports_) {
    for (std::size_t i = 0; i < driven->producers.size(); ++i) any = produce(*driven, i, kBatch) > 0 || any;
  }
  reactor_->turn(any ? Time::zero() : Time(milliseconds(100)));
}

void Drive::paced_turn(double since_start) {
  auto due = static_cast<std::uint64_t>(since_start * static_cast<double>(options_.rate));
  std::size_t all = ports_.size() * options_.producers;
  for (std::size_t tried = 0; calls_ < due && tried < all; ++next_, ++tried) {
    std::size_t who = next_ % all;
    if (produce(*ports_[who / options_.producers], who % options_.producers, 1) > 0) tried = 0;
  }
  reactor_->turn(kPace);
}

void Drive::drain() {
  reactor_->run_until(
      [this] {
        return std::ranges::all_of(ports_, [](const auto& driven) {
          PortState state = driven->port->state();
          return state.queued == 0 && state.message_queue == 0;
        });
      },
      kDrain);
}

LoadResult Drive::run(os::StopSignals& signals, const std::function<void(double, std::uint64_t)>& progress) {
  Reactor::Watch stop(*reactor_, signals.fd(), Reactor::Wants::read, [] {});
  stop.set(true);
  Time began = reactor_->now(), end = began + options_.length, shown = began;
  while (reactor_->now() < end && signals.received() == 0) {
    if (options_.idle) {
      reactor_->turn(std::min<Time>(end - reactor_->now(), seconds(1)));
    } else if (options_.rate == 0) {
      full_turn();
    } else {
      paced_turn(std::chrono::duration<double>(reactor_->now() - began).count());
    }
    if (reactor_->now() - shown >= seconds(1)) {
      shown = reactor_->now();
      progress(std::chrono::duration<double>(shown - began).count(), result_.sent);
    }
  }
  result_.seconds = std::chrono::duration<double>(reactor_->now() - began).count();
  LoadResult result = result_;  // what returns later is not of this time
  stop.set(false);
  drain();
  for (const auto& driven : ports_) result.write_calls += driven->port->write_calls();
  if (reader_) {
    reactor_->turn(kReaderTurn);  // time for the last bytes to be read
    result.reader = reader_->stop();
  }
  return result;
}

}  // namespace

Result<LoadResult> drive(const LoadOptions& options, os::StopSignals& signals,
                         const std::function<void(double, std::uint64_t)>& progress) {
  auto reactor = Reactor::create();
  if (!reactor) return std::unexpected(reactor.error());
  Drive load(options, std::move(*reactor));
  if (Status status = load.open_ports(); !status) return std::unexpected(status.error());
  return load.run(signals, progress);
}

}  // namespace tcpadvisor::port::load
