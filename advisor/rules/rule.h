// SPDX-License-Identifier: Apache-2.0
// A rule: a pure function of the Evidence. The table of all of them is in advisor/rules/registry.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// What a rule has to say. "Fine" is only said with a number; what could not be seen is said with the reason.
struct Outcome {
  std::vector<Finding> findings;
  std::string fine_metric, fine_value;  ///< set when the rule looked at everything and found nothing to report
  std::string not_assessed;             ///< why the rule, or a part of what it should look at, could not be judged

  static Outcome fine(std::string metric, std::string value) { return {{}, std::move(metric), std::move(value), {}}; }
  static Outcome unknown(std::string why) { return {{}, {}, {}, std::move(why)}; }
};

struct Rule {
  std::string_view id;     ///< kebab-case, stable for ever
  std::string_view title;  ///< what it looks for
  Outcome (*judge)(const Evidence&);
};

}  // namespace tcpadvisor
