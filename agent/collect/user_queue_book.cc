// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/user_queue_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "agent/os/clock.h"
#include "agent/sources/owners.h"
#include "agent/sources/sock_diag.h"

namespace tcpadvisor::collect {
namespace {

constexpr std::string_view kNotHeld = "not held by its speaker", kNoConnection = "no such connection",
                           kCannotCheck = "cannot be checked";
constexpr std::uint64_t kComplainEveryMs = 60'000;
constexpr std::uint64_t kDumpSlackMs = 100;  // cheap dumps need not wait for the next tick

auto connection_of(const UserQueue& queue) {
  return std::tie(queue.netns, queue.local, queue.remote);
}

bool is_named(const SocketRow& row, const ConnectionName& name) {
  bool addresses = !name.has_addresses() || (row.local == name.local && row.remote == name.remote);
  return addresses && (name.cookie == 0 || row.cookie == name.cookie);
}

std::uint64_t sum(const sources::UserQueueInbox::Counts& counts) {
  std::uint64_t all = 0;
  for (const auto& [kind, count] : counts) {
    if (kind != kCannotCheck) all += count.count;
  }
  return all;
}

/// "7, last: pid 5: …"; empty when nothing was counted.
std::string latest(const sources::UserQueueInbox::Counts& counts) {
  std::uint64_t all = 0;
  const sources::UserQueueInbox::Count* last = nullptr;
  for (const auto& [kind, count] : counts) {
    all += count.count;
    if (last == nullptr || count.last_ms >= last->last_ms) last = &count;
  }
  return last == nullptr ? "" : fmt::format("{}, last: {}", with_commas(all), last->last);
}

}  // namespace

FindSockets find_by_sock_diag() {
  return [](const os::NetnsRef& netns, std::span<const ConnectionName> names) -> Result<FoundSockets> {
    auto visit = os::NetnsVisit::enter(netns);
    if (!visit) return std::unexpected(visit.error());
    FoundSockets found(names.size());
    std::map<std::uint64_t, std::size_t> cookies;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!names[i].has_addresses()) {
        cookies[names[i].cookie] = i;
        continue;
      }
      auto row = sources::find_socket(names[i].local, names[i].remote);
      if (!row && row.error().code != ErrorCode::not_found) return std::unexpected(row.error());
      if (row) found[i] = std::move(*row);
    }
    if (cookies.empty()) return found;
    auto dump = sources::dump_sockets([&](SocketRow&& row) {
      auto at = cookies.find(row.cookie);
      if (at != cookies.end() && row.kind == SocketKind::full) found[at->second] = std::move(row);
    });
    if (!dump) return std::unexpected(dump.error());
    return found;
  };
}

struct UserQueueBook::Round {
  const Scene& scene;
  std::map<std::tuple<Pid, Endpoint, Endpoint>, const SocketRow*> by_addresses;
  std::map<std::pair<Pid, std::uint64_t>, const SocketRow*> by_cookie;
  std::uint64_t own_netns = 0;
  std::size_t look_ups_left = kLookUpsPerCheck;
  Pid ran_out_at = 0;  ///< the first process that had to wait
  void wait_for(Pid pid) {
    if (ran_out_at == 0) ran_out_at = pid;
  }
};

UserQueueBook::UserQueueBook(sources::UserQueueInbox& inbox, os::ProcRoot root, FindSockets find)
    : inbox_(inbox), root_(std::move(root)), find_(std::move(find)) {}

void UserQueueBook::check(const Scene& scene) {
  check_claims(scene);
  if (!scene.netns.empty()) inbox_.settle([&](Pid pid) { return concerns(scene, pid); });
}

/// The process is in one of the namespaces that were asked for, or speaks for a socket there.
bool UserQueueBook::concerns(const Scene& scene, Pid pid) const {
  if (pid == 0) return false;
  auto first = proofs_.lower_bound(Key(pid, ConnectionName{}));
  for (auto at = first; at != proofs_.end() && at->first.first == pid; ++at) {
    if (scene.netns.contains(at->second.netns)) return true;
  }
  auto link = root_.read_link(fmt::format("/proc/{}/ns/net", pid));
  auto netns = link ? os::parse_netns_link(*link) : Result<std::uint64_t>(std::unexpected(link.error()));
  return netns && scene.netns.contains(*netns);
}

