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

#include "agent/os/clock.h"
#include "agent/os/proc_root.h"
#include "agent/port/port.h"
#include "agent/port/publish.h"
#include "agent/port/reactor.h"
#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kBatch = 256;      ///< messages of one producer before the others and the sockets get a turn
constexpr Time kPace = milliseconds(1);  ///< a limited rate is served in steps of this
constexpr Time kDrain = seconds(2);      ///< for what is queued at the end
constexpr Time kReaderTurn = milliseconds(50), kIdleTurn = milliseconds(100);
constexpr std::size_t kCountableMemory = 100;    ///< ports; fewer drown in the pages of everything else
constexpr std::uint32_t kMostPublished = 1'024;  ///< ports: an agent hears no more of one process
constexpr std::uint64_t kLargestMessage = 64 << 20;
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
  using Progress = std::function<void(double, std::uint64_t)>;

  Drive(const LoadOptions& options, std::unique_ptr<Reactor> reactor, std::vector<os::UniqueFd> sockets);

  /// `stops` is asked in each turn; `stop_fd` (-1: none) becomes readable when it may have changed.
  LoadResult run(const std::function<bool()>& stops, int stop_fd, const Progress& progress);

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

  void heard(Driven& driven, const Event& event);
  /// At most `most` messages of one producer; how many calls it made.
  std::uint64_t produce(Driven& driven, std::size_t producer, std::uint64_t most);
  void returned(std::uint64_t called, std::uint64_t now, Outcome outcome);
  void full_turn();
  void paced_turn(double since_start);
  void drain();

  LoadOptions options_;
  std::unique_ptr<Reactor> reactor_;
  std::string message_;
  std::vector<std::unique_ptr<Driven>> ports_;
  std::optional<Publisher> publisher_;
  std::size_t next_ = 0;  ///< who is first in the next paced turn
  std::uint64_t calls_ = 0;
  LoadResult result_;
};

Drive::Drive(const LoadOptions& options, std::unique_ptr<Reactor> reactor, std::vector<os::UniqueFd> sockets)
    : options_(options), reactor_(std::move(reactor)), message_(options.size, 'x') {
  ports_.reserve(sockets.size());
  bool publishes = !options_.unix_sockets && options_.ports <= kMostPublished;
  if (publishes) publisher_.emplace(*reactor_);
  for (os::UniqueFd& socket : sockets) {
    auto driven = std::make_unique<Driven>(*this);
    std::string local = local_address(socket.get()), remote = remote_address(socket.get());
    driven->port =
        std::make_unique<Port>(PortSetup{.options = options_.port},
                               std::make_unique<SocketTransport>(*reactor_, std::move(socket)), *reactor_, *driven);
    driven->producers.resize(options_.producers);
    if (publishes) {
      (void)publisher_->add([port = driven->port.get(), local, remote] { return word_of(*port, local, remote); });
    }
    ports_.push_back(std::move(driven));
  }
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

LoadResult Drive::run(const std::function<bool()>& stops, int stop_fd, const Progress& progress) {
  std::optional<Reactor::Watch> stop;
  if (stop_fd >= 0) stop.emplace(*reactor_, stop_fd, Reactor::Wants::read, [] {}).set(true);
  Time began = reactor_->now(), end = began + options_.length, shown = began;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  while (reactor_->now() < end && !stops()) {
    if (options_.idle) {
      reactor_->turn(std::min<Time>(end - reactor_->now(), kIdleTurn));
    } else if (options_.rate == 0) {
      full_turn();
    } else {
      paced_turn(std::chrono::duration<double>(reactor_->now() - began).count());
    }
    if (progress && reactor_->now() - shown >= seconds(1)) {
      shown = reactor_->now();
      progress(std::chrono::duration<double>(shown - began).count(), result_.sent);
    }
  }
  result_.seconds = std::chrono::duration<double>(reactor_->now() - began).count();
  result_.cpu_seconds = static_cast<double>(os::thread_cpu_ns() - cpu_before) / 1e9;
  LoadResult result = result_;  // what returns later is not of this time
  stop.reset();
  drain();
  for (const auto& driven : ports_) result.write_calls += driven->port->write_calls();
  return result;
}

/// What one thread drives: every n-th of the sockets, and its part of the rate.
std::vector<std::unique_ptr<Drive>> share_out(const LoadOptions& options, std::vector<os::UniqueFd> sockets,
                                              std::vector<std::unique_ptr<Reactor>> reactors) {
  std::vector<std::vector<os::UniqueFd>> shares(reactors.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) shares[i % shares.size()].push_back(std::move(sockets[i]));
  LoadOptions each = options;
  if (options.rate > 0) each.rate = std::max<std::uint64_t>(1, options.rate / reactors.size());
  std::vector<std::unique_ptr<Drive>> drives;
  for (std::size_t i = 0; i < reactors.size(); ++i) {
    drives.push_back(std::make_unique<Drive>(each, std::move(reactors[i]), std::move(shares[i])));
  }
  return drives;
}

void add(LoadResult& sum, const LoadResult& more) {
  sum.seconds = std::max(sum.seconds, more.seconds);
  sum.cpu_seconds += more.cpu_seconds;
  sum.sent += more.sent;
  sum.refused += more.refused;
  sum.timeouts += more.timeouts;
  sum.errors += more.errors;
  sum.suspensions += more.suspensions;
  sum.waits += more.waits;
  sum.write_calls += more.write_calls;
  sum.send.merge(more.send);
}

/// The near ends, and the reader if it is ours.
struct Connected {
  std::vector<os::UniqueFd> near;
  std::unique_ptr<Reader> reader;
};

Result<Connected> connect_all(const LoadOptions& options) {
  SocketWishes wishes{options.port.sndbuf, options.port.recbuf, options.port.nodelay};
  ServerOptions serves = options.reader;
  serves.message = options.size;
  Connected connected;
  std::vector<os::UniqueFd> far;
  for (std::uint32_t i = 0; options.unix_sockets && i < options.ports; ++i) {
    auto pair = unix_pair(wishes, {});
    if (!pair) return std::unexpected(pair.error());
    connected.near.push_back(std::move(pair->near));
    far.push_back(std::move(pair->far));
  }
  if (!options.connect) {
    auto reader = Reader::start(serves, {}, std::move(far), !options.unix_sockets);
    if (!reader) return std::unexpected(reader.error());
    connected.reader = std::move(*reader);
  }
  for (std::uint32_t i = 0; !options.unix_sockets && i < options.ports; ++i) {
    auto socket = connect_loopback(options.connect ? *options.connect : connected.reader->port(), wishes);
    if (!socket) return std::unexpected(socket.error());
    connected.near.push_back(std::move(*socket));
  }
  return connected;
}

}  // namespace

