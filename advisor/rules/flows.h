// SPDX-License-Identifier: Apache-2.0
// What the rules about senders and paths share: how far a connection has come in a while, and whose it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// One number of a connection over these ticks.
template <typename Field>
Series numbers(const Past& past, const SocketRow& row, Field member) {
  return past.socket_series(row, [&](const PastRow& then) -> std::optional<double> {
    if (!(then.*member)) return std::nullopt;
    return static_cast<double>(*(then.*member));
  });
}

/// The last of the past: the policy's windows, or `least_s` if that is longer.
Past recent(const Evidence& in, double least_s);

/// How far a connection came in a while. What is not known, or was seen only once, is nothing.
struct Progress {
  double span_s = 0;
  std::optional<double> segs_out, segs_in, retransmits, duplicates;  ///< segments with data, retransmits included
  std::optional<double> acked, received;                             ///< bytes
  double srtt_us = 0;                                                ///< typical, 0 if not known
};
Progress progress_of(const Past& past, const SocketRow& row);

/// Its congestion control goes by a model of the path, not by losses: it has its own pace after idling, and one lost
/// segment in a thousand does not slow it down.
bool is_model_based(const std::string& congestion_control);

/// The other end is in the same network namespace: nothing lies between them.
bool stays_inside(const Window& window, const SocketRow& row);

/// Connections of one process, or of those of one namespace that cannot be seen.
struct FlowGroup {
  Scope scope;
  std::vector<const SocketRow*> rows;
};

/// Puts connections of one process, namespace and kind together; `kind` is what else tells them apart.
class FlowGroups {
 public:
  FlowGroup& add(const Sample& now, const SocketRow& row, const std::string& kind = "");
  /// With the ends that they share, and their number.
  std::vector<FlowGroup> take();

 private:
  std::map<std::tuple<Pid, NetnsId, std::string>, FlowGroup> groups_;
};

/// "10.0.0.2:443" if all have it, else "10.0.0.2 (40), 10.0.0.3 (8), 2 more".
std::string peers_text(const FlowGroup& group);

/// Why it is not known how connections get on (no source lists them, or not that, or too few looks); empty if it is.
std::string progress_problem(const Evidence& in, std::size_t fewest_looks);

}  // namespace tcpadvisor
