// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/host_collector.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "agent/collect/cgroup_book.h"
#include "agent/collect/netns_choice.h"
#include "agent/collect/pace.h"
#include "agent/collect/probe.h"
#include "agent/collect/process_book.h"
#include "agent/os/worker.h"
#include "agent/sources/host_facts.h"

namespace tcpadvisor::collect {
namespace {

constexpr std::uint64_t kFindNetnsEveryMs = 5'000;        // one readlink a process
constexpr std::uint64_t kFindNetnsAtMostEveryMs = 1'000;  // when one has vanished: another process may still be in it
constexpr std::uint64_t kReadSysctlsEveryMs = 5'000;      // some sixty files a namespace

void mark_failed(std::vector<Attempt>& attempts, const Error& error) {
  auto at = std::ranges::find_if(attempts, &Attempt::works);
  if (at == attempts.end()) return;
  *at = works_not(at->kind, "stopped working: " + error.message, "", error.sys_errno);
  at->outcome = AttemptOutcome::stopped;
}

HookMeter::RunTime run_time_of(const kernel::HookCost& cost) {
  HookMeter::RunTime sum;
  for (const auto& program : cost.programs) {
    if (program.fact == FactId::snapshot || program.fact == FactId::owners)
      continue;  // our own walks, not what traffic pays
    sum.all_ns += program.run_time_ns;
    if (program.fact == FactId::calls) sum.calls_ns += program.run_time_ns;
  }
  return sum;
}

class HostCollector final : public Collector {
 public:
  explicit HostCollector(Parts parts)
      : parts_(std::move(parts)),
        cgroups_(parts_.root),
        pace_(parts_.options.budget_percent, parts_.options.interval),
        owner_pace_(parts_.options.budget_percent, parts_.options.interval),
        meter_(parts_.options.budget_percent) {
    filter_.old = parts_.options.old_age;
    if (parts_.user_queues) {
      user_queues_ = std::make_unique<UserQueueBook>(parts_.user_queues->inbox(), parts_.root, parts_.find_sockets);
    }
  }

  Status prepare();
  Result<SamplePtr> tick() override;
  const std::vector<FactCoverage>& coverage() const override { return coverage_; }
  const std::string& privileges_kept() const override { return privileges_kept_; }

 private:
  using Readings = std::vector<NetnsReading>;
  struct Timed {
    Readings readings;
    OwnerTable owner_totals;
    std::uint64_t cpu_ns = 0;
  };

  Status try_chosen_netns();
  void find_netns_again(std::uint64_t now_ms);
  Timed read_all(std::uint64_t now_ms, bool walk, bool sysctls);
  void scan_owners_if_due(std::uint64_t now_ms);
  void take_picture(std::uint64_t now_ms, Timed& timed, std::optional<kernel::OwnerWalk> owner_walk,
                    std::uint64_t cpu_ns, double wall_ms);
  void keep_chosen_owners();
  void hear_user_queues(bool rows_are_new, Sample& sample);
  void measure_hooks(std::uint64_t now_ms);
  void describe_netns(const Readings& readings, Sample& sample);
  void describe_memory(const Readings& readings, Sample& sample);
  void describe_self(Sample& sample);
  void refresh_coverage() { coverage_ = cover(parts_.tracer->coverage(), own_facts_); }
  bool forced() const { return parts_.options.sources != Sources::any; }

