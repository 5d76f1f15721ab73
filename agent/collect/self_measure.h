// SPDX-License-Identifier: Apache-2.0
// What the agent itself costs: its CPU and memory, and the time of its programs in the kernel, which it keeps within
// the budget.
#pragma once

#include <cstdint>
#include <string>

#include "agent/collect/collector.h"
#include "agent/collect/join.h"
#include "agent/collect/pace.h"
#include "agent/os/clock.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::collect {

class SelfMeasure {
 public:
  /// All are kept by reference and must outlive this.
  SelfMeasure(const CollectorOptions& options, const os::ProcRoot& root, const os::Clock& clock, kernel::Tracer& tracer)
      : options_(options), root_(root), clock_(clock), tracer_(tracer), meter_(options.budget_percent) {}

  /// Tries whether the hooks can be measured with the privileges that are left.
  void open();
  /// Starts or ends a slice of measuring the hooks, when it is time; stops those on every call, and every drop, over
  /// the budget.
  void measure_hooks(std::uint64_t now_ms);
  /// Why the cost of the hooks is not known; empty when it is, or when there are none.
  std::string hooks_not_measured() const;
  /// Fills all of `self`, of its losses those of the tracer and of the picture.
  void describe(const Picture& picture, SelfCost& self);

 private:
  const CollectorOptions& options_;
  const os::ProcRoot& root_;
  const os::Clock& clock_;
  kernel::Tracer& tracer_;
  HookMeter meter_;
  double hook_ns_per_s_ = 0;
  std::string not_measured_;  ///< why
  std::uint64_t last_cpu_ns_ = 0, last_mono_ns_ = 0;
};

}  // namespace tcpadvisor::collect
