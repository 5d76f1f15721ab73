// SPDX-License-Identifier: Apache-2.0
#include "agent/port/publish.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

namespace tcpadvisor::port {
namespace {

using namespace std::chrono_literals;

constexpr Time kTurn = 200ms;
constexpr Time kRenew = 1s;
constexpr std::size_t kDatagram = 8'192;
/// An agent's socket may hold as few as 10 datagrams (net.unix.max_dgram_qlen) and others speak, too. With about 25
/// lines each this is enough to renew the 1,024 connections that an agent takes of one process.
constexpr std::size_t kDatagramsPerTurn = 8;
constexpr std::size_t kMostAgents = 256;  ///< dead ones leave their sockets behind

std::vector<std::string> protocol_directories() {
  if (const char* chosen = std::getenv("TCPADVISOR_QUEUES")) return {chosen};
  std::vector<std::string> directories{"/run/tcpadvisor/queues"};
  if (const char* run = std::getenv("XDG_RUNTIME_DIR")) directories.push_back(std::string(run) + "/tcpadvisor/queues");
  return directories;
}

std::vector<sockaddr_un> agents(const std::vector<std::string>& directories) {
  std::vector<sockaddr_un> found;
  for (const std::string& directory : directories) {
    std::error_code error;  // no agent has ever run here, or we may not look
    for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
      if (found.size() >= kMostAgents) return found;
      const std::string& path = at->path().native();
      sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
      if (!path.ends_with(".sock") || path.size() >= sizeof address.sun_path) continue;
      std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
      found.push_back(address);
    }
  }
  return found;
}

std::uint64_t ms(Time time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

}  // namespace

std::string to_line(const QueueWord& word) {
  std::string line =
      fmt::format("tcpadvisor-queue 1 local={} remote={} queued={}", word.local, word.remote, word.queued);
  auto say = [&](std::string_view key, const auto& value) {
    if (value) fmt::format_to(std::back_inserter(line), " {}={}", key, static_cast<std::uint64_t>(*value));
  };
  say("high", word.high);
  say("low", word.low);
  say("busy", word.busy);
  say("waiting", word.waiting);
  say("suspended", word.suspended);
  say("waited_ms", word.waited_ms);
  say("mq", word.message_queue);
  say("mq_high", word.message_high);
  say("mq_low", word.message_low);
  say("mq_busy", word.message_busy);
  say("pending_shutdown", word.pending_shutdown);
  say("accepted", word.accepted);
  say("bypassed", word.bypassed);
  say("dropped", word.dropped);
  say("refused", word.refused);
  if (word.ended) line += " ended=1";
  if (!word.name.empty()) line += " name=" + word.name;
  return line += '\n';
}

QueueWord word_of(const Port& port, std::string local, std::string remote) {
  PortState state = port.state();
  const Options& options = port.options();
  QueueWord word;
  word.local = std::move(local);
  word.remote = std::move(remote);
  word.name = port.name();
  word.queued = state.queued;
  word.high = static_cast<std::uint64_t>(options.high);
  word.low = static_cast<std::uint64_t>(options.low);
  word.busy = state.busy;
  word.waiting = state.waiting;
  word.suspended = state.suspended;
  word.waited_ms = ms(state.waited);
  word.message_queue = state.message_queue;
  word.message_high = static_cast<std::uint64_t>(options.mq_high);
  word.message_low = static_cast<std::uint64_t>(options.mq_low);
  word.message_busy = state.message_busy;
  word.pending_shutdown = state.pending_shutdown;
  word.accepted = state.accepted;
  word.bypassed = state.bypassed;
  word.dropped = state.dropped;
  word.refused = state.refused;
  return word;
}

QueueWord word_of(const Channel& channel, std::string local, std::string remote) {
  ChannelState state = channel.state();
  QueueWord word;
  word.local = std::move(local);
  word.remote = std::move(remote);
  word.name = channel.name();
  word.queued = state.queued + state.driver_queued;
  word.high = channel.setup().busy_limit;
  word.low = 0;  // senders go on when the channel's queue is empty
  word.busy = state.busy;
  word.waiting = 0;
  word.suspended = state.suspended;
  word.waited_ms = ms(state.waited);
  word.accepted = state.accepted;
  word.bypassed = state.bypassed;
  word.dropped = state.dropped;
  word.refused = state.refused;
  return word;
}

Publisher::Publisher(Timers& timers, std::vector<std::string> directories)
    : timers_(timers),
      directories_(directories.empty() ? protocol_directories() : std::move(directories)),
      socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  turn();
}

Publisher::~Publisher() {
  timers_.cancel(timer_);
  timers_.cancel(soon_);
  while (!connections_.empty()) remove(connections_.begin()->first);
}

Publisher::Id Publisher::add(std::function<QueueWord()> look) {
  if (connections_.size() >= kMostConnections) return 0;
  connections_[++last_id_].look = std::move(look);
  if (soon_ == 0) {
    soon_ = timers_.after(Time::zero(), [this] {
      soon_ = 0;
      speak_now();
    });
  }
  return last_id_;
}

void Publisher::remove(Id id) {
  auto at = connections_.find(id);
  if (at == connections_.end()) return;
  QueueWord word = at->second.look();
  word.ended = true;
  connections_.erase(at);
  send_to_all(to_line(word));
}

void Publisher::turn() {
  timer_ = timers_.after(kTurn, [this] { turn(); });
  speak_now();
}

void Publisher::speak_now() {
  struct Due {
    Spoken* spoken = nullptr;
    QueueWord word;
  };
  std::vector<Due> due;
  auto at = connections_.upper_bound(looked_at_);
  for (std::size_t looks = std::min(kLooksPerTurn, connections_.size()); looks > 0; --looks, ++at) {
    if (at == connections_.end()) at = connections_.begin();
    auto& [id, spoken] = *at;
    looked_at_ = id;
    QueueWord word = spoken.look();
    QueueWord same_wait = word;
    same_wait.waited_ms = spoken.last.waited_ms;  // time going on is no change
    Time since = timers_.now() - spoken.at;
    bool say = !spoken.heard || since >= kRenew || (since >= kTurn && same_wait != spoken.last);
    if (say) due.push_back({&spoken, std::move(word)});
  }
  std::ranges::stable_sort(due, {}, [](const Due& one) { return one.spoken->at; });
  auto next = due.begin();
  for (std::size_t datagrams = 0; datagrams < kDatagramsPerTurn && next != due.end(); ++datagrams) {
    std::string datagram;
    auto first = next;
    for (; next != due.end(); ++next) {
      std::string line = to_line(next->word);
      if (!datagram.empty() && datagram.size() + line.size() > kDatagram) break;
      datagram += line;
    }
    bool heard = send_to_all(datagram);
    for (auto one = first; one != next; ++one) {
      one->spoken->last = std::move(one->word);
      one->spoken->at = timers_.now();
      one->spoken->heard = heard;
    }
  }
}

bool Publisher::send_to_all(const std::string& datagram) {
  bool heard = true;
  for (const sockaddr_un& agent : agents(directories_)) {
    // Nobody waits for an agent: what it has no room for now is said again in the next turn.
    if (sendto(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&agent), sizeof agent) < 0) {
      heard &= errno != EAGAIN;
    }
  }
  return heard;
}

}  // namespace tcpadvisor::port
