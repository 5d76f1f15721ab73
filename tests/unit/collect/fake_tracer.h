// SPDX-License-Identifier: Apache-2.0
// A kernel made by hand: gives what the test puts in, counts what it is asked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/collect/coverage.h"
#include "agent/kernel/tracer.h"

namespace tcpadvisor::collect {

inline FactCoverage coverage_by(FactId fact, SourceKind kind) {
  Attempt attempt = works(kind);
  return {.fact = fact, .in_use = attempt.source, .kind = kind, .remark = "", .attempts = {attempt}};
}

class FakeTracer final : public kernel::Tracer {
 public:
  std::vector<FactCoverage> facts;
  std::optional<Result<kernel::SocketWalk>> walk;  ///< empty: cannot walk
  std::vector<SocketRow> rows;                     ///< of each walk that succeeds
  std::optional<Result<kernel::OwnerWalk>> owner_walk;
  std::optional<LifecycleTotals> lifecycle_totals;
  std::optional<std::vector<FailedConnects>> failed;
  std::optional<std::vector<Retransmits>> sent_again;
  std::optional<std::vector<Closes>> closed;
  std::optional<std::vector<Drops>> dropped;
  std::map<std::string, std::uint64_t> losses{{"ringbuf", 0}};
  kernel::HookCost hook_cost;
  bool may_measure = true;
  std::string stopped_because;
  std::optional<FactId> stopped;
  std::vector<bool> measured;
  int socket_walks = 0;
  std::vector<bool> looks;  ///< of each walk: whether at a part of the sockets

  const std::vector<FactCoverage>& coverage() const override { return facts; }
  bool can_walk_sockets() const override { return walk.has_value(); }
  bool can_walk_owners() const override { return owner_walk.has_value(); }
  void look_at(const kernel::Look* look) override { looks.push_back(look != nullptr); }
  Result<kernel::SocketWalk> walk_sockets(const kernel::RowFilter&, const kernel::TakeRow& take) override {
    ++socket_walks;
    if (walk && *walk) {
      for (SocketRow row : rows) take(std::move(row), std::nullopt);
    }
    return walk ? *walk : fail(ErrorCode::unsupported, "no iter/tcp");
  }
  Result<kernel::OwnerWalk> walk_owners(const kernel::RowFilter&) override {
    return owner_walk ? *owner_walk : fail(ErrorCode::unsupported, "no iter/task_file");
  }
  std::optional<LifecycleTotals> lifecycle() override { return lifecycle_totals; }
  std::optional<std::vector<FailedConnects>> failed_connects() override { return failed; }
  std::optional<std::vector<Retransmits>> retransmits() override { return sent_again; }
  std::optional<std::vector<Drops>> drops() override { return dropped; }
  std::optional<std::vector<Closes>> closes() override { return closed; }
  std::optional<BufferRefusals> refusals() override { return std::nullopt; }
  std::map<std::string, std::uint64_t> lost() override { return losses; }
  void stop(FactId fact, const std::string& why) override {
    stopped = fact;
    stopped_because = why;
  }
  bool still_readable() override { return true; }
  Status measure(bool on) override {
    if (!may_measure) return fail(ErrorCode::denied, "no CAP_SYS_ADMIN");
    measured.push_back(on);
    return {};
  }
  kernel::HookCost cost() const override { return hook_cost; }

  /// Says that iter/tcp and iter/task_file work, with what `walk` and `owner_walk` hold.
  void can_do_bpf() {
    facts.push_back(coverage_by(FactId::snapshot, SourceKind::iter_tcp));
    facts.push_back(coverage_by(FactId::owners, SourceKind::iter_task_file));
  }
};

}  // namespace tcpadvisor::collect
