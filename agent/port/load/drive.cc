// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/drive.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/os/proc_root.h"
#include "agent/port/load/reader.h"
#include "agent/port/reactor.h"
#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {
namespace {

constexpr std::size_t kCountableMemory = 100;  ///< ports; fewer drown in the pages of everything else
constexpr std::uint32_t kMostLookedAt = 1'024;
constexpr std::uint64_t kLargestMessage = 64 << 20;
constexpr std::chrono::milliseconds kLastBytes{50};

/// Resident memory of this process, bytes.
std::uint64_t resident() {
  auto text = os::ProcRoot().read("/proc/self/statm");
  std::uint64_t all = 0, pages = 0;
  if (!text || std::sscanf(text->c_str(), "%lu %lu", &all, &pages) != 2) return 0;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

/// Every n-th of the sockets for each thread, and its part of the rate.
std::vector<std::unique_ptr<Share>> share_out(const LoadOptions& options, std::vector<os::UniqueFd> sockets,
                                              std::vector<std::unique_ptr<Reactor>> reactors) {
  std::vector<std::vector<os::UniqueFd>> parts(reactors.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) parts[i % parts.size()].push_back(std::move(sockets[i]));
  ShareOptions each = options;
  if (options.rate > 0) each.rate = std::max<std::uint64_t>(1, options.rate / reactors.size());
  each.publishes = !options.unix_sockets && options.ports <= Publisher::kMostConnections;
  std::vector<std::unique_ptr<Share>> shares;
  for (std::size_t i = 0; i < reactors.size(); ++i) {
    shares.push_back(std::make_unique<Share>(each, std::move(reactors[i]), std::move(parts[i])));
  }
  return shares;
}

/// The near ends, and the reader if it is ours.
struct Connected {
  std::vector<os::UniqueFd> near;
  std::unique_ptr<Reader> reader;
};

Result<Connected> connect_all(const LoadOptions& options, os::StopSignals& signals) {
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
    auto reader = Reader::start(serves, std::move(far), !options.unix_sockets);
    if (!reader) return std::unexpected(reader.error());
    connected.reader = std::move(*reader);
  }
  for (std::uint32_t i = 0; !options.unix_sockets && i < options.ports; ++i) {
    if (signals.received() != 0) return fail(ErrorCode::failed, "interrupted while connecting");
    std::uint16_t port = options.connect ? *options.connect : connected.reader->port();
    auto socket = connect_loopback(port, wishes, signals.fd());
    if (!socket) return std::unexpected(socket.error());
    connected.near.push_back(std::move(*socket));
  }
  return connected;
}

/// All shares at once, the first in this thread.
Result<ShareResult> run_all(const std::vector<std::unique_ptr<Share>>& shares, os::StopSignals& signals,
                            const std::function<void(double, std::uint64_t)>& progress) {
  std::atomic<bool> stop = false;
  std::vector<ShareResult> results(shares.size());
  std::vector<std::string> failures(shares.size());
  auto run_one = [&](std::size_t i, const std::function<bool()>& stops, int stop_fd,
                     const std::function<void(double, std::uint64_t)>& shows) {
    try {
      results[i] = shares[i]->run(stops, stop_fd, shows);
    } catch (const std::exception& error) {  // out of a thread it would end the process
      failures[i] = error.what();
      stop = true;
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < shares.size(); ++i) {
    others.emplace_back([&, i] { run_one(i, [&stop] { return stop.load(); }, -1, {}); });
  }
  auto stops = [&] {
    if (signals.received() != 0) stop = true;
    return stop.load();
  };
  run_one(0, stops, signals.fd(), [&](double span_s, std::uint64_t sent) { progress(span_s, sent * shares.size()); });
  others.clear();  // joins
  for (const std::string& failure : failures) {
    if (!failure.empty()) return fail(ErrorCode::failed, "the load has ended: " + failure);
  }
  for (std::size_t i = 1; i < results.size(); ++i) results[0].add(results[i]);
  return std::move(results[0]);
}

}  // namespace

Result<LoadResult> drive(const LoadOptions& options, os::StopSignals& signals,
                         const std::function<void(double, std::uint64_t)>& progress, const FarQueue& far) {
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
  auto connected = connect_all(options, signals);
  if (!connected) return std::unexpected(connected.error());
  std::size_t ports = connected->near.size();
  std::uint64_t before = resident();
  auto shares = share_out(options, std::move(connected->near), std::move(reactors));
  std::uint64_t after = resident();

  auto ran = run_all(shares, signals, progress);
  if (!ran) return std::unexpected(ran.error());
  LoadResult all{std::move(*ran), {}, 0, {}};
  if (ports >= kCountableMemory) all.memory_per_port = (std::max(after, before) - before) / ports;
  if (connected->reader) {
    std::this_thread::sleep_for(kLastBytes);  // to be read
    all.reader = connected->reader->stop();
    if (const auto& failure = connected->reader->failure()) {
      return fail(ErrorCode::failed, "the reader of the load has ended: " + *failure);
    }
  }
  bool looks = !options.unix_sockets && ports <= kMostLookedAt;
  for (const auto& share : shares) all.balance.add(share->balance(looks ? far : FarQueue()));
  if (options.unix_sockets) all.balance.unknown += std::exchange(all.balance.send_q, 0);  // one queue for both ends
  if (all.reader) {
    // What it has read it knows better; what the kernel took besides is in a queue that nobody may have looked at.
    Balance& balance = all.balance;
    std::uint64_t taken = balance.delivered + balance.unknown;
    balance.delivered = all.reader->bytes;
    balance.unknown = looks ? 0 : taken - std::min(taken, balance.delivered);
  }
  return all;
}

}  // namespace tcpadvisor::port::load
