// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <set>
#include <unordered_map>

#include "agent/collect/netns_choice.h"
#include "agent/collect/probe.h"
#include "agent/os/own_thread.h"
#include "agent/os/pid_namespace.h"
#include "agent/sources/kin.h"

namespace tcpadvisor::collect {
namespace {

constexpr std::uint64_t kFindNetnsEveryMs = 5'000;        // one readlink a process
constexpr std::uint64_t kFindNetnsAtMostEveryMs = 1'000;  // when one has vanished: another process may still be in it
constexpr std::uint64_t kReadSysctlsEveryMs = 5'000;      // some sixty files a namespace

/// Why a forced source is not there: what was tried, without the ways that the user did not want.
Error no_such_source(const std::vector<Attempt>& attempts) {
  std::string why;
  bool denied = false;
  for (const Attempt& attempt : attempts) {
    if (attempt.outcome == AttemptOutcome::not_wanted || attempt.outcome == AttemptOutcome::not_tried) continue;
    why += fmt::format("{}{}: {}{}", why.empty() ? "" : "; ", attempt.source, attempt.why_not,
                       attempt.cure.empty() ? "" : " (" + attempt.cure + ")");
    denied |= attempt.sys_errno == EPERM || attempt.sys_errno == EACCES;
  }
  return {denied ? ErrorCode::denied : ErrorCode::bad_input, "--sources: no such source works here: " + why, 0};
}

/// However the scope ends: the other thread's work uses what the next tick changes.
template <typename T>
class WaitsFor {
 public:
  explicit WaitsFor(std::future<T>& work) : work_(work) {}
  ~WaitsFor() {
    if (work_.valid()) work_.wait();
  }
  WaitsFor(const WaitsFor&) = delete;
  WaitsFor& operator=(const WaitsFor&) = delete;

