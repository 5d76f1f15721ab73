// SPDX-License-Identifier: Apache-2.0
// What a change was to bring, and whether a later report shows that it did. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/report/kept_report.h"

namespace tcpadvisor {

struct Promise {
  std::string id, instance, title;  ///< of the finding that asked for the change
  std::string scope_kind, netns, comm, local, remote;
  std::uint64_t pid = 0;
  std::string knob, takes_effect;
  std::string metric;       ///< empty: only that the finding goes
  double from = 0, to = 0;  ///< of the metric: when it was found, and then

  static Promise of(const KeptFinding& finding);
};

enum class Kept : std::uint8_t { kept, not_kept, not_yet };
std::string_view name_of(Kept kept);  ///< "kept", "not kept", "not yet"

struct Judgement {
  Kept kept = Kept::not_yet;
  std::string why;  ///< with the numbers
};

/// `traffic`: how often what the promise is about could have shown itself while the later report was made, such as
/// coming connections; nothing if that is not known. Without any, a finding that is gone proves nothing.
Judgement judge_promise(const Promise& promise, const KeptReport& later, std::optional<double> traffic);

/// The counter of its namespace that is `traffic` for a knob: "Tcp.PassiveOpens".
std::string_view traffic_counter(std::string_view knob);

}  // namespace tcpadvisor
