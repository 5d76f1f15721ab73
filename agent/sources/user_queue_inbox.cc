// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/user_queue_inbox.h"

#include <fmt/format.h>

#include <algorithm>

namespace tcpadvisor::sources {
namespace {

void count(UserQueueInbox::Counts& counts, std::string_view kind, std::string text, std::uint64_t now_ms) {
  auto at = counts.find(kind);
  if (at == counts.end()) at = counts.emplace(kind, UserQueueInbox::Count{}).first;
  ++at->second.count;
  at->second.last = std::move(text);
  at->second.last_ms = now_ms;
}

void add(UserQueueInbox::Counts& into, const UserQueueInbox::Counts& more) {
  for (const auto& [kind, count] : more) {
    UserQueueInbox::Count& sum = into[kind];
    sum.count += count.count;
    if (count.last_ms < sum.last_ms) continue;
    sum.last = count.last;
    sum.last_ms = count.last_ms;
  }
}

}  // namespace

bool Allowance::take(std::uint64_t now_ms) {
  if (last_ms_ && now_ms > *last_ms_) {
    left_ = std::min<double>(per_second_, left_ + static_cast<double>(now_ms - *last_ms_) * per_second_ / 1000);
  }
  last_ms_ = now_ms;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

void UserQueueInbox::count_refusal(Pid pid, std::string_view kind, std::string text, std::uint64_t now_ms) {
  if (!settles_) return count(refusals_, kind, std::move(text), now_ms);
  if (unsettled_.size() < limits_.processes || unsettled_.contains(pid))
    count(unsettled_[pid].refusals, kind, std::move(text), now_ms);
}

void UserQueueInbox::count_over_limit(Pid pid, std::string_view kind, std::string text, std::uint64_t now_ms) {
  if (!settles_) return count(over_limit_, kind, std::move(text), now_ms);
  if (unsettled_.size() < limits_.processes || unsettled_.contains(pid))
    count(unsettled_[pid].over_limit, kind, std::move(text), now_ms);
}

void UserQueueInbox::wait_for_settling() {
  std::lock_guard lock(mutex_);
  settles_ = true;
}

void UserQueueInbox::settle(const std::function<bool(Pid)>& concerns) {
  std::map<Pid, Unsettled> all;
  {
    std::lock_guard lock(mutex_);
    all.swap(unsettled_);
  }
  std::erase_if(all, [&](const auto& entry) { return !concerns(entry.first); });  // may look at files: not locked
  std::lock_guard lock(mutex_);
  for (const auto& [pid, counts] : all) {
    add(refusals_, counts.refusals);
    add(over_limit_, counts.over_limit);
  }
}

std::size_t UserQueueInbox::Speaker::unchecked() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries, [](const auto& entry) { return !entry.second.believed; }));
}

