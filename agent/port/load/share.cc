// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/share.h"

#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>

#include "agent/os/clock.h"

namespace tcpadvisor::port::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kPace = milliseconds(1);    ///< a limited rate is served in steps of this
constexpr Time kSlice = milliseconds(20);  ///< of sending, before sockets, signals and the clock get a turn
constexpr Time kIdleTurn = milliseconds(100);
constexpr Time kDrain = milliseconds(500);  ///< for what is queued at the end
constexpr std::size_t kFewPorts = 1'024;    ///< looking at more of them takes milliseconds
constexpr Time kLookAtFew = milliseconds(200), kLookAtMany = seconds(1);

double in_seconds(Time time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

void EndedPorts::add(const EndedPorts& more) {
  by_peer += more.by_peer;
  by_timeout += more.by_timeout;
  first = std::min(first, more.first);
  last = std::max(last, more.last);
}

void ShareResult::add(const ShareResult& more) {
  calls += more.calls;
  sent += more.sent;
  refused += more.refused;
  timeouts += more.timeouts;
  errors += more.errors;
  suspensions += more.suspensions;
  waits += more.waits;
  send.merge(more.send);
  seconds = std::max(seconds, more.seconds);
  write_calls += more.write_calls;
  cpu_seconds += more.cpu_seconds;
  ended.add(more.ended);
}

Share::Share(const ShareOptions& options, std::unique_ptr<Reactor> reactor, std::vector<os::UniqueFd> sockets)
    : options_(options), reactor_(std::move(reactor)), senders_(*reactor_, options_) {
  sockets_.reserve(sockets.size());
  if (options_.publishes) publisher_.emplace(*reactor_);
  for (os::UniqueFd& socket : sockets) {
    ConnectionName connection;
    if (publisher_) connection = connection_of(local_address(socket.get()), remote_address(socket.get()));
    auto transport = std::make_unique<SocketTransport>(*reactor_, std::move(socket));
    sockets_.push_back(transport.get());
    std::size_t number = senders_.add(std::move(transport));
    if (!publisher_) continue;
    const Port& port = senders_.port(number);
    published_[number] = publisher_->add([&port, connection] { return claim_of(port, connection); });
  }
  senders_.on_end([this](std::size_t number) {
    // Without its socket nobody would believe us; the last word says what became of the bytes.
    if (auto word = published_.extract(number); !word.empty()) publisher_->remove(word.mapped());
  });
}

void Share::look_for_hang_ups() {
  std::vector<pollfd> watched;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (senders_.ended(i) || sockets_[i]->fd() < 0) continue;
    watched.push_back({sockets_[i]->fd(), POLLRDHUP, 0});
    numbers.push_back(i);
  }
  if (poll(watched.data(), watched.size(), 0) <= 0) return;
  for (std::size_t i = 0; i < watched.size(); ++i) {
    if (watched[i].revents == 0) continue;
    // A peer that has only shut its writing side may go on reading: whether it does is known by sending.
    if (options_.idle) {
      senders_.end(numbers[i]);
    } else {
      senders_.peer_hung_up(numbers[i]);
    }
  }
}

EndedPorts Share::ended_since(Time began) const {
  EndedPorts all;
  for (std::size_t i = 0; i < senders_.size(); ++i) {
    const auto& ended = senders_.ended(i);
    if (!ended) continue;
    ++(ended->by_peer ? all.by_peer : all.by_timeout);
    all.first = std::min(all.first, ended->at - began);
    all.last = std::max(all.last, ended->at - began);
  }
  return all;
}

ShareResult Share::run(const std::function<bool()>& stops, int stop_fd,
                       const std::function<void(double, std::uint64_t)>& progress) {
  std::optional<Reactor::Watch> stop;
  if (stop_fd >= 0) stop.emplace(*reactor_, stop_fd, Reactor::Wants::read, [] {}).set(true);
  const Time look_every = senders_.size() <= kFewPorts ? kLookAtFew : kLookAtMany;
  const Time began = reactor_->now(), end = began + options_.length;
  Time shown = began, looked = began, now = began;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  for (; now < end && !stops() && !senders_.all_ended(); now = reactor_->now()) {
    if (now - looked >= look_every) {
      looked = now;
      look_for_hang_ups();
    }
    if (options_.idle) {
      reactor_->turn(std::min(end - now, kIdleTurn));
    } else if (options_.rate == 0) {
      bool any = senders_.send_freely(kSlice);
      reactor_->turn(any ? Time::zero() : std::min(end - now, kIdleTurn));
    } else {
      senders_.send_due(static_cast<std::uint64_t>(in_seconds(now - began) * static_cast<double>(options_.rate)),
                        kSlice);
      reactor_->turn(kPace);
    }
    if (progress && now - shown >= seconds(1)) {
      shown = now;
      progress(in_seconds(now - began), senders_.totals().sent);
    }
  }
  ShareResult result;
  static_cast<SenderTotals&>(result) = senders_.totals();  // what returns later is not of this time
  result.cpu_seconds = static_cast<double>(os::thread_cpu_ns() - cpu_before) / 1e9;
  stop.reset();
  reactor_->run_until([this] { return senders_.all_flushed(); }, kDrain);
  result.ended = ended_since(began);
  result.seconds = in_seconds(senders_.all_ended() ? std::min(result.ended.last, now - began) : now - began);
  for (std::size_t i = 0; i < senders_.size(); ++i) result.write_calls += senders_.port(i).write_calls();
  return result;
}

Balance Share::balance(const FarQueue& far) const {
  Balance all;
  for (std::size_t i = 0; i < sockets_.size(); ++i) all.add(balance_of(senders_.port(i), *sockets_[i], far));
  return all;
}

}  // namespace tcpadvisor::port::load