Result<LoadResult> drive(const LoadOptions& options, os::StopSignals& signals,
                         const std::function<void(double, std::uint64_t)>& progress) {
  if (options.size < sizeof(std::uint64_t) || options.size > kLargestMessage) {
    return fail(ErrorCode::bad_input, "--size: a message has 8 bytes, for its time stamp, to 64 MiB");
  }
  if (options.unix_sockets && options.connect) {
    return fail(ErrorCode::bad_input, "--connect: only tcp has ports; --transport unix brings its own reader");
  }
  std::vector<std::unique_ptr<Reactor>> reactors;
  for (std::uint32_t i = 0; i < std::clamp<std::uint32_t>(options.threads, 1, options.ports); ++i) {
    auto reactor = Reactor::create();
    if (!reactor) return std::unexpected(reactor.error());
    reactors.push_back(std::move(*reactor));
  }
  auto connected = connect_all(options);
  if (!connected) return std::unexpected(connected.error());
  std::size_t ports = connected->near.size();
  std::uint64_t before = resident();
  auto drives = share_out(options, std::move(connected->near), std::move(reactors));
  std::uint64_t after = resident();

  std::atomic<bool> stop = false;
  std::vector<LoadResult> results(drives.size());
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < drives.size(); ++i) {
    others.emplace_back([&, i] { results[i] = drives[i]->run([&stop] { return stop.load(); }, -1, {}); });
  }
  auto show = [&](double span_s, std::uint64_t sent) { progress(span_s, sent * drives.size()); };
  results[0] = drives[0]->run(
      [&] {
        if (signals.received() != 0) stop = true;
        return stop.load();
      },
      signals.fd(), show);
  for (std::thread& other : others) other.join();
  LoadResult all = std::move(results[0]);
  for (std::size_t i = 1; i < results.size(); ++i) add(all, results[i]);
  if (ports >= kCountableMemory) all.memory_per_port = (std::max(after, before) - before) / ports;
  if (connected->reader) {
    std::this_thread::sleep_for(kReaderTurn);  // time for the last bytes to be read
    all.reader = connected->reader->stop();
  }
  return all;
}

}  // namespace tcpadvisor::port::load
