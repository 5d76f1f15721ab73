// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/host_collector.h"

#include <algorithm>
#include <set>

#include "advisor/base/saturate.h"
#include "agent/collect/host_load.h"
#include "agent/collect/netns_book.h"
#include "agent/collect/probe.h"
#include "agent/collect/self_measure.h"
#include "agent/collect/setting_book.h"
#include "agent/collect/snapshot.h"
#include "agent/sources/host_facts.h"
#include "agent/sources/net_counters.h"

namespace tcpadvisor::collect {
namespace {

class HostCollector final : public Collector {
 public:
  explicit HostCollector(Parts parts)
      : parts_(std::move(parts)),
        settings_(parts_.root),
        snapshot_(parts_.options, parts_.root, *parts_.clock, *parts_.tracer),
        self_(parts_.options, parts_.root, *parts_.clock, *parts_.tracer) {
    if (parts_.user_queues) {
      user_queues_ = std::make_unique<UserQueueBook>(parts_.user_queues->inbox(), parts_.root, parts_.find_sockets);
      if (parts_.options.netns.kind != NetnsChoice::Kind::all) parts_.user_queues->inbox().wait_for_settling();
    }
  }

  Status prepare();
  Result<SamplePtr> tick() override;
  std::optional<std::uint64_t> happened() override;
  const std::vector<FactCoverage>& coverage() const override { return coverage_; }
  const std::string& privileges_kept() const override { return guarded_.kept; }
  std::string writes() const override { return guarded_.looker ? guarded_.looker->writes() : ""; }
  void as_looker(const std::function<void()>& work) override {
    if (!guarded_.looker) return work();
    guarded_.looker->thread().run([&work] { work(); }).get();
  }

 private:
  Status guard();
  Result<SamplePtr> tick_here();
  void say_who_listens();
  template <typename Event>
  std::vector<Event> by_our_pids(std::vector<Event> events) const;
  template <typename T>
  void keep_chosen(std::vector<T>& of_all_namespaces) const;
  void hear_user_queues(Sample& sample);
  void count_losses(std::map<std::string, std::uint64_t>& lost) const;
  void refresh_coverage();

