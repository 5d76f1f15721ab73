// SPDX-License-Identifier: Apache-2.0
// One tick: every source and the kernel -> one Sample.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/kernel/tracer.h"

namespace tcpadvisor::collect {

enum class Sources { any, bpf, netlink, procfs };

struct NetnsChoice {
  enum class Kind { all, host, named, pid } kind = Kind::all;
  std::string name;       ///< Kind::named: below /run/netns
  std::uint32_t pid = 0;  ///< Kind::pid

  /// "host", "all", "pid:N" or a name below /run/netns.
  static Result<NetnsChoice> parse(std::string_view text);
};

struct CollectorOptions {
  Sources sources = Sources::any;
  kernel::Hooks hooks = kernel::Hooks::any;
  kernel::Calls calls = kernel::Calls::any;
  kernel::Calls drops = kernel::Calls::any;  ///< the hook on packets that are dropped
  NetnsChoice netns;
  double budget_percent = 1.0;                ///< of one core, for ourselves (hooks and walks)
  std::chrono::milliseconds interval{1'000};  ///< between ticks; only used to judge the budget
  std::chrono::milliseconds old_age{60'000};  ///< Policy::age: sockets older than this count as old
  std::uint32_t max_rows = 4'096;
  bool show_all = false;  ///< rows for all sockets (watch), up to max_rows
  bool guard = true;      ///< privileges for the looker alone, and no writing but below these (agent/collect/looker.h)
  std::vector<std::string> writable{};
  bool looker_writes = false;                        ///< as_looker() may write where only capabilities let us
  bool user_queues = true;                           ///< listen to what programs say about their own queues
  std::function<void(const std::string&)> complain;  ///< gets lines for the log from tick(); may be empty
};

/// One thread may call tick(); it is not reentrant. Sources that fail later are marked in the Sample; tick() itself
/// fails only when nothing at all could be read.
class Collector {
 public:
  /// Fails with `denied` or `bad_input` only if the chosen namespace cannot be entered or a forced source does not
  /// exist.
  static Result<std::unique_ptr<Collector>> open(const CollectorOptions& options);
  virtual ~Collector() = default;

  virtual Result<SamplePtr> tick() = 0;
  /// How many things have happened so far to TCP on this host, roughly and cheaply: segments, packets passed on, opened
  /// and closed connections. Nothing: not known. The thread of tick() may call it.
  virtual std::optional<std::uint64_t> happened() { return std::nullopt; }
  virtual const std::vector<FactCoverage>& coverage() const = 0;  ///< what doctor prints; complete after open()
  virtual const std::string& privileges_kept() const = 0;  ///< after open(), in words; empty when nothing was given up
  virtual std::string writes() const { return ""; }        ///< where threads can still write; empty: no limits of ours
  /// Runs `work` with the privileges kept, between two ticks, and waits for it.
  virtual void as_looker(const std::function<void()>& work) { work(); }
};

}  // namespace tcpadvisor::collect
