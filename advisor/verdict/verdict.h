// SPDX-License-Identifier: Apache-2.0
// All rules' outcomes as one answer: precedence, one recommendation per knob, stable ids, and what could not be judged.
#pragma once

#include <string>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/policy.h"
#include "advisor/verdict/listing.h"
#include "advisor/verdict/standing.h"

namespace tcpadvisor {

struct CheckedAndFine {
  std::string id, metric, value;
};

struct NotAssessed {
  std::string id;  ///< of a rule, or "netns:NAME" for a namespace that could not be read
  std::string reason;
  bool relevant = true;  ///< false: there is nothing here that could have been seen
};

/// Advice that is often copied and does not help here, with this host's state.
struct NotRecommended {
  std::string advice, why;
};

struct Verdict {
  std::vector<Finding> findings;      ///< most severe first; within a severity applications, memory, then the rest
  std::vector<NotListed> not_listed;  ///< what one rule found beyond kToldOneByOne
  std::vector<CheckedAndFine> checked_and_fine;
  std::vector<NotAssessed> not_assessed;
  std::vector<NotRecommended> not_recommended;
  bool enough_data = true;  ///< false when the observation was too short to judge anything that changes over time
  bool could_see = true;    ///< false when no chosen namespace could be read: then nothing is fine
  Standing standing;        ///< for the next judgement of the same host
};

/// `before`: what stood in the judgement before, if there was one that this one goes on from.
Verdict judge(const Window& window, const Policy& policy, const Standing& before = {});

/// Keeps only the rules of `only` (all if empty) without those of `skip`; an id that no rule has is bad_input.
Status select(Verdict& verdict, const std::vector<std::string>& only, const std::vector<std::string>& skip);

/// How many findings are more than info, listed or not.
std::uint64_t to_act_on(const Verdict& verdict);

/// How many things that matter could not be judged.
std::size_t unseen(const Verdict& verdict);

/// `report --exit-code`: 0 nothing to do, 10 advice (a warning), 11 critical, 12 not enough data or nothing seen.
int exit_code(const Verdict& verdict);

}  // namespace tcpadvisor
