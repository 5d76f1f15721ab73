// SPDX-License-Identifier: Apache-2.0
// What `apply` would write because of a report, and what it leaves to a person. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "advisor/report/kept_report.h"
#include "advisor/report/promise.h"

namespace tcpadvisor {

/// One setting of one namespace.
struct PlanStep {
  std::string knob;
  std::uint64_t netns_id = 0;
  std::string netns;                 ///< "host", "blue"
  std::string old_value, new_value;  ///< "4096 131072 6291456"; the old one is what the report saw
  std::string id, instance, title;   ///< of the finding
  std::string why;                   ///< its recommendation in words
  std::string persist_file;          ///< empty: nothing on this host's disk keeps it
  std::string persist;               ///< for a person: what keeps it
  Promise promise;

  bool of_host() const { return netns == "host"; }
};

struct LeftToPerson {
  std::string id, title, why;
  std::string todo;     ///< the recommendation
  std::string command;  ///< empty if no setting does it
};

struct Plan {
  std::vector<PlanStep> steps;
  std::vector<LeftToPerson> left;
};

/// `only`: ids of rules, or instances; empty: all. One that the report does not have is bad_input.
Result<Plan> make_plan(const KeptReport& report, const std::vector<std::string>& only);

/// A plain name in /etc/sysctl.d that this program would choose (advisor/knobs/keeping.h).
bool is_own_fragment(std::string_view path);

/// Why the new value would not stay, as the files are now; empty if it would.
std::string would_be_undone(const PlanStep& step, const SettingFiles& files);

/// The fragment `existing` (empty: a new one) with these settings in it, each with its reason; of a setting that it
/// had, the line and its comment go.
std::string fragment_with(std::string_view existing, const std::vector<PlanStep>& steps, std::string_view file);

/// The changes as a diff with reasons, and what is left to a person.
std::string plan_text(const Plan& plan);

}  // namespace tcpadvisor