bool UserQueueInbox::admit(Pid pid, bool truncated, std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  if (now_ms >= expired_ms_ + 1'000) expire(now_ms);
  auto over = [&](std::string_view kind, std::string text) {
    count_over_limit(pid, kind, std::move(text), now_ms);
    return false;
  };
  if (pid == 0) {
    count_refusal(pid, "unknown speaker", "the speaker is in a pid namespace that is not visible here", now_ms);
    return false;
  }
  auto at = speakers_.find(pid);
  if (at == speakers_.end()) {
    if (speakers_.size() >= limits_.processes) {
      return over("too many processes", fmt::format("pid {}: {} processes speak already", pid, limits_.processes));
    }
    at = speakers_.emplace(pid, limits_.per_process_s).first;
  }
  Speaker& speaker = at->second;
  speaker.heard_ms = now_ms;
  // The process first: a flood of one must not use up what is there for all.
  if (!speaker.allowance.take(now_ms)) {
    return over("too many datagrams from one process",
                fmt::format("pid {} sends more than {} datagrams a second", pid, limits_.per_process_s));
  }
  if (!allowance_.take(now_ms)) {
    return over("too many datagrams",
                fmt::format("pid {}: more than {} datagrams a second in all", pid, limits_.in_all_s));
  }
  if (truncated) {
    return over("datagram too long", fmt::format("pid {}: a datagram of more than {} bytes", pid, kMaxQueueDatagram));
  }
  return true;
}

void UserQueueInbox::no_room(Pid pid, std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  count_over_limit(pid, "too many datagrams", fmt::format("pid {}: more at once than there is room for", pid), now_ms);
}

void UserQueueInbox::no_stream(Pid pid, std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  count_over_limit(pid, "too many streams", fmt::format("pid {}: one stream more than there is room for", pid), now_ms);
}

void UserQueueInbox::take(Pid pid, std::string_view lines, std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  auto speaker = speakers_.find(pid);
  if (speaker == speakers_.end()) return;  // admitted so long ago that it has expired
  for (QueueLine& line : parse_user_queues(lines)) {
    if (line) {
      keep(pid, speaker->second, std::move(*line), now_ms);
    } else {
      count_refusal(pid, line.error().kind, fmt::format("pid {}: {}", pid, line.error().text), now_ms);
    }
  }
}

void UserQueueInbox::keep(Pid pid, Speaker& speaker, UserQueueClaim claim, std::uint64_t now_ms) {
  auto at = speaker.entries.find(claim.connection);
  if (at == speaker.entries.end()) {
    if (!make_room(pid, speaker, now_ms)) return;
    at = speaker.entries.emplace(claim.connection, Entry{}).first;
    ++entries_;
  }
  Entry& entry = at->second;
  if (entry.queue.ended && !claim.queue.ended) entry.believed = false;  // another connection of the same name
  entry.queue = std::move(claim.queue);
  entry.heard_ms = now_ms;
}

bool UserQueueInbox::make_room(Pid pid, Speaker& speaker, std::uint64_t now_ms) {
  bool own_full = speaker.entries.size() >= limits_.per_process, full = entries_ >= limits_.in_all;
  if (!own_full && !full) return true;
  bool room = searches_.take(now_ms) && drop_ended(speaker.entries, true);
  if (own_full && !room) {
    count_over_limit(pid, "too many connections from one process",
                     fmt::format("pid {} speaks for more than {} connections", pid, limits_.per_process), now_ms);
    return false;
  }
  room = room || (searches_.take(now_ms) &&
                  (drop_unchecked_of_another(speaker) || std::ranges::any_of(speakers_, [&](auto& other) {
                     return drop_ended(other.second.entries, false);
                   })));
  if (!room) {
    count_over_limit(pid, "too many connections",
                     fmt::format("pid {}: programs speak for {} connections already", pid, limits_.in_all), now_ms);
  }
  return room;
}

/// One last word less: those that lost nothing first, then the oldest.
bool UserQueueInbox::drop_ended(Entries& entries, bool with_losses) {
  auto lost = [](const Entry& entry) { return entry.queue.dropped.value_or(0) > 0; };
  auto rank = [&](const Entry& entry) { return std::pair(lost(entry), entry.heard_ms); };
  auto oldest = entries.end();
  for (auto at = entries.begin(); at != entries.end(); ++at) {
    if (!at->second.queue.ended || (lost(at->second) && !with_losses)) continue;
    if (oldest == entries.end() || rank(at->second) < rank(oldest->second)) oldest = at;
  }
  if (oldest == entries.end()) return false;
  entries.erase(oldest);
  --entries_;
  return true;
}

/// Whoever fills the room with claims that nobody has checked yet makes room for one that asks for less.
bool UserQueueInbox::drop_unchecked_of_another(const Speaker& newcomer) {
  auto most = std::ranges::max_element(speakers_, {}, [](const auto& other) { return other.second.unchecked(); });
  if (most == speakers_.end() || most->second.unchecked() <= newcomer.unchecked() + 1) return false;
  Entries& entries = most->second.entries;
  entries.erase(std::ranges::find_if(entries, [](const auto& entry) { return !entry.second.believed; }));
  --entries_;
  return true;
}

bool UserQueueInbox::expired(const Entry& entry, std::uint64_t now_ms) const {
  std::uint64_t keep_ms = entry.queue.ended && entry.believed ? limits_.ended_ms : limits_.silent_ms;
  return now_ms > entry.heard_ms + keep_ms;
}

void UserQueueInbox::expire(std::uint64_t now_ms) {
  expired_ms_ = now_ms;
  for (auto& [pid, speaker] : speakers_) {
    entries_ -= std::erase_if(speaker.entries, [&](const auto& entry) { return expired(entry.second, now_ms); });
  }
  std::erase_if(speakers_, [&](const auto& speaker) {
    return speaker.second.entries.empty() && now_ms > speaker.second.heard_ms + limits_.silent_ms;
  });
}

std::vector<UserQueueInbox::Claim> UserQueueInbox::claims(std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  expire(now_ms);
  std::vector<Claim> all;
  all.reserve(entries_);
  for (const auto& [pid, speaker] : speakers_) {
    for (const auto& [connection, entry] : speaker.entries) {
      all.push_back({pid, connection, entry.queue, entry.heard_ms, entry.believed});
    }
  }
  return all;
}

void UserQueueInbox::believe(const Claim& claim) {
  std::lock_guard lock(mutex_);
  auto speaker = speakers_.find(claim.pid);
  if (speaker == speakers_.end()) return;
  auto entry = speaker->second.entries.find(claim.connection);
  // A message that came while its predecessor was being checked is another claim only if that one was the last word.
  if (entry != speaker->second.entries.end() && entry->second.queue.ended >= claim.queue.ended) {
    entry->second.believed = true;
  }
}

void UserQueueInbox::refuse(const Claim& claim, std::string_view kind, const std::string& why, std::uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  auto speaker = speakers_.find(claim.pid);
  if (speaker != speakers_.end()) entries_ -= speaker->second.entries.erase(claim.connection);
  count_refusal(claim.pid, kind, why, now_ms);
}

UserQueueInbox::Counts UserQueueInbox::refusals() const {
  std::lock_guard lock(mutex_);
  return refusals_;
}

UserQueueInbox::Counts UserQueueInbox::over_limit() const {
  std::lock_guard lock(mutex_);
  return over_limit_;
}

}  // namespace tcpadvisor::sources
