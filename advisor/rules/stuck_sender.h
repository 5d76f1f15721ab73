// SPDX-License-Identifier: Apache-2.0
// Who waits, with bytes in Send-Q, for a peer whose window is closed and that takes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/policy.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

inline constexpr Threshold kStuckSenderFor = time_threshold("stuck_for", 10);  // never longer than the policy's windows
inline constexpr Threshold kClosedShare =
    ratio_threshold("closed_share", 0.5).clears_at(0.6);  // of the looks in that time

/// The sockets of one process, or of nobody in one namespace: the program has closed them.
struct StuckSender {
  Scope scope;
  bool closed = false;  ///< by the program: no process holds them
  std::vector<const SocketRow*> rows;
  std::uint64_t waiting = 0;  ///< bytes in Send-Q
  double stuck_s = 0;         ///< the longest of them
  double closed_share = 1;    ///< of the looks, least of all
  bool asked = false;         ///< by this end, on each of them, and it does not read the answers
  bool taken = false;         ///< the other ends are on this host, and their programs do read, slowly
  std::string peer;           ///< "browser[12]", "10.0.0.7:443", "3 peers"
};

struct StuckSenders {
  std::vector<StuckSender> senders;
  std::uint64_t watched = 0;  ///< sockets with bytes in Send-Q
  std::string not_assessed;
};

StuckSenders stuck_senders(const Evidence& in);
/// For how long a sender must stand still: kStuckSenderFor, or all of the policy's windows if they are shorter.
/// Seconds.
double stuck_long_enough_s(const Policy& policy);

}  // namespace tcpadvisor
