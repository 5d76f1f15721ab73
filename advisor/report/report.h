// SPDX-License-Identifier: Apache-2.0
// A verdict as text for people and as JSON for programs (docs/report.schema.json).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "advisor/evidence/window.h"
#include "advisor/rules/policy.h"
#include "advisor/verdict/verdict.h"

namespace tcpadvisor {

struct ReportOptions {
  std::string tool_version;
  bool color = false;  ///< ANSI colours in the text form
};

// The window has at least one sample.
std::string report_text(const Window& window, const Policy& policy, const Verdict& verdict,
                        const ReportOptions& options);
nlohmann::json report_json(const Window& window, const Policy& policy, const Verdict& verdict,
                           const ReportOptions& options);

}  // namespace tcpadvisor
