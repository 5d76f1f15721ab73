// SPDX-License-Identifier: Apache-2.0
// What every tick reads in each namespace, and the walks over all sockets and their owners when they are due: by the
// best sources that work, within the budget.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "agent/collect/busy_flows.h"
#include "agent/collect/cgroup_book.h"
#include "agent/collect/collector.h"
#include "agent/collect/join.h"
#include "agent/collect/pace.h"
#include "agent/collect/pod_book.h"
#include "agent/collect/process_book.h"
#include "agent/collect/source_choice.h"
#include "agent/os/clock.h"
#include "agent/os/worker.h"

namespace tcpadvisor::collect {

class Snapshot {
 public:
  /// All are kept by reference and must outlive this.
  Snapshot(const CollectorOptions& options, const os::ProcRoot& root, const os::Clock& clock, kernel::Tracer& tracer);

  /// Tries the sources and the chosen namespace. Fails when a forced source or the namespace is not there.
  Status open();
  /// One tick: every namespace's files, and the walks if they are due. Enters namespaces with the calling thread.
  std::vector<NetnsReading> read(std::uint64_t now_ms);
  /// From now on the kernel's walk over owners runs beside the others, in a thread that has the caller's privileges.
  void start_owner_thread() { owner_worker_.emplace("owners"); }

  const Picture& picture() const { return picture_; }      ///< of the last walk
  bool owners_are_new() const { return owners_are_new_; }  ///< read in this tick, and by the kernel's word
  /// Rows and owners of the last walk. Moved out when the next tick walks again: a large host's need not be copied.
  std::vector<SocketRow> hand_over_rows();
  std::vector<OwnerTotals> hand_over_owners();
  const os::NetnsList& netns() const { return netns_; }
  const SourceChoice& sockets() const { return sockets_; }
  const SourceChoice& owners() const { return owners_; }
  const CgroupBook& cgroups() const { return cgroups_; }
  std::uint64_t unreadable_processes() const { return owner_scan_ ? owner_scan_->unreadable : 0; }
  std::uint64_t ages_not_remembered() const { return ages_.not_remembered(); }

 private:
  struct Walked {
    std::vector<NetnsReading> readings;
    std::vector<SocketRow> rows;
    std::uint64_t rows_suppressed = 0;
    OwnerTable owner_totals;
    NetworkTally networks;
    std::uint64_t cpu_ns = 0;
  };
  struct OwnerResult {
    std::optional<Result<kernel::OwnerWalk>> walk;
    std::uint64_t cpu_ns = 0;
  };

  Status choose_netns();
  void find_netns_again(std::uint64_t now_ms);
  Walked read_all(std::uint64_t now_ms, SourceKind sockets, const sources::OwnerScan* scan, bool sysctls);
  Walked read_by_best_source(std::uint64_t now_ms, const sources::OwnerScan* scan, bool sysctls);
  OwnerResult walk_owners(SourceKind owners) const;
  const sources::OwnerScan* scan() const { return owner_scan_ ? &*owner_scan_ : nullptr; }
  void scan_owners(std::uint64_t now_ms);
  void take_picture(std::uint64_t now_ms, Walked& walked, std::optional<kernel::OwnerWalk> owner_walk);
  void keep_chosen_owners();
  void note_state_of_host(const std::vector<NetnsReading>& readings);
  void name_owners_of_rows();
  bool forced() const { return options_.sources != Sources::any; }
  bool walks_at_every_tick() const { return pace_.period() <= options_.interval; }

  const CollectorOptions& options_;
  const os::ProcRoot& root_;
  const os::Clock& clock_;
  kernel::Tracer& tracer_;
  SourceChoice sockets_, owners_;
  kernel::RowFilter filter_;
  os::NetnsList netns_;
  std::optional<std::uint64_t> netns_found_ms_, sysctls_read_ms_;
  bool netns_vanished_ = false;
  BusyFlows busy_;
  bool looks_ = false;  ///< at a part of the sockets, because there are too many for a row each
  StateAges ages_;
  ProcessBook processes_;
  CgroupBook cgroups_;
  PodBook pods_;
  WalkPace pace_, owner_pace_;
  std::optional<sources::OwnerScan> owner_scan_;
  Picture picture_;
  bool owners_are_new_ = false;
  bool in_first_pid_namespace_ = false;
  std::uint64_t host_sockets_ = 0;          ///< TCP sockets of the whole host at the last look
  std::optional<os::Worker> owner_worker_;  ///< last: it uses the members above
};

}  // namespace tcpadvisor::collect
