// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/report.h"

#include <optional>
#include <utility>

namespace tcpadvisor {

Report make_report(const Window& window, const Policy& policy, Verdict verdict, std::string tool_version) {
  const Sample& now = window.latest();
  std::map<std::string, Pictures> pictures;
  for (const Finding& finding : verdict.findings) {
    if (pictures.size() == kMostPictured) break;
    pictures.try_emplace(finding.instance, pictures_of(window, finding));
  }
  return {.tool_version = std::move(tool_version),
          .host = now.host,
          .policy = policy.name,
          .start_ms = window.first().wall_ms,
          .seconds = window.span_s(),
          .interval_s = window.interval_s(),
          .samples = window.taken(),
          .coverage = now.coverage,
          .lost = now.self.lost,
          .networks = network_list(now),
          .rows_suppressed = now.rows_suppressed,
          .partial_why = now.self.partial_why,
          .partial = now.self.partial,
          .verdict = std::move(verdict),
          .endings = endings_of(now),
          .comparison = std::nullopt,
          .pictures = std::move(pictures)};
}

}  // namespace tcpadvisor
