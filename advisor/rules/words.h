// SPDX-License-Identifier: Apache-2.0
// The phrases and small questions that all rules share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/knobs/netns_words.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor {

/// "1 socket", "1,250 sockets".
std::string counted(std::uint64_t count, std::string_view noun);
std::string seconds_text(double seconds);                  ///< "12 s", "1m 10s"
std::string source_of(const Sample& sample, FactId fact);  ///< the source in use, or the fact's name

/// A measured number over the whole window.
Measurement measured(const Window& window, std::string metric, std::string source, double value, std::string unit,
                     std::optional<double> threshold = std::nullopt);

/// Why the sockets of this host are not known; empty when they are.
std::string snapshot_problem(const Sample& sample);
/// Established connections that no row tells of, and what they have in Send-Q: on a large host only the busiest have
/// rows.
StateTotals unlisted_connections(const Sample& sample);
/// "this needs 3 samples, 1 was taken: observe for longer"
std::string too_few_samples(const Window& window, std::size_t needed);
/// Of several reasons the same one is kept in whatever order they are found.
void keep_one(std::string& kept, std::string reason);
bool owners_known(const Sample& sample);

/// A process has it, even if we cannot say which.
bool held_by_process(const SocketRow& row);

/// The windows of the policy, or equal parts of a shorter observation; `why` then says so. Empty if even that is
/// impossible.
struct PolicyWindows {
  std::vector<Past> parts;
  bool shortened = false;
  std::string why;
};
PolicyWindows policy_windows(const Window& window, const Policy& policy);

/// How much of the past the rules need: the windows of the policy, and what a long report tells of the time before.
Keep keep_for(const Policy& policy, std::size_t older_ticks = 0);

std::optional<std::int64_t> sysctl_value(const Sample& sample, NetnsId netns, const std::string& name,
                                         std::size_t at = 0);
/// Up to `most` of the texts, most frequent first: "10.0.0.2 (40), 10.0.0.3 (8), 2 more".
std::string most_frequent(const std::vector<std::string>& texts, std::size_t most = 3);

}  // namespace tcpadvisor
