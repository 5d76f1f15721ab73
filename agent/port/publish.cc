// SPDX-License-Identifier: Apache-2.0
#include "agent/port/publish.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace tcpadvisor::port {
namespace {

using namespace std::chrono_literals;

constexpr Time kTurn = 200ms;
constexpr Time kRenew = 1s;
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

ConnectionName connection_of(const std::string& local, const std::string& remote) {
  return {0, parse_endpoint(local).value_or(Endpoint{}), parse_endpoint(remote).value_or(Endpoint{})};
}

UserQueueClaim claim_of(const Port& port, const ConnectionName& connection) {
  PortState state = port.state();
  const Options& options = port.options();
  UserQueueClaim claim{.connection = connection, .queue = {}};
  UserQueue& queue = claim.queue;
  queue.name = port.name();
  queue.queued = state.queued;
  queue.high = static_cast<std::uint64_t>(options.high);
  queue.low = static_cast<std::uint64_t>(options.low);
  queue.busy = state.busy;
  queue.waiting = state.waiting;
  queue.suspended = state.suspended;
  queue.waited_ms = ms(state.waited);
  queue.message_queue = state.message_queue;
  queue.message_high = static_cast<std::uint64_t>(options.mq_high);
  queue.message_low = static_cast<std::uint64_t>(options.mq_low);
  queue.message_busy = state.message_busy;
  queue.pending_shutdown = state.pending_shutdown;
  queue.accepted = state.accepted;
  queue.bypassed = state.bypassed;
  queue.dropped = state.dropped;
  queue.refused = state.refused;
  return claim;
}

UserQueueClaim claim_of(const Channel& channel, const ConnectionName& connection) {
  ChannelState state = channel.state();
  UserQueueClaim claim{.connection = connection, .queue = {}};
  UserQueue& queue = claim.queue;
  queue.name = channel.name();
  queue.queued = state.queued + state.driver_queued;
  queue.high = channel.setup().busy_limit;
  queue.low = 0;  // senders go on when the channel's queue is empty
  queue.busy = state.busy;
  queue.waiting = 0;
  queue.suspended = state.suspended;
  queue.waited_ms = ms(state.waited);
  queue.accepted = state.accepted;
  queue.bypassed = state.bypassed;
  queue.dropped = state.dropped;
  queue.refused = state.refused;
  return claim;
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

Publisher::Id Publisher::add(std::function<UserQueueClaim()> look) {
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
  UserQueueClaim word = at->second.look();
  word.queue.ended = true;
  connections_.erase(at);
  send_to_all(user_queue_line(word));
}

void Publisher::turn() {
  timer_ = timers_.after(kTurn, [this] { turn(); });
  speak_now();
}

void Publisher::speak_now() {
  struct Due {
    Spoken* spoken = nullptr;
    UserQueueClaim word;
  };
  std::vector<Due> due;
  auto at = connections_.upper_bound(looked_at_);
  for (std::size_t looks = std::min(kLooksPerTurn, connections_.size()); looks > 0; --looks, ++at) {
    if (at == connections_.end()) at = connections_.begin();
    auto& [id, spoken] = *at;
    looked_at_ = id;
    UserQueueClaim word = spoken.look();
    UserQueueClaim same_wait = word;
    same_wait.queue.waited_ms = spoken.last.queue.waited_ms;  // time going on is no change
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
      std::string line = user_queue_line(next->word);
      if (!datagram.empty() && datagram.size() + line.size() > kMaxQueueDatagram) break;
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