 private:
  std::future<T>& work_;
};

bool has_walk(const NetnsReading& reading) {
  return reading.walk.has_value();
}

/// The first failure if no namespace could be walked.
const Error* all_walks_failed(const std::vector<NetnsReading>& readings) {
  const Error* first = nullptr;
  for (const NetnsReading& reading : readings) {
    if (!reading.walk_failed && !reading.not_entered) return nullptr;
    if (reading.walk_failed && first == nullptr) first = &*reading.walk_failed;
  }
  return first;
}

}  // namespace

Snapshot::Snapshot(const CollectorOptions& options, const os::ProcRoot& root, const os::Clock& clock,
                   kernel::Tracer& tracer)
    : options_(options),
      root_(root),
      clock_(clock),
      tracer_(tracer),
      cgroups_(root),
      pods_(root),
      pace_(options.budget_percent, options.interval),
      owner_pace_(options.budget_percent, options.interval) {
  filter_.old = options.old_age;
  in_first_pid_namespace_ = os::in_first_pid_namespace(root_);
}

Status Snapshot::open() {
  const std::vector<FactCoverage>& by_bpf = tracer_.coverage();
  sockets_ = SourceChoice(rank_attempts(by_bpf, FactId::snapshot, options_.sources, probe_snapshot(root_)));
  owners_ = SourceChoice(rank_attempts(by_bpf, FactId::owners, options_.sources, probe_owners(root_)));
  if (forced() && first_working(sockets_.attempts()) == nullptr) {
    return std::unexpected(no_such_source(sockets_.attempts()));
  }
  if (auto status = choose_netns(); !status) return status;
  if (auto sockstat = sources::read_net_files(root_).sockstat) host_sockets_ = sockstat->alloc;
  return {};
}

Status Snapshot::choose_netns() {
  auto chosen = collect::choose_netns(root_, os::find_netns(root_), options_.netns);
  if (!chosen) return std::unexpected(chosen.error());
  netns_ = std::move(*chosen);
  netns_found_ms_ = clock_.mono_ms();
  if (options_.netns.kind == NetnsChoice::Kind::all) return {};
  Status entered;
  Status ran = os::in_own_thread([&] {
    auto visit = os::NetnsVisit::enter(netns_.found.front());
    if (!visit) entered = std::unexpected(visit.error());
  });
  if (!ran) return ran;
  if (!entered && entered.error().code != ErrorCode::denied) entered.error().code = ErrorCode::bad_input;
  return entered;
}

void Snapshot::find_netns_again(std::uint64_t now_ms) {
  std::uint64_t every_ms = netns_vanished_ ? kFindNetnsAtMostEveryMs : kFindNetnsEveryMs;
  if (netns_found_ms_ && now_ms - *netns_found_ms_ < every_ms) return;
  netns_found_ms_ = now_ms;
  auto chosen = collect::choose_netns(root_, os::find_netns(root_), options_.netns);
  if (chosen) netns_ = std::move(*chosen);  // else: the chosen one has vanished; entering it says so at every tick
}

void Snapshot::scan_owners(std::uint64_t now_ms) {
  if (!owner_pace_.due(now_ms)) return;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  auto scan = sources::scan_owners(root_);
  if (scan) {
    owner_scan_ = std::move(*scan);
    owners_.succeeded(SourceKind::proc_fd);
  } else {
    owner_scan_.reset();
    owners_.failed(SourceKind::proc_fd, scan.error(), now_ms);
  }
  owner_pace_.walked(now_ms, os::thread_cpu_ns() - cpu_before);
}

Snapshot::Walked Snapshot::read_all(std::uint64_t now_ms, SourceKind sockets, const sources::OwnerScan* scan,
                                    bool sysctls) {
  Walked walked;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  RowKeeper keeper(filter_, options_.max_rows);  // one for the host: what matters most, in whichever namespace
  NetnsOrder order{.snapshot = sockets,
                   .sysctls = sysctls,
                   .tally = {filter_, &keeper, looks_ ? &busy_ : nullptr, 0, now_ms, scan, &walked.networks}};
  for (const os::NetnsRef& ref : netns_.found) {
    walked.readings.push_back(read_netns(ref, order, root_, tracer_, ages_, walked.owner_totals));
  }
  if (sockets != SourceKind::none) {
    ages_.end_walk();
    // /proc/net/tcp does not say who carries anything; what failed has shown nobody.
    const bool whole =
        sockets != SourceKind::proc_net_tcp && std::ranges::none_of(walked.readings, [](const NetnsReading& reading) {
          return reading.walk_failed.has_value();
        });
    if (looks_) busy_.end_walk(whole);
  }
  walked.rows = keeper.take();
  walked.rows_suppressed = keeper.suppressed();
  walked.cpu_ns = os::thread_cpu_ns() - cpu_before;
  return walked;
}

/// A source that fails in every namespace is replaced by the next best at once.
Snapshot::Walked Snapshot::read_by_best_source(std::uint64_t now_ms, const sources::OwnerScan* scan, bool sysctls) {
  SourceKind source = sockets_.best(now_ms);
  Walked walked = read_all(now_ms, source, scan, sysctls);
  if (forced()) return walked;          // it has no substitute: it stays, and says so
  while (source != SourceKind::none) {  // each round marks one more source as failed, so this ends
    const Error* why = all_walks_failed(walked.readings);
    if (why == nullptr) {
      if (std::ranges::any_of(walked.readings, &has_walk)) sockets_.succeeded(source);
      break;
    }
    sockets_.failed(source, *why, now_ms);
    source = sockets_.best(now_ms);
    if (source == SourceKind::none) break;
    std::uint64_t cpu_so_far_ns = walked.cpu_ns;
    walked = read_all(now_ms, source, scan, true);
    walked.cpu_ns += cpu_so_far_ns;
  }
  return walked;
}

Snapshot::OwnerResult Snapshot::walk_owners(SourceKind owners) const {
  OwnerResult result;
  if (owners != SourceKind::iter_task_file) return result;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  result.walk = tracer_.walk_owners(filter_);
  result.cpu_ns = os::thread_cpu_ns() - cpu_before;
  return result;
}

std::vector<NetnsReading> Snapshot::read(std::uint64_t now_ms) {
  find_netns_again(now_ms);
  bool walk = pace_.due(now_ms);
  // A row for every socket would cost more than the walk itself on a busy host: there those that matter get one, and
  // those that carry the most.
  filter_.all = options_.show_all && host_sockets_ <= options_.max_rows;
  looks_ = options_.show_all && !filter_.all;
  if (!looks_) busy_ = BusyFlows();  // whose turn it was long ago proves nothing
  if (walk) tracer_.look_at(looks_ ? &busy_.next(host_sockets_) : nullptr);
  bool one = options_.netns.kind != NetnsChoice::Kind::all && netns_.found.size() == 1;
  filter_.netns = one ? netns_.found.front().id : 0;
  bool sysctls = !sysctls_read_ms_ || now_ms - *sysctls_read_ms_ >= kReadSysctlsEveryMs;
  if (sysctls) sysctls_read_ms_ = now_ms;

  std::uint64_t start_ns = clock_.mono_ns();
  SourceKind owners = walk ? owners_.best(now_ms) : SourceKind::none;
  auto walk_them = [this, owners] { return walk_owners(owners); };
  std::future<OwnerResult> owners_later =
      owner_worker_ ? owner_worker_->run(walk_them) : std::async(std::launch::deferred, walk_them);
  WaitsFor both(owners_later);
  if (owners == SourceKind::proc_fd) scan_owners(now_ms);
  const sources::OwnerScan* scan_in_use = owners == SourceKind::proc_fd ? scan() : nullptr;
  Walked walked =
      walk ? read_by_best_source(now_ms, scan_in_use, sysctls) : read_all(now_ms, SourceKind::none, nullptr, sysctls);
  OwnerResult by_kernel = owners_later.get();
  owners_are_new_ = by_kernel.walk && *by_kernel.walk;
  if (owners_are_new_) {
    owners_.succeeded(owners);
    owner_scan_.reset();
  } else if (by_kernel.walk) {
    owners_.failed(owners, by_kernel.walk->error(), now_ms);
    if (owners_.best(now_ms) == SourceKind::proc_fd) scan_owners(now_ms);
  }
  if (walk) {
    std::optional<kernel::OwnerWalk> owner_walk;
    if (owners_are_new_) owner_walk = std::move(**by_kernel.walk);
    double wall_ms = static_cast<double>(clock_.mono_ns() - start_ns) / 1e6;
    pace_.walked(now_ms, walked.cpu_ns + by_kernel.cpu_ns);
    take_picture(now_ms, walked, std::move(owner_walk));
    picture_.wall_ms = wall_ms;
  }
  note_state_of_host(walked.readings);
  return std::move(walked.readings);
}

void Snapshot::note_state_of_host(const std::vector<NetnsReading>& readings) {
  netns_vanished_ = std::ranges::any_of(readings, [](const NetnsReading& reading) {
    return reading.not_entered && reading.not_entered->code == ErrorCode::not_found;
  });
  auto told = std::ranges::find_if(readings, [](const NetnsReading& reading) { return !!reading.files.sockstat; });
  if (told != readings.end()) host_sockets_ = told->files.sockstat->alloc;  // one number for the host
}

void Snapshot::take_picture(std::uint64_t now_ms, Walked& walked, std::optional<kernel::OwnerWalk> owner_walk) {
  OwnerEvidence evidence;
  evidence.walk = std::move(owner_walk);
  evidence.scan = scan();
  // Once a process, however many sockets it shares: their number is in other people's hands.
  evidence.kin_of = [this, known = std::unordered_map<Pid, os::Kin>()](Pid pid) mutable {
    auto [at, is_new] = known.try_emplace(pid);
    if (is_new) at->second = sources::read_kin(root_, pid);
    return at->second;
  };
  bool whole = evidence.walk ? evidence.walk->suppressed == 0
                             : scan() != nullptr && scan()->unreadable + scan()->over_limit == 0;
  evidence.sees_all = whole && in_first_pid_namespace_;
  evidence.sees_inside = whole && !in_first_pid_namespace_;
  StandStills without_descriptor = std::move(picture_.without_descriptor);
  evidence.without_descriptor = &without_descriptor;
  evidence.totals = std::move(walked.owner_totals);
  evidence.networks = std::move(walked.networks);
  picture_ = join(walked.readings, std::move(walked.rows), std::move(evidence), filter_);
  picture_.rows_suppressed += walked.rows_suppressed;
  picture_.quiet_unlisted = looks_ && busy_.lists_all_in_use();
  cgroups_.name(picture_, now_ms);
  processes_.complete(picture_.owners, root_, now_ms);
  keep_chosen_owners();
  cgroups_.add_memory(picture_, processes_);
  picture_.group_names = pods_.names_for(picture_, now_ms);
  name_owners_of_rows();
  picture_.end_ms = clock_.mono_ms();
}

void Snapshot::name_owners_of_rows() {
  std::map<Pid, const OwnerTotals*> by_pid;
  for (const OwnerTotals& owner : picture_.owners) by_pid[owner.pid] = &owner;
  for (NetworkTotals& network : picture_.networks) {
    if (auto at = by_pid.find(network.pid); at != by_pid.end()) network.comm = at->second->comm;
  }
  for (SocketRow& row : picture_.rows) {
    if (!row.owner) continue;
    for (HoldingProcess& other : row.others) {
      auto known = by_pid.find(other.pid);
      if (known == by_pid.end()) continue;
      other.comm = known->second->comm;
      other.pid_inside = known->second->pid_inside;
    }
    auto at = by_pid.find(row.owner->pid);
    if (at == by_pid.end()) continue;
    if (row.owner->comm.empty()) row.owner->comm = at->second->comm;
    if (row.cgroup.empty()) row.cgroup = at->second->cgroup;
  }
}

/// The walk over descriptors sees all namespaces; with one chosen, only the processes there and the holders of its rows
/// count.
void Snapshot::keep_chosen_owners() {
  if (options_.netns.kind == NetnsChoice::Kind::all) return;
  std::set<NetnsId> chosen;
  for (const os::NetnsRef& ref : netns_.found) chosen.insert(ref.id);
  std::set<Pid> holders;
  for (const SocketRow& row : picture_.rows) {
    if (row.owner) holders.insert(row.owner->pid);
    for (const HoldingProcess& other : row.others) holders.insert(other.pid);
  }
  std::erase_if(picture_.networks,
                [&](const NetworkTotals& one) { return one.pid != 0 && !chosen.contains(one.netns); });
  std::erase_if(picture_.owners, [&](const OwnerTotals& owner) {
    return !chosen.contains(owner.netns) && !holders.contains(owner.pid);
  });
}

std::vector<SocketRow> Snapshot::hand_over_rows() {
  return walks_at_every_tick() ? std::move(picture_.rows) : picture_.rows;
}
std::vector<OwnerTotals> Snapshot::hand_over_owners() {
  return walks_at_every_tick() ? std::move(picture_.owners) : picture_.owners;
}

}  // namespace tcpadvisor::collect
