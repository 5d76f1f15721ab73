// SPDX-License-Identifier: Apache-2.0
// Connections whose data nobody acknowledges: the kernel sends it, or probes for room, again and again, and hears
// nothing. Not a peer whose kernel lives and whose program does not read (stuck_sender.h).
#pragma once

#include <cstdint>
#include <optional>

#include "advisor/evidence/window.h"
#include "advisor/rules/policy.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

inline constexpr Threshold kTries = count_threshold("tries", 4, "time-outs");  // in a row; a burst of losses has 1 or 2
inline constexpr Threshold kSilentFor = time_threshold("silent_for", 5);       // never longer than the policy's windows

/// It has bytes to send and may send them.
bool may_send(const SocketRow& row);

struct Unanswered {
  const SocketRow* row = nullptr;
  std::uint32_t tries = 0;        ///< time-outs in a row
  double silent_s = 0;            ///< since the peer's kernel was heard of, or as long as we watched
  double trying_s = 0;            ///< at least so long the kernel has been trying
  std::optional<double> ends_in;  ///< seconds, about, until the kernel gives up; nothing if that cannot be told
  bool limited = false;           ///< by the program: TCP_USER_TIMEOUT
};

enum class Answers : std::uint8_t { yes, no, unknown };
/// What is known of a row that may send. `out` is filled in where the answer is no.
Answers answers(const Window& window, const Policy& policy, const SocketRow& row, Unanswered* out = nullptr);

/// Since when no byte of a row's Send-Q was acknowledged, as far as the window goes; 0 if that cannot be told. Seconds.
double standing_s(const Window& window, const SocketRow& row);

/// How long the kernel goes on after the first time-out: net/ipv4/tcp_timer.c, tcp_model_timeout(). Seconds.
double patience_s(std::uint64_t retries, double rto_max_s = 120);

}  // namespace tcpadvisor
