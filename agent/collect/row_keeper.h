// SPDX-License-Identifier: Apache-2.0
// Which sockets get a row, and which rows stay when there are too many. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/kernel/tracer.h"

namespace tcpadvisor::collect {

/// Keeps at most `max_rows`: listeners first, then what matters (kernel::matters), then the biggest queues.
class RowKeeper {
 public:
  static constexpr std::size_t kTimewaitExamples = 64;  ///< orphan FIN_WAIT_2: kept for the addresses of the peers

  RowKeeper(const kernel::RowFilter& filter, std::size_t max_rows) : filter_(filter), max_rows_(max_rows) {}

  void offer(SocketRow&& row);            ///< kept only if it matters, or if all rows are wanted
  void offer_looked_at(SocketRow&& row);  ///< came by a look: kept as long as there is room
  std::vector<SocketRow> take();
  std::size_t size() const { return rows_.size(); }
  std::uint64_t suppressed() const { return suppressed_; }  ///< mattered and did not fit; complete after take()

 private:
  bool wants(const SocketRow& row) const;
  void keep(SocketRow&& row);
  void drop_smallest();

  kernel::RowFilter filter_;
  std::size_t max_rows_;
  std::vector<SocketRow> rows_;
  std::size_t timewait_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace tcpadvisor::collect