  Parts parts_;
  SettingBook settings_;
  Snapshot snapshot_;
  SelfMeasure self_;
  NetnsBook netns_;
  OwnFacts own_facts_;
  std::vector<FactCoverage> coverage_;
  Guarded guarded_;
  std::unique_ptr<UserQueueBook> user_queues_;  ///< null: not listening
};

Status HostCollector::prepare() {
  if (auto status = snapshot_.open(); !status) return status;
  // Which others there are is no question where one is chosen; whether that one can be entered is told by itself.
  bool all = parts_.options.netns.kind == NetnsChoice::Kind::all;
  own_facts_.namespaces = all ? probe_namespaces() : std::vector<Attempt>{works("the chosen namespace")};
  own_facts_.cgroups = snapshot_.cgroups().attempts();
  own_facts_.cgroups_remark = snapshot_.cgroups().remark();
  say_who_listens();
  probe_conntrack(parts_.root, own_facts_);
  Sample first;
  describe_load(parts_.root, first, own_facts_);
  if (auto status = guard(); !status) return status;
  as_looker([this] { self_.open(); });  // with what is left of them
  if (parts_.user_queues) parts_.user_queues->start();
  refresh_coverage();
  return {};
}

void HostCollector::say_who_listens() {
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
}

Status HostCollector::guard() {
  if (parts_.guard) {
    Needs needs;
    needs.descriptors = kind_in_use(snapshot_.owners().attempts()) == SourceKind::proc_fd;
    needs.other_netns =
        parts_.options.netns.kind == NetnsChoice::Kind::all ||
        std::ranges::any_of(snapshot_.netns().found, [](const os::NetnsRef& ref) { return !ref.is_own; });
    auto guarded = parts_.guard(*parts_.tracer, needs);
    if (!guarded) return std::unexpected(guarded.error());
    guarded_ = std::move(*guarded);
  }
  // Threads keep the capabilities that they start with, so only now.
  if (guarded_.others_read_kernel) snapshot_.start_owner_thread();
  return {};
}

Result<SamplePtr> HostCollector::tick() {
  std::optional<Result<SamplePtr>> sample;
  as_looker([&] { sample = tick_here(); });
  return std::move(*sample);
}

std::optional<std::uint64_t> HostCollector::happened() {
  using Kind = NetnsChoice::Kind;
  if (parts_.options.netns.kind != Kind::all && parts_.options.netns.kind != Kind::host) return std::nullopt;
  std::optional<std::uint64_t> count;
  as_looker([&] {
    auto text = parts_.root.read("/proc/thread-self/net/snmp");
    Counters counters;
    if (!text || !sources::parse_counters(*text, "snmp", counters)) return;
    count = 0;
    for (const char* name : {"Tcp.InSegs", "Tcp.OutSegs", "Ip.ForwDatagrams"}) {
      if (auto found = counters.find(name); found != counters.end()) *count = add_sat(*count, found->second);
    }
    // Those of all namespaces, and what segments do not show: a listener that refuses, a process that ends.
    if (auto life = parts_.tracer->lifecycle()) *count = add_sat(*count, add_sat(life->opened, life->closed));
  });
  return count;
}

Result<SamplePtr> HostCollector::tick_here() {
  std::uint64_t now_ms = parts_.clock->mono_ms();
  self_.measure_hooks(now_ms);
  std::vector<NetnsReading> readings = snapshot_.read(now_ms);

  auto sample = std::make_shared<Sample>();
  std::vector<Error> host_errors;
  sample->host = sources::read_host_facts(parts_.root, host_errors);
  own_facts_.memory_problem = host_errors.empty() ? "" : host_errors.front().message;
  const Picture& picture = snapshot_.picture();
  netns_.describe(readings, picture, snapshot_.netns(), *sample, own_facts_);
  describe_memory(readings, picture.memory, *sample, own_facts_);
  describe_load(parts_.root, *sample, own_facts_);
  if (netns_.not_entered() == readings.size() && host_errors.size() >= 4) {
    return fail(ErrorCode::failed, "nothing could be read: " + host_errors.front().message);
  }
  hear_user_queues(*sample);
  sample->rows_suppressed = picture.rows_suppressed;
  sample->quiet_unlisted = picture.quiet_unlisted;
  sample->ports = picture.ports;
  sample->port_use = picture.port_use;
  sample->networks = picture.networks;
  sample->failed_connects = by_our_pids(parts_.tracer->failed_connects().value_or(std::vector<FailedConnects>{}));
  sample->closes = by_our_pids(parts_.tracer->closes().value_or(std::vector<Closes>{}));
  sample->retransmits = parts_.tracer->retransmits().value_or(std::vector<Retransmits>{});
  keep_chosen(sample->retransmits);
  // Of all namespaces, also of those that were not chosen: what one sends may be dropped in another, and "not dropped
  // on this host" has to mean all of it.
  sample->drops = parts_.tracer->drops().value_or(std::vector<Drops>{});
  sample->cgroups = picture.cgroups;
  sample->group_names = picture.group_names;
  sample->refusals = parts_.tracer->refusals();
  sample->lifecycle = parts_.tracer->lifecycle();
  sample->setting_files = settings_.files(now_ms);
  self_.describe(picture, sample->self);
  count_losses(sample->self.lost);
  sample->sockets = snapshot_.hand_over_rows();
  sample->owners = snapshot_.hand_over_owners();
  refresh_coverage();
  sample->coverage = coverage_;
  sample->mono_ms = parts_.clock->mono_ms();
  sample->wall_ms = parts_.clock->wall_ms();
  return sample;
}

/// The hooks see all namespaces, also those that were not chosen, and number processes as the first pid namespace does.
template <typename Event>
std::vector<Event> HostCollector::by_our_pids(std::vector<Event> events) const {
  if (const auto& ours = snapshot_.picture().our_pids) {
    for (Event& one : events) {
      auto known = ours->find(one.pid);
      one.pid = known == ours->end() ? 0 : known->second;  // outside, or holds no socket now
    }
  }
  keep_chosen(events);
  return events;
}

template <typename T>
void HostCollector::keep_chosen(std::vector<T>& of_all_namespaces) const {
  if (parts_.options.netns.kind == NetnsChoice::Kind::all) return;
  std::set<NetnsId> chosen;
  for (const os::NetnsRef& ref : snapshot_.netns().found) chosen.insert(ref.id);
  std::erase_if(of_all_namespaces, [&](const T& one) { return !chosen.contains(one.netns); });
}

void HostCollector::hear_user_queues(Sample& sample) {
  if (!user_queues_) return;
  UserQueueBook::Scene scene;
  if (snapshot_.owners_are_new()) scene.rows = snapshot_.picture().rows;
  if (parts_.options.netns.kind != NetnsChoice::Kind::all) {
    for (const os::NetnsRef& ref : snapshot_.netns().found) scene.netns.insert(ref.id);
  }
  scene.now_ms = parts_.clock->mono_ms();
  user_queues_->check(scene);
  sample.user_queues = user_queues_->queues();
  own_facts_.user_queues_remark = user_queues_->remark();
  if (auto failure = parts_.user_queues->failure()) {  // the receiver's thread has ended
    Attempt& attempt = own_facts_.user_queues.front();
    attempt.outcome = AttemptOutcome::stopped;
    attempt.why_not = "stopped working: " + failure->message;
    attempt.sys_errno = failure->sys_errno;
  }
  if (!parts_.options.complain) return;
  for (const std::string& line : user_queues_->complaints(scene.now_ms)) parts_.options.complain(line);
}

void HostCollector::count_losses(std::map<std::string, std::uint64_t>& lost) const {
  lost["namespaces_unreachable"] = netns_.not_entered();
  lost["namespaces_over_limit"] = snapshot_.netns().over_limit;
  lost["processes_unreadable"] = snapshot_.unreadable_processes();
  lost["networks_uncounted"] = snapshot_.picture().networks_uncounted;
  lost["ages_not_remembered"] = snapshot_.ages_not_remembered();
  lost["files_unreadable"] = netns_.bad_texts();
  lost["user_queues_refused"] = user_queues_ ? user_queues_->refused() : 0;
  lost["user_queues_over_limit"] = user_queues_ ? user_queues_->over_limit() : 0;
}

void HostCollector::refresh_coverage() {
  own_facts_.snapshot = snapshot_.sockets().attempts();
  own_facts_.owners = snapshot_.owners().attempts();
  own_facts_.hooks_not_measured = self_.hooks_not_measured();
  own_facts_.unreadable_processes = snapshot_.unreadable_processes();
  coverage_ = cover(parts_.tracer->coverage(), own_facts_);
}

}  // namespace

Result<std::unique_ptr<Collector>> assemble(Parts parts) {
  auto collector = std::make_unique<HostCollector>(std::move(parts));
  if (auto status = collector->prepare(); !status) return std::unexpected(status.error());
  return collector;
}

}  // namespace tcpadvisor::collect
