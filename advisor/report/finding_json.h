// SPDX-License-Identifier: Apache-2.0
// One finding as JSON: the same object in a report and in `watch --json`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/rules/finding.h"
#include "advisor/verdict/listing.h"

namespace tcpadvisor {

nlohmann::json to_json(const Finding& finding);
nlohmann::json to_json(const OwnerGroup& group);
nlohmann::json to_json(const std::vector<NotListed>& not_listed);

std::string_view name_of(Severity severity);      ///< "critical", "warning", "info"
std::string_view name_of(Confidence confidence);  ///< "high", "medium", "low"
std::string_view name_of(FindingClass finding_class);

/// Who and where, in one line: "python3[4242] in unit web.service, listening on 0.0.0.0:8443, netns host".
std::string scope_text(const Scope& scope);

}  // namespace tcpadvisor
