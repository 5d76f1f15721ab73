// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/self_measure.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/sources/host_facts.h"

namespace tcpadvisor::collect {
namespace {

HookMeter::RunTime run_time_of(const kernel::HookCost& cost) {
  HookMeter::RunTime sum;
  for (const auto& program : cost.programs) {
    bool our_own_walk = program.fact == FactId::snapshot || program.fact == FactId::owners;
    if (our_own_walk) continue;  // not what traffic pays
    sum.all_ns += program.run_time_ns;
    if (program.fact == FactId::calls) sum.calls_ns += program.run_time_ns;
    if (program.fact == FactId::drops) sum.drops_ns += program.run_time_ns;
  }
  return sum;
}

}  // namespace

void SelfMeasure::open() {
  if (options_.hooks == kernel::Hooks::none) return;
  Status status = tracer_.measure(true);
  if (status) status = tracer_.measure(false);
  if (!status) not_measured_ = status.error().message;
}

std::string SelfMeasure::hooks_not_measured() const {
  bool any = std::ranges::find(tracer_.coverage(), SourceKind::hook, &FactCoverage::kind) != tracer_.coverage().end();
  return any ? not_measured_ : "";
}

void SelfMeasure::measure_hooks(std::uint64_t now_ms) {
  if (options_.hooks == kernel::Hooks::none) return;
  if (meter_.should_finish(now_ms)) {
    HookMeter::Cost cost = meter_.finished(now_ms, run_time_of(tracer_.cost()));
    (void)tracer_.measure(false);
    hook_ns_per_s_ = cost.all_ns_per_s;
    auto stop = [&](FactId fact, std::string_view hooks, double ns_per_s) {
      tracer_.stop(fact, fmt::format("{} took {:.1f}% of a core, the budget is {:g}%", hooks, ns_per_s / 1e7,
                                     options_.budget_percent));
    };
    if (cost.calls_over_budget && options_.calls == kernel::Calls::any)
      stop(FactId::calls, "the hooks on every call", cost.calls_ns_per_s);
    if (cost.drops_over_budget && options_.drops == kernel::Calls::any)
      stop(FactId::drops, "the hook on packets that are dropped", cost.drops_ns_per_s);
  } else if (meter_.should_start(now_ms)) {
    Status started = tracer_.measure(true);
    if (started) meter_.started(now_ms, run_time_of(tracer_.cost()));
    if (!started) meter_.put_off(now_ms);
    not_measured_ = started ? "" : started.error().message;
  }
}

void SelfMeasure::describe(const Picture& picture, SelfCost& self) {
  self.snapshot_ms = picture.wall_ms;
  self.snapshot_age_ms = static_cast<double>(clock_.mono_ms() - picture.end_ms);
  self.sockets_walked = picture.walked;
  self.partial_why = picture.why_partial();
  self.partial = !self.partial_why.empty();
  std::uint64_t cpu_ns = os::process_cpu_ns(), mono_ns = clock_.mono_ns();
  if (last_mono_ns_ != 0 && mono_ns > last_mono_ns_) {
    self.cpu_percent =
        100.0 * static_cast<double>(cpu_ns - last_cpu_ns_) / static_cast<double>(mono_ns - last_mono_ns_);
  }
  last_cpu_ns_ = cpu_ns;
  last_mono_ns_ = mono_ns;
  self.rss_bytes = sources::read_own_rss_bytes(root_);
  self.hook_ns_per_s = hook_ns_per_s_;
  self.hooks_not_measured = hooks_not_measured();
  self.lost = tracer_.lost();
  self.lost["rows_suppressed"] = picture.rows_suppressed;
  self.lost["owners_suppressed"] = picture.owners_suppressed;
  self.lost["sockets_unaggregated"] = picture.unaggregated;
  self.lost["destinations_uncounted"] = picture.destinations_uncounted;
  self.lost["dumps_interrupted"] = picture.dumps_interrupted;
  self.lost["messages_undecodable"] = picture.undecodable;
}

}  // namespace tcpadvisor::collect
