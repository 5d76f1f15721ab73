// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/state_ages.h"

#include <algorithm>

namespace tcpadvisor::collect {
namespace {

bool is_aged(const SocketRow& row) {
  if (row.kind != SocketKind::full || row.cookie == 0) return false;
  switch (row.state) {
    case TcpState::syn_sent:
    case TcpState::close_wait:
    case TcpState::fin_wait_1:
    case TcpState::fin_wait_2:
    case TcpState::last_ack:
    case TcpState::closing:
      return true;
    default:
      return false;
  }
}

/// An ACK comes with the peer's FIN (CLOSE_WAIT) and for ours (FIN_WAIT_2), and later ones only make it look younger.
std::uint64_t age_by_last_ack(const SocketRow& row) {
  bool entered_by_ack = row.state == TcpState::close_wait || row.state == TcpState::fin_wait_2;
  return entered_by_ack ? row.last_ack_recv_ms.value_or(0) : 0;
}

}  // namespace

void StateAges::observe(SocketRow& row, std::uint64_t now_ms) {
  if (!is_aged(row)) return;
  if (row.state_age_ms && !row.state_age_is_lower_bound) return;
  std::uint64_t age = std::max(row.state_age_ms.value_or(0), age_by_last_ack(row));
  auto at = seen_.find(row.cookie);
  if (at != seen_.end()) {
    if (at->second.state != row.state) at->second = {row.state, walk_, now_ms};
    at->second.walk = walk_;
    age = std::max(age, now_ms - at->second.first_ms);
  } else if (seen_.size() < max_sockets_) {
    seen_.emplace(row.cookie, Seen{row.state, walk_, now_ms});
  } else {
    ++not_remembered_;
  }
  row.state_age_ms = age;
  row.state_age_is_lower_bound = true;
}

void StateAges::end_walk() {
  std::erase_if(seen_, [this](const auto& entry) { return entry.second.walk != walk_; });
  ++walk_;
}

}  // namespace tcpadvisor::collect