  Parts parts_;
  kernel::RowFilter filter_;
  OwnFacts own_facts_;
  std::vector<FactCoverage> coverage_;
  std::string privileges_kept_;
  os::NetnsList netns_;
  std::optional<std::uint64_t> netns_found_ms_, sysctls_read_ms_;
  bool netns_vanished_ = false;
  std::map<NetnsId, Sysctls> sysctls_;
  StateAges ages_;
  ProcessBook processes_;
  CgroupBook cgroups_;
  WalkPace pace_, owner_pace_;
  HookMeter meter_;
  double hook_ns_per_s_ = 0;
  std::optional<sources::OwnerScan> owner_scan_;
  Picture picture_;
  std::unique_ptr<UserQueueBook> user_queues_;  ///< null: not listening
  std::uint64_t last_cpu_ns_ = 0, last_mono_ns_ = 0;
  std::uint64_t host_sockets_ = 0;  ///< TCP sockets of the whole host at the last look
  std::uint64_t not_entered_ = 0, bad_texts_ = 0;
  // Started at the first tick: threads keep the capabilities they start with, and privileges are dropped before.
  std::unique_ptr<os::Worker> netns_worker_, owner_worker_;
};

Status HostCollector::prepare() {
  const CollectorOptions& options = parts_.options;
  own_facts_.snapshot =
      rank_attempts(parts_.tracer->coverage(), FactId::snapshot, options.sources, probe_snapshot(parts_.root));
  own_facts_.owners =
      rank_attempts(parts_.tracer->coverage(), FactId::owners, options.sources, probe_owners(parts_.root));
  own_facts_.namespaces = probe_namespaces();
  own_facts_.cgroups = cgroups_.attempts();
  own_facts_.cgroups_remark = cgroups_.remark();
  own_facts_.owners_from_rows = kind_in_use(own_facts_.snapshot) == SourceKind::iter_tcp;
  static constexpr const char* kDatagrams = "unix datagrams from programs";
  if (parts_.user_queues) {
    own_facts_.user_queues = {works(kDatagrams)};
    own_facts_.user_queues_remark = "listening on " + parts_.user_queues->path();
  } else {
    const Error& why = parts_.no_user_queues;
    own_facts_.user_queues = {works_not(
        kDatagrams, why.message,
        "TCPADVISOR_QUEUES=DIR for the agent and for the programs, a directory that both may use", why.sys_errno)};
  }
  if (forced() && kind_in_use(own_facts_.snapshot) == SourceKind::none) {
    std::string why;
    bool denied = false;
    for (const Attempt& attempt : own_facts_.snapshot) {
      if (attempt.outcome == AttemptOutcome::not_wanted || attempt.outcome == AttemptOutcome::not_tried) continue;
      why += fmt::format("{}{}: {}{}", why.empty() ? "" : "; ", attempt.source, attempt.why_not,
                         attempt.cure.empty() ? "" : " (" + attempt.cure + ")");
      denied |= attempt.sys_errno == EPERM || attempt.sys_errno == EACCES;
    }
    return fail(denied ? ErrorCode::denied : ErrorCode::bad_input, "--sources: no such source works here: " + why);
  }
  if (auto status = try_chosen_netns(); !status) return status;
  if (auto sockstat = sources::read_net_files(parts_.root).sockstat) host_sockets_ = sockstat->alloc;
  refresh_coverage();
  // /proc/*/fd of other users needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH at every scan: then there is nothing to
  // drop.
  bool needs_all = kind_in_use(own_facts_.owners) == SourceKind::proc_fd;
  if (parts_.drop_privileges && !needs_all) {
    bool other_netns = options.netns.kind == NetnsChoice::Kind::all ||
                       std::ranges::any_of(netns_.found, [](const os::NetnsRef& ref) { return !ref.is_own; });
    auto kept = parts_.drop_privileges(*parts_.tracer, other_netns);
    if (!kept) return std::unexpected(kept.error());
    privileges_kept_ = std::move(*kept);
  }
  return {};
}

Status HostCollector::try_chosen_netns() {
  auto chosen = choose_netns(parts_.root, os::find_netns(parts_.root), parts_.options.netns);
  if (!chosen) return std::unexpected(chosen.error());
  netns_ = std::move(*chosen);
  netns_found_ms_ = parts_.clock->mono_ms();
  if (parts_.options.netns.kind == NetnsChoice::Kind::all) return {};
  Status entered;
  std::thread([&] {
    auto visit = os::NetnsVisit::enter(netns_.found.front());
    if (!visit) entered = std::unexpected(visit.error());
  }).join();
  if (!entered && entered.error().code != ErrorCode::denied) entered.error().code = ErrorCode::bad_input;
  return entered;
}

void HostCollector::find_netns_again(std::uint64_t now_ms) {
  std::uint64_t every_ms = netns_vanished_ ? kFindNetnsAtMostEveryMs : kFindNetnsEveryMs;
  if (netns_found_ms_ && now_ms - *netns_found_ms_ < every_ms) return;
  netns_found_ms_ = now_ms;
  auto chosen = choose_netns(parts_.root, os::find_netns(parts_.root), parts_.options.netns);
  if (chosen) netns_ = std::move(*chosen);  // else: the chosen one has vanished; entering it says so at every tick
}

void HostCollector::scan_owners_if_due(std::uint64_t now_ms) {
  if (kind_in_use(own_facts_.owners) != SourceKind::proc_fd || !owner_pace_.due(now_ms)) return;
  std::uint64_t cpu_before = os::thread_cpu_ns();
  if (auto scan = sources::scan_owners(parts_.root)) {
    own_facts_.unreadable_processes = scan->unreadable;
    owner_scan_ = std::move(*scan);
  }
  owner_pace_.walked(now_ms, os::thread_cpu_ns() - cpu_before);
}

HostCollector::Timed HostCollector::read_all(std::uint64_t now_ms, bool walk, bool sysctls) {
  return netns_worker_
      ->run([&] {
        Timed timed;
        if (walk) scan_owners_if_due(now_ms);
        std::uint64_t cpu_before = os::thread_cpu_ns();
        NetnsOrder order;
        if (walk) order.snapshot = kind_in_use(own_facts_.snapshot);
        order.sysctls = sysctls;
        order.tally = {filter_, parts_.options.max_rows, 0, now_ms, owner_scan_ ? &*owner_scan_ : nullptr};
        for (const os::NetnsRef& ref : netns_.found) {
          timed.readings.push_back(read_netns(ref, order, parts_.root, *parts_.tracer, ages_, timed.owner_totals));
        }
        if (walk) ages_.end_walk();
        timed.cpu_ns = os::thread_cpu_ns() - cpu_before;
        return timed;
      })
      .get();
}

Result<SamplePtr> HostCollector::tick() {
  if (!netns_worker_) netns_worker_ = std::make_unique<os::Worker>("netns");
  if (!owner_worker_) owner_worker_ = std::make_unique<os::Worker>("owners");
  if (parts_.user_queues) parts_.user_queues->start();
  std::uint64_t now_ms = parts_.clock->mono_ms();
  find_netns_again(now_ms);
  measure_hooks(now_ms);

  bool walk = pace_.due(now_ms);
  // A row for every socket would cost more than the walk itself on a busy host: there only those that matter get one.
  filter_.all = parts_.options.show_all && host_sockets_ <= parts_.options.max_rows;
  bool sysctls = !sysctls_read_ms_ || now_ms - *sysctls_read_ms_ >= kReadSysctlsEveryMs;
  if (sysctls) sysctls_read_ms_ = now_ms;

  struct TimedOwners {
    std::optional<Result<kernel::OwnerWalk>> walk;
    std::uint64_t cpu_ns = 0;
  };
  std::uint64_t start_ns = parts_.clock->mono_ns();
  bool bpf_owners = walk && kind_in_use(own_facts_.owners) == SourceKind::iter_task_file;
  auto owners_later = owner_worker_->run([this, bpf_owners] {
    TimedOwners timed;
    if (!bpf_owners) return timed;
    std::uint64_t cpu_before = os::thread_cpu_ns();
    timed.walk = parts_.tracer->walk_owners(filter_);
    timed.cpu_ns = os::thread_cpu_ns() - cpu_before;
    return timed;
  });
  Timed timed;
  try {
    timed = read_all(now_ms, walk, sysctls);
  } catch (...) {
    owners_later.wait();  // it uses what the next tick changes
    throw;
  }
  TimedOwners owners = owners_later.get();

  auto walk_failed = [](const NetnsReading& reading) { return reading.not_entered || reading.walk_failed; };
  auto first_failure =
      std::ranges::find_if(timed.readings, [](const NetnsReading& reading) { return reading.walk_failed.has_value(); });
  if (first_failure != timed.readings.end() && !forced() && std::ranges::all_of(timed.readings, walk_failed)) {
    mark_failed(own_facts_.snapshot, *first_failure->walk_failed);  // the next best source, from now on
    if (kind_in_use(own_facts_.snapshot) != SourceKind::none) timed = read_all(now_ms, walk, true);
  }
  if (owners.walk && !*owners.walk) mark_failed(own_facts_.owners, owners.walk->error());
  if (walk) {
    std::optional<kernel::OwnerWalk> owner_walk;
    if (owners.walk && *owners.walk) owner_walk = std::move(**owners.walk);
    double wall_ms = static_cast<double>(parts_.clock->mono_ns() - start_ns) / 1e6;
    take_picture(now_ms, timed, std::move(owner_walk), timed.cpu_ns + owners.cpu_ns, wall_ms);
  }

  auto sample = std::make_shared<Sample>();
  std::vector<Error> host_errors;
  sample->host = sources::read_host_facts(parts_.root, host_errors);
  own_facts_.memory_problem = host_errors.empty() ? "" : host_errors.front().message;
  describe_netns(timed.readings, *sample);
  describe_memory(timed.readings, *sample);
  if (not_entered_ == timed.readings.size() && host_errors.size() >= 4) {
    return fail(ErrorCode::failed, "nothing could be read: " + host_errors.front().message);
  }
  bool last_use = pace_.period() <= parts_.options.interval;  // the next tick walks again
  auto hand_over = [last_use](auto& from) { return last_use ? std::move(from) : from; };
  hear_user_queues(owners.walk && *owners.walk, *sample);
  sample->rows_suppressed = picture_.rows_suppressed;
  sample->ports = picture_.ports;
  sample->cgroups = picture_.cgroups;
  sample->refusals = parts_.tracer->refusals();
  sample->lifecycle = parts_.tracer->lifecycle();
  describe_self(*sample);
  sample->sockets = hand_over(picture_.rows);
  sample->owners = hand_over(picture_.owners);
  refresh_coverage();
  sample->coverage = coverage_;
  sample->mono_ms = parts_.clock->mono_ms();
  sample->wall_ms = parts_.clock->wall_ms();
  return sample;
}

void HostCollector::take_picture(std::uint64_t now_ms, Timed& timed, std::optional<kernel::OwnerWalk> owner_walk,
                                 std::uint64_t cpu_ns, double wall_ms) {
  OwnerEvidence evidence;
  evidence.walk = std::move(owner_walk);
  evidence.scan = owner_scan_ ? &*owner_scan_ : nullptr;
  evidence.totals = std::move(timed.owner_totals);
  evidence.totals_from_rows = !evidence.walk && kind_in_use(own_facts_.snapshot) == SourceKind::iter_tcp;
  picture_ = join(timed.readings, std::move(evidence), filter_, parts_.options.max_rows);
  picture_.wall_ms = wall_ms;
  cgroups_.name(picture_, now_ms);
  processes_.complete(picture_.owners, parts_.root, now_ms);
  keep_chosen_owners();
  cgroups_.add_memory(picture_, processes_);

  std::map<Pid, const OwnerTotals*> by_pid;
  for (const OwnerTotals& owner : picture_.owners) by_pid[owner.pid] = &owner;
  for (SocketRow& row : picture_.rows) {
    if (!row.owner) continue;
    auto at = by_pid.find(row.owner->pid);
    if (at == by_pid.end()) continue;
    if (row.owner->comm.empty()) row.owner->comm = at->second->comm;
    if (row.cgroup.empty()) row.cgroup = at->second->cgroup;
  }
  picture_.end_ms = parts_.clock->mono_ms();
  pace_.walked(now_ms, cpu_ns);
}

/// The walk over descriptors sees all namespaces; with one chosen, only the processes there and the holders of its rows
/// count.
void HostCollector::keep_chosen_owners() {
  if (parts_.options.netns.kind == NetnsChoice::Kind::all) return;
  std::set<NetnsId> chosen;
  for (const os::NetnsRef& ref : netns_.found) chosen.insert(ref.id);
  std::set<Pid> holders;
  for (const SocketRow& row : picture_.rows) {
    if (row.owner) holders.insert(row.owner->pid);
  }
  std::erase_if(picture_.owners, [&](const OwnerTotals& owner) {
    return !chosen.contains(owner.netns) && !holders.contains(owner.pid);
  });
}

void HostCollector::hear_user_queues(bool rows_are_new, Sample& sample) {
  if (!user_queues_) return;
  UserQueueBook::Scene scene;
  if (rows_are_new) scene.rows = picture_.rows;
  if (parts_.options.netns.kind != NetnsChoice::Kind::all) {
    for (const os::NetnsRef& ref : netns_.found) scene.netns.insert(ref.id);
  }
  scene.now_ms = parts_.clock->mono_ms();
  netns_worker_->run([&] { user_queues_->check(scene); }).get();
  sample.user_queues = user_queues_->queues();
  own_facts_.user_queues_remark = user_queues_->remark();
  if (auto failure = parts_.user_queues->failure()) mark_failed(own_facts_.user_queues, *failure);
  if (!parts_.options.complain) return;
  for (const std::string& line : user_queues_->complaints(scene.now_ms)) parts_.options.complain(line);
}

void HostCollector::measure_hooks(std::uint64_t now_ms) {
  if (parts_.options.hooks == kernel::Hooks::none) return;
  if (meter_.should_finish(now_ms)) {
    HookMeter::Cost cost = meter_.finished(now_ms, run_time_of(parts_.tracer->cost()));
    (void)parts_.tracer->measure(false);
    hook_ns_per_s_ = cost.all_ns_per_s;
    if (cost.calls_over_budget && parts_.options.calls == kernel::Calls::any) {
      parts_.tracer->stop_calls(fmt::format("the hooks on every call took {:.1f}% of a core, the budget is {:g}%",
                                            cost.calls_ns_per_s / 1e7, parts_.options.budget_percent));
    }
  } else if (meter_.should_start(now_ms)) {
    if (parts_.tracer->measure(true)) {
      meter_.started(now_ms, run_time_of(parts_.tracer->cost()));
    } else {
      meter_.give_up();
    }
  }
}

void HostCollector::describe_netns(const Readings& readings, Sample& sample) {
  not_entered_ = 0;
  netns_vanished_ = false;
  bool any_counters = false, any_settings = false;
  std::string first_refusal;
  own_facts_.counters_problem.clear();
  own_facts_.settings_problem.clear();
  for (const NetnsReading& reading : readings) {
    NetnsSample netns;
    netns.id = reading.ref.id;
    netns.name = reading.ref.name;
    netns.is_host = reading.ref.is_host;
    if (reading.not_entered) {
      ++not_entered_;
      netns_vanished_ |= reading.not_entered->code == ErrorCode::not_found;
      netns.error = reading.not_entered->message;
      if (first_refusal.empty()) first_refusal = netns.error;
      sample.netns.push_back(std::move(netns));
      continue;
    }
    if (reading.sysctls) sysctls_[netns.id] = *reading.sysctls;
    if (auto known = sysctls_.find(netns.id); known != sysctls_.end()) netns.sysctls = known->second;
    if (auto states = picture_.states.find(netns.id); states != picture_.states.end()) netns.states = states->second;
    if (auto why = picture_.failed.find(netns.id); why != picture_.failed.end()) netns.error = why->second;
    netns.counters = reading.files.counters;
    netns.sockstat = reading.files.sockstat;
    bad_texts_ += reading.files.errors.size();
    for (const Error& error : reading.files.errors) {
      if (netns.error.empty()) netns.error = error.message;
      if (own_facts_.counters_problem.empty()) own_facts_.counters_problem = error.message;
    }
    if (reading.sysctls_failed) own_facts_.settings_problem = reading.sysctls_failed->message;
    any_counters |= !netns.counters.empty();
    any_settings |= !netns.sysctls.empty();
    sample.netns.push_back(std::move(netns));
  }
  std::erase_if(sysctls_, [&](const auto& entry) { return sample.find_netns(entry.first) == nullptr; });
  own_facts_.counters_read = any_counters;
  own_facts_.settings_read = any_settings;

  std::string remark =
      fmt::format("{} of {} read", readings.size() - not_entered_, readings.size() + netns_.over_limit);
  if (!first_refusal.empty()) remark += "; " + first_refusal;
  if (netns_.unreadable > 0)
    remark += fmt::format("; {} processes hide theirs (needs CAP_SYS_PTRACE)", netns_.unreadable);
  if (netns_.over_limit > 0) remark += fmt::format("; {} over the limit", netns_.over_limit);
  own_facts_.namespaces_remark = remark;
}

void HostCollector::describe_memory(const Readings& readings, Sample& sample) {
  sample.memory = picture_.memory;  // the kernel's walk also knows since when pressure lasts
  sample.memory.page_size = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  for (const NetnsReading& reading :
       readings) {  // orphan, alloc and mem are host-wide: any namespace will do, the host's is first
    if (!sample.host_sockstat && reading.files.sockstat) sample.host_sockstat = reading.files.sockstat;
    if (const auto& protocol = reading.files.protocol) {
      if (!sample.memory.pages) sample.memory.pages = protocol->memory_pages;
      if (!sample.memory.under_pressure) sample.memory.under_pressure = protocol->under_pressure;
    }
  }
  if (sample.host_sockstat) host_sockets_ = sample.host_sockstat->alloc;
  if (!sample.memory.pages && sample.host_sockstat) sample.memory.pages = sample.host_sockstat->mem_pages;
  for (const NetnsSample& netns : sample.netns) {
    auto limits = netns.sysctls.find("net.ipv4.tcp_mem");
    if (sample.memory.limits_pages || limits == netns.sysctls.end() || limits->second.values.size() != 3) continue;
    std::array<std::uint64_t, 3> pages{};
    std::ranges::transform(limits->second.values, pages.begin(),
                           [](std::int64_t value) { return static_cast<std::uint64_t>(value); });
    sample.memory.limits_pages = pages;
  }
  own_facts_.memory_read = sample.memory.pages.has_value();
  if (!own_facts_.memory_read && own_facts_.memory_problem.empty())
    own_facts_.memory_problem = own_facts_.counters_problem;
}

void HostCollector::describe_self(Sample& sample) {
  SelfCost& self = sample.self;
  self.snapshot_ms = picture_.wall_ms;
  self.snapshot_age_ms = static_cast<double>(parts_.clock->mono_ms() - picture_.end_ms);
  self.sockets_walked = picture_.walked;
  self.partial_why = picture_.why_partial();
  self.partial = !self.partial_why.empty();
  std::uint64_t cpu_ns = os::process_cpu_ns(), mono_ns = parts_.clock->mono_ns();
  if (last_mono_ns_ != 0 && mono_ns > last_mono_ns_) {
    self.cpu_percent =
        100.0 * static_cast<double>(cpu_ns - last_cpu_ns_) / static_cast<double>(mono_ns - last_mono_ns_);
  }
  last_cpu_ns_ = cpu_ns;
  last_mono_ns_ = mono_ns;
  self.rss_bytes = sources::read_own_rss_bytes(parts_.root);
  self.hook_ns_per_s = hook_ns_per_s_;
  self.lost = parts_.tracer->lost();
  self.lost["rows_suppressed"] = picture_.rows_suppressed;
  self.lost["owners_suppressed"] = picture_.owners_suppressed;
  self.lost["sockets_unaggregated"] = picture_.unaggregated;
  self.lost["dumps_interrupted"] = picture_.dumps_interrupted;
  self.lost["messages_undecodable"] = picture_.undecodable;
  self.lost["namespaces_unreachable"] = not_entered_;
  self.lost["namespaces_over_limit"] = netns_.over_limit;
  self.lost["processes_unreadable"] = own_facts_.unreadable_processes;
  self.lost["ages_not_remembered"] = ages_.not_remembered();
  self.lost["files_unreadable"] = bad_texts_;
  self.lost["user_queues_refused"] = user_queues_ ? user_queues_->refused() : 0;
  self.lost["user_queues_over_limit"] = user_queues_ ? user_queues_->over_limit() : 0;
}

}  // namespace

Result<std::unique_ptr<Collector>> assemble(Parts parts) {
  auto collector = std::make_unique<HostCollector>(std::move(parts));
  if (auto status = collector->prepare(); !status) return std::unexpected(status.error());
  return collector;
}

}  // namespace tcpadvisor::collect
