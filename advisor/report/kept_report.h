// SPDX-License-Identifier: Apache-2.0
// A report that somebody kept as JSON, as far as changes are made and promises judged by it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"

namespace tcpadvisor {

/// A setting to change. Numbers of the file, believed only as far as they were checked by whoever uses them.
struct KeptChange {
  std::string knob, scope;  ///< "host", "netns blue"
  std::uint64_t netns_id = 0;
  std::vector<std::int64_t> current, target;
  std::string applicability, applicability_why, takes_effect;
  std::string apply, persist, persist_file, set_by;
};

struct KeptFinding {
  std::string id, instance, title, severity;
  std::string scope_kind, netns, comm, local, remote;
  std::uint64_t pid = 0;
  std::string kind, text, formula;  ///< of the recommendation
  std::vector<std::string> steps;
  std::optional<KeptChange> change;
  struct Effect {
    std::string metric;
    double from = 0, to = 0;
  };
  std::optional<Effect> effect;
};

struct KeptReport {
  std::string host, kernel, tool_version;
  std::string recorded;  ///< which recording it judged, empty: the host itself
  std::string policy;    ///< its name
  std::string start;     ///< "2026-09-21T14:13:20Z"
  std::int64_t end_ms = 0;
  double seconds = 0;
  std::vector<KeptFinding> findings;
  std::map<std::string, std::string, std::less<>> fine;          ///< by rule: "drops of one listener: 0 in 10 s"
  std::map<std::string, std::string, std::less<>> not_assessed;  ///< by rule: why; also where findings are left out
};

/// From `report --format json`; anything else is bad_input, in one line.
Result<KeptReport> kept_report(std::string_view text);

/// "2026-09-21T14:13:20Z" -> unix time in ms.
std::optional<std::int64_t> parse_start(std::string_view text);

/// This host, as the report has to fit it.
struct Here {
  std::string host;
  std::int64_t now_ms = 0, boot_ms = 0;
};
/// A report of another host, of before the last boot, or older than a day says nothing about what is now: bad_input.
Status fits_here(const KeptReport& report, const Here& here);

}  // namespace tcpadvisor