void UserQueueBook::check_claims(const Scene& scene) {
  queues_.clear();
  files_debt_ -= std::min(files_debt_, kFilesPerCheck);
  std::vector<Claim> claims = inbox_.claims(scene.now_ms);  // by process
  std::set<Key> claimed;
  std::set<Pid> speakers;
  for (const Claim& claim : claims) {
    claimed.emplace(claim.pid, claim.connection);
    speakers.insert(claim.pid);
  }
  std::erase_if(proofs_, [&](const auto& proof) { return !claimed.contains(proof.first); });
  if (claims.empty()) return;

  Round round{.scene = scene, .by_addresses = {}, .by_cookie = {}};
  if (auto own = root_.read_link("/proc/thread-self/ns/net")) round.own_netns = os::parse_netns_link(*own).value_or(0);
  auto held_by = [&](Pid pid, const SocketRow& row) {
    if (!speakers.contains(pid)) return;
    round.by_addresses.emplace(std::tuple(pid, row.local, row.remote), &row);
    round.by_cookie.emplace(std::pair(pid, row.cookie), &row);
  };
  for (const SocketRow& row : scene.rows) {
    if (row.kind != SocketKind::full || !row.owner) continue;
    held_by(row.owner->pid, row);
    for (const HoldingProcess& other : row.others) held_by(other.pid, row);
  }

  auto of_process = [&](Pid pid) { return std::ranges::equal_range(claims, pid, {}, &Claim::pid); };
  // Begin with whoever had to wait last time, so that nobody waits for ever.
  std::vector<Pid> order(speakers.begin(), speakers.end());
  std::ranges::rotate(order, std::ranges::lower_bound(order, begin_at_));
  for (Pid pid : order) check_process(round, of_process(pid));
  begin_at_ = round.ran_out_at;
  one_for_each_connection();
}

void UserQueueBook::check_process(Round& round, std::span<const Claim> claims) {
  std::uint64_t now_ms = round.scene.now_ms;
  Pid pid = claims.front().pid;
  std::vector<const Claim*> open;
  for (const Claim& claim : claims) {
    if (!last_word(claim, now_ms) && !prove_by_rows(round, claim) && !still_held(claim, now_ms)) open.push_back(&claim);
  }
  if (open.empty()) return;
  auto link = root_.read_link(fmt::format("/proc/{}/ns/net", pid));
  auto netns = link ? os::parse_netns_link(*link) : Result<std::uint64_t>(std::unexpected(link.error()));
  if (!netns) {
    bool gone = netns.error().code == ErrorCode::not_found;
    for (const Claim* claim : open) cannot_check(*claim, gone ? "it has ended" : netns.error().message, now_ms);
    return;
  }
  if (!round.scene.netns.empty() && !round.scene.netns.contains(*netns)) return;  // nobody asked for that one
  look_up(round, open,
          {*netns, fmt::format("pid:{}", pid), root_.path(fmt::format("/proc/{}/ns/net", pid)), false,
           *netns == round.own_netns});
}

/// The socket is closed by then; what counts is that the process held it when it said the word before.
bool UserQueueBook::last_word(const Claim& claim, std::uint64_t now_ms) {
  auto proof = proofs_.find(Key(claim.pid, claim.connection));
  if (!claim.believed || !claim.queue.ended || proof == proofs_.end()) return false;
  show(claim, proof->second, now_ms);
  return true;
}

bool UserQueueBook::prove_by_rows(const Round& round, const Claim& claim) {
  const ConnectionName& name = claim.connection;
  const SocketRow* row = nullptr;
  if (name.has_addresses()) {
    auto at = round.by_addresses.find(std::tuple(claim.pid, name.local, name.remote));
    if (at != round.by_addresses.end()) row = at->second;
  } else if (auto at = round.by_cookie.find(std::pair(claim.pid, name.cookie)); at != round.by_cookie.end()) {
    row = at->second;
  }
  if (row == nullptr || !is_named(*row, name)) return false;
  std::uint64_t now_ms = round.scene.now_ms;
  auto other = std::ranges::find(row->others, claim.pid, &HoldingProcess::pid);
  bool is_owner = other == row->others.end();
  accept(claim,
         {row->netns, row->local, row->remote, row->cookie, row->inode, is_owner ? row->owner->fd : -1,
          is_owner ? row->owner->comm : other->comm, now_ms, now_ms},
         now_ms);
  return true;
}

bool UserQueueBook::still_held(const Claim& claim, std::uint64_t now_ms) {
  auto at = proofs_.find(Key(claim.pid, claim.connection));
  if (at == proofs_.end() || !claim.believed || now_ms >= at->second.looked_up_ms + kLookUpAgainMs) return false;
  if (!descriptor_leads_to(claim.pid, at->second.fd, at->second.inode)) return false;
  at->second.held_ms = now_ms;
  show(claim, at->second, now_ms);
  return true;
}

