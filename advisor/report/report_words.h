// SPDX-License-Identifier: Apache-2.0
// The words that all forms of a report share. Not escaped: each form does that for itself (escape.h). Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "advisor/knobs/knobs.h"
#include "advisor/report/report.h"

namespace tcpadvisor {

std::string value_text(double value, const std::string& unit);  ///< "1.1 MiB", "21 %", "+60/min"
std::string metric_text(std::string_view metric);               ///< "close_wait_sockets" -> "close wait sockets"
std::string evidence_text(const std::vector<Measurement>& evidence);
std::string do_text(const Recommendation& cure);

/// The id first: whatever a line has no room for, `explain` takes it.
std::string who_text(const Finding& finding);
std::string not_useful_text(const Finding& finding);
/// Who set the setting; by its name where the finding changes none, or measures several.
std::string set_by_text(const Recommendation& cure);

std::string_view severity_word(Severity severity);  ///< "WARNING"
/// What a change of it acts on, how much a wrong one can hurt, and whether it needs a person.
std::string_view takes_effect_text(const Knob& knob);
std::string_view risk_text(const Knob& knob);
std::string_view applicability_text(Applicability applicability);

std::string coverage_text(const Report& report);
std::string lost_text(const Report& report);

/// The answer before all others. "Nothing to repair" is said only of what was seen.
std::string in_one_line(const Verdict& verdict);
/// The same and a little more, for who reads nothing else: at most five lines of a screen.
std::string opening_text(const Report& report);

std::string not_listed_text(const NotListed& more);
/// The same reason for many rules is said once: ids and reason.
std::vector<std::pair<std::string, std::string>> by_reason(const std::vector<NotAssessed>& parts);

/// "with the report of 2026-09-21T14:13:20Z: 1 new, 2 resolved, 3 same"
std::string compared_text(const Comparison& comparison);
/// What has changed: "new, warning" and the finding with the reason; not what is the same.
std::vector<std::pair<std::string, std::string>> changes_in(const Comparison& comparison);

std::string start_text(const Report& report);  ///< "2026-09-21T14:13:20Z"

}  // namespace tcpadvisor
