// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/unanswered.h"

#include <algorithm>
#include <cmath>

#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr double kRtoMinS = 0.2;           // TCP_RTO_MIN, which the kernel's patience is counted in
constexpr std::uint64_t kRtoDoubles = 60;  // no doubling goes on for longer
constexpr std::uint64_t kOrphanRetries = 8;
constexpr std::size_t kFewestQuietLooks = 3;

double rto_max_s(const Sample& now, NetnsId netns) {
  return static_cast<double>(sysctl_value(now, netns, "net.ipv4.tcp_rto_max_ms").value_or(120'000)) / 1000;
}

/// Each time-out is twice as long as the one before: what the present one says about all before it.
double trying_s(const SocketRow& row, std::uint32_t tries, double most_s) {
  if (!row.rto_us || *row.rto_us == 0) return 0;
  double first_s = std::max(std::ldexp(*row.rto_us / 1e6, -static_cast<int>(std::min(tries, 60U))), kRtoMinS);
  double sum = 0;
  for (std::uint32_t i = 0; i < tries; ++i) sum += std::min(std::ldexp(first_s, static_cast<int>(i)), most_s);
  return sum;
}

std::optional<double> patience_of(const Sample& now, const SocketRow& row, double most_s) {
  if (row.timer != Timer::retransmit) return std::nullopt;  // probes are counted, not timed
  if (row.user_timeout_ms.value_or(0) > 0) return *row.user_timeout_ms / 1000.0;
  if (row.holder == Holder::unknown) return std::nullopt;
  const bool orphan = row.holder == Holder::orphan;
  auto retries = sysctl_value(now, row.netns, orphan ? "net.ipv4.tcp_orphan_retries" : "net.ipv4.tcp_retries2");
  if (!retries || *retries < 0) return std::nullopt;
  if (orphan && *retries == 0) return patience_s(kOrphanRetries, most_s);
  return patience_s(static_cast<std::uint64_t>(*retries), most_s);
}

}  // namespace

double standing_s(const Window& window, const SocketRow& row) {
  const std::vector<const PastRow*> history = window.history(row);
  const PastRow* next = nullptr;
  std::size_t looks = 0;
  double since_s = 0;
  for (std::size_t i = history.size(); i-- > 0;) {
    const PastRow* then = history[i];
    if (then == nullptr || then->send_q == 0) break;
    if (next != nullptr && (next->bytes_acked != then->bytes_acked || next->send_q < then->send_q)) break;
    next = then;
    since_s = window.span_s() - window.seconds_at(i);
    ++looks;
  }
  return looks >= kFewestQuietLooks ? since_s : 0;
}

bool may_send(const SocketRow& row) {
  switch (row.state) {
    case TcpState::established:
    case TcpState::close_wait:
    case TcpState::fin_wait_1:
    case TcpState::last_ack:
    case TcpState::closing:
      return row.kind == SocketKind::full && row.send_q > 0;
    default:
      return false;
  }
}

double patience_s(std::uint64_t retries, double rto_max_s) {
  double sum = 0, next = kRtoMinS;
  std::uint64_t waits = std::min<std::uint64_t>(retries, 255) + 1;
  for (std::uint64_t i = 0; i < std::min(waits, kRtoDoubles); ++i, next *= 2) sum += std::min(next, rto_max_s);
  if (waits > kRtoDoubles) sum += static_cast<double>(waits - kRtoDoubles) * rto_max_s;
  return sum;
}

Answers answers(const Window& window, const Policy& policy, const SocketRow& row, Unanswered* out) {
  const bool probes = row.timer == Timer::persist;
  if (!probes && row.timer != Timer::retransmit) return Answers::yes;
  const double windows_s = static_cast<double>(policy.window.count()) * policy.windows / 1000;
  const double needed_s = std::min(policy.value(kSilentFor), windows_s);
  const double standing = standing_s(window, row);
  const double stood_s = standing > 0 ? standing + window.interval_s() / 2 : 0;
  const auto tries = probes ? row.probes_out : row.backoff;
  if (!tries) return stood_s >= needed_s ? Answers::unknown : Answers::yes;
  if (*tries < policy.value(kTries)) return Answers::yes;
  // Whatever came from its kernel, an acknowledgement of nothing new included, shows that it lives.
  double silent_s = row.last_ack_recv_ms ? *row.last_ack_recv_ms / 1000.0 : stood_s;
  if (silent_s < needed_s) return Answers::yes;
  if (out == nullptr) return Answers::no;
  const Sample& now = window.latest();
  const double most_s = rto_max_s(now, row.netns);
  out->row = &row;
  out->tries = *tries;
  out->silent_s = row.last_ack_recv_ms ? silent_s : standing;
  out->trying_s = std::max(standing, trying_s(row, *tries, most_s));
  if (row.last_ack_recv_ms) out->trying_s = std::min(out->trying_s, silent_s);
  out->limited = row.user_timeout_ms.value_or(0) > 0;
  if (auto patience = patience_of(now, row, most_s)) out->ends_in = std::max(0.0, *patience - out->trying_s);
  return Answers::no;
}

}  // namespace tcpadvisor