void UserQueueBook::look_up(Round& round, const std::vector<const Claim*>& claims, const os::NetnsRef& netns) {
  std::uint64_t now_ms = round.scene.now_ms;
  std::vector<const Claim*> asked;
  std::vector<ConnectionName> names;
  bool may_dump = next_dump_ms_ <= static_cast<double>(now_ms + kDumpSlackMs), dumps = false;
  for (const Claim* claim : claims) {
    ConnectionName name = claim->connection;
    auto known = proofs_.find(Key(claim->pid, name));
    if (!name.has_addresses() && known != proofs_.end()) {
      name = {name.cookie, known->second.local, known->second.remote};
    }
    if (round.look_ups_left == 0 || (!name.has_addresses() && !may_dump)) {
      // What was true a moment ago is not forgotten because somebody else asks for much.
      if (known != proofs_.end() && claim->believed &&
          descriptor_leads_to(claim->pid, known->second.fd, known->second.inode)) {
        show(*claim, known->second, now_ms);
      }
      round.wait_for(claim->pid);
      continue;
    }
    --round.look_ups_left;
    dumps |= !name.has_addresses();
    asked.push_back(claim);
    names.push_back(name);
  }
  if (asked.empty()) return;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  Result<FoundSockets> found = find_(netns, names);
  if (dumps) {
    double cost_ms = static_cast<double>(os::thread_cpu_ns() - cpu_before) / 1e6;
    next_dump_ms_ = std::max(next_dump_ms_, static_cast<double>(now_ms)) + kDumpPause * cost_ms;
  }
  std::vector<Wanted> wanted;
  std::string speaker;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Claim& claim = *asked[i];
    if (!found) {
      cannot_check(claim, found.error().message, now_ms);
    } else if (const auto& row = (*found)[i]; (!row || !is_named(*row, names[i])) && claim.queue.ended) {
      cannot_check(claim, "it is closed", now_ms);  // it may have been true, for less than a tick
    } else if (!row || !is_named(*row, names[i])) {
      if (speaker.empty()) speaker = process_text(claim.pid);
      reject(claim, kNoConnection,
             fmt::format("{}: there is no connection {} in its network namespace", speaker, claim.connection.text()),
             now_ms);
    } else {
      auto before = proofs_.find(Key(claim.pid, claim.connection));
      int fd = before != proofs_.end() ? before->second.fd : -1;
      wanted.push_back({&claim, {netns.id, row->local, row->remote, row->cookie, row->inode, fd, "", now_ms, now_ms}});
    }
  }
  if (!wanted.empty()) find_descriptors(round, std::move(wanted));
}

void UserQueueBook::find_descriptors(Round& round, std::vector<Wanted> wanted) {
  std::uint64_t now_ms = round.scene.now_ms;
  Pid pid = wanted.front().claim->pid;
  std::string comm;
  if (auto text = root_.read(fmt::format("/proc/{}/comm", pid))) comm = printable(trimmed(*text));
  for (Wanted& one : wanted) one.proof.comm = comm;

  std::erase_if(wanted, [&](Wanted& one) {
    if (!descriptor_leads_to(pid, one.proof.fd, one.proof.inode)) return false;
    accept(*one.claim, std::move(one.proof), now_ms);
    return true;
  });
  if (wanted.empty()) return;
  if (files_debt_ >= kFilesPerCheck) {
    return round.wait_for(pid);
  }
  sources::OwnerScan scan = sources::scan_owner(root_, pid, kFilesOfOne);
  files_debt_ += scan.files;
  std::string speaker = process_text(pid);
  for (Wanted& one : wanted) {
    auto holders = one.proof.inode != 0 ? scan.of(one.proof.inode) : std::span<const os::Descriptor>();
    if (!holders.empty()) {
      one.proof.fd = holders.front().fd;
      accept(*one.claim, std::move(one.proof), now_ms);
    } else if (scan.unreadable > 0) {
      cannot_check(*one.claim, fmt::format("/proc/{}/fd may not be read", pid), now_ms);
    } else if (scan.over_limit > 0) {
      cannot_check(*one.claim, fmt::format("it has more than {} descriptors", kFilesOfOne), now_ms);
    } else {
      reject(*one.claim, kNotHeld, fmt::format("{} does not hold {}", speaker, one.claim->connection.text()), now_ms);
    }
  }
}

