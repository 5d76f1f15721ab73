// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/row_keeper.h"

#include <algorithm>
#include <tuple>

#include "agent/kernel/matters.h"

namespace tcpadvisor::collect {
namespace {

auto rank(const SocketRow& row, const kernel::RowFilter& filter) {
  std::uint64_t queue = std::max({row.recv_q, row.send_q, std::uint64_t{row.accept_queue.value_or(0)}});
  return std::tuple(row.state == TcpState::listen, kernel::matters(row, filter), queue, row.state_age_ms.value_or(0));
}

}  // namespace

bool RowKeeper::wants(const SocketRow& row) const {
  if (row.kind == SocketKind::timewait) return row.state == TcpState::fin_wait_2 && timewait_ < kTimewaitExamples;
  return filter_.all || kernel::matters(row, filter_);
}

void RowKeeper::offer(SocketRow&& row) {
  if (wants(row)) keep(std::move(row));
}

void RowKeeper::offer_looked_at(SocketRow&& row) {
  keep(std::move(row));
}

void RowKeeper::keep(SocketRow&& row) {
  if (row.kind == SocketKind::timewait) ++timewait_;
  rows_.push_back(std::move(row));
  if (rows_.size() >= max_rows_ + max_rows_ / 4 + 64) drop_smallest();  // now and then, not for every row
}

void RowKeeper::drop_smallest() {
  if (rows_.size() <= max_rows_) return;
  auto end_of_kept = rows_.begin() + static_cast<std::ptrdiff_t>(max_rows_);
  std::ranges::nth_element(rows_, end_of_kept, [this](const SocketRow& a, const SocketRow& b) {
    return rank(a, filter_) > rank(b, filter_);
  });
  suppressed_ += static_cast<std::uint64_t>(
      std::count_if(end_of_kept, rows_.end(), [this](const SocketRow& row) { return kernel::matters(row, filter_); }));
  rows_.erase(end_of_kept, rows_.end());
}

std::vector<SocketRow> RowKeeper::take() {
  drop_smallest();
  return std::move(rows_);
}

}  // namespace tcpadvisor::collect
