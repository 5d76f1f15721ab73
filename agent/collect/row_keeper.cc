// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/row_keeper.h"

#include <algorithm>
#include <tuple>

namespace tcpadvisor::collect {
namespace {

auto rank(const SocketRow& row, const kernel::RowFilter& filter) {
  std::uint64_t queue = std::max({row.recv_q, row.send_q, std::uint64_t{row.accept_queue.value_or(0)}});
  return std::tuple(row.state == TcpState::listen, matters(row, filter), queue, row.state_age_ms.value_or(0));
}

}  // namespace

bool matters(const SocketRow& row, const kernel::RowFilter& filter) {
  if (row.kind != SocketKind::full) return false;
  if (row.locks && (row.locks->rcvbuf || row.locks->sndbuf)) return true;
  if (row.recv_q >= filter.min_recv_q || row.send_q >= filter.min_send_q) return true;
  // A closed window stalls the flow, however little waits (the same question as in bpf/sockets.bpf.c).
  if (row.recv_q > 0 && row.rcv_wnd && row.rcvbuf && *row.rcv_wnd <= *row.rcvbuf / 64) return true;
  if (row.send_q > 0 && row.snd_wnd && *row.snd_wnd == 0) return true;
  switch (row.state) {
    case TcpState::listen:
    case TcpState::close_wait:
    case TcpState::fin_wait_2:
      return true;
    case TcpState::fin_wait_1:
    case TcpState::last_ack:
    case TcpState::closing:
      return row.send_q > 0;
    default:
      return false;
  }
}

bool RowKeeper::wants(const SocketRow& row) const {
  if (row.kind == SocketKind::timewait) return row.state == TcpState::fin_wait_2 && timewait_ < kTimewaitExamples;
  return filter_.all || matters(row, filter_);
}

void RowKeeper::offer(SocketRow&& row) {
  if (!wants(row)) return;
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
      std::count_if(end_of_kept, rows_.end(), [this](const SocketRow& row) { return matters(row, filter_); }));
  rows_.erase(end_of_kept, rows_.end());
}

std::vector<SocketRow> RowKeeper::take() {
  drop_smallest();
  return std::move(rows_);
}

}  // namespace tcpadvisor::collect