bool UserQueueBook::descriptor_leads_to(Pid pid, int fd, std::uint64_t inode) const {
  if (fd < 0 || inode == 0) return false;
  auto link = root_.read_link(fmt::format("/proc/{}/fd/{}", pid, fd));
  return link && sources::parse_socket_link(*link) == inode;
}

void UserQueueBook::accept(const Claim& claim, Proof proof, std::uint64_t now_ms) {
  inbox_.believe(claim);
  Proof& kept = proofs_[Key(claim.pid, claim.connection)];
  kept = std::move(proof);
  show(claim, kept, now_ms);
}

void UserQueueBook::reject(const Claim& claim, std::string_view kind, const std::string& why, std::uint64_t now_ms) {
  auto proof = proofs_.find(Key(claim.pid, claim.connection));
  // It held the socket a moment ago and has closed it: its last word may be on the way.
  bool closing = claim.believed && proof != proofs_.end() && claim.heard_ms <= proof->second.held_ms + kClosingMs;
  if (!closing) inbox_.refuse(claim, kind, why, now_ms);
}

void UserQueueBook::cannot_check(const Claim& claim, const std::string& why, std::uint64_t now_ms) {
  std::string text = fmt::format("cannot check that pid {} holds {}: {}", claim.pid, claim.connection.text(), why);
  reject(claim, kCannotCheck, text, now_ms);
}

void UserQueueBook::show(const Claim& claim, const Proof& proof, std::uint64_t now_ms) {
  UserQueue& queue = queues_.emplace_back(claim.queue);
  queue.netns = proof.netns;
  queue.local = proof.local;
  queue.remote = proof.remote;
  queue.cookie = proof.cookie;
  queue.pid = claim.pid;
  queue.comm = proof.comm;
  queue.age_ms = now_ms - std::min(now_ms, claim.heard_ms);
}

/// Several processes may hold one socket and speak for it, and addresses are used again: the living before the ended,
/// then the latest word.
void UserQueueBook::one_for_each_connection() {
  std::ranges::sort(queues_, [](const UserQueue& a, const UserQueue& b) {
    return std::tuple(connection_of(a), a.ended, a.age_ms) < std::tuple(connection_of(b), b.ended, b.age_ms);
  });
  auto same = [](const UserQueue& a, const UserQueue& b) { return connection_of(a) == connection_of(b); };
  auto rest = std::ranges::unique(queues_, same);
  queues_.erase(rest.begin(), rest.end());
}

std::string UserQueueBook::process_text(Pid pid) const {
  auto comm = root_.read(fmt::format("/proc/{}/comm", pid));
  return comm ? fmt::format("pid {} ({})", pid, printable(trimmed(*comm))) : fmt::format("pid {}", pid);
}

std::string UserQueueBook::remark() const {
  std::set<Pid> speakers;
  for (const UserQueue& queue : queues_) speakers.insert(queue.pid);
  std::string text = speakers.empty() ? "no program speaks"
                                      : fmt::format("{} program{} speak{} for {} connection{}", speakers.size(),
                                                    speakers.size() == 1 ? "" : "s", speakers.size() == 1 ? "s" : "",
                                                    queues_.size(), queues_.size() == 1 ? "" : "s");
  if (std::string refusals = latest(inbox_.refusals()); !refusals.empty()) text += "; refused " + refusals;
  if (std::string over = latest(inbox_.over_limit()); !over.empty()) text += "; over the limit " + over;
  return text;
}

std::vector<std::string> UserQueueBook::complaints(std::uint64_t now_ms) {
  std::vector<std::string> lines;
  auto tell = [&](const sources::UserQueueInbox::Counts& counts) {
    for (const auto& [kind, count] : counts) {
      auto [at, is_new] = told_.try_emplace(kind);
      Told& told = at->second;
      if (count.count == told.count || (!is_new && now_ms < told.at_ms + kComplainEveryMs)) continue;
      std::uint64_t more = count.count - told.count;
      lines.push_back(fmt::format("user queue refused, {}: {}{}", kind, count.last,
                                  more > 1 ? fmt::format(" (and {} more)", with_commas(more - 1)) : ""));
      told = {count.count, now_ms};
    }
  };
  tell(inbox_.refusals());
  tell(inbox_.over_limit());
  return lines;
}

std::uint64_t UserQueueBook::refused() const {
  return sum(inbox_.refusals());
}
std::uint64_t UserQueueBook::over_limit() const {
  return sum(inbox_.over_limit());
}

}  // namespace tcpadvisor::collect
