// SPDX-License-Identifier: Apache-2.0
// A rule: it says what it is, and judges Evidence as a pure function. Each is defined in its own .cc file and listed in
// advisor/rules/registry.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

/// What a rule has to say. "Fine" is only said with a number; what could not be seen is said with the reason.
struct Outcome {
  std::vector<Finding> findings;
  std::string fine_metric, fine_value;  ///< set when the rule looked at everything and found nothing to report
  std::string not_assessed;             ///< why the rule, or a part of what it should look at, could not be judged
  bool nothing_there = false;           ///< not_assessed for want of a subject: nothing that exists went unseen

  static Outcome fine(std::string metric, std::string value) {
    return {.findings = {}, .fine_metric = std::move(metric), .fine_value = std::move(value), .not_assessed = {}};
  }
  static Outcome unknown(std::string why) {
    return {.findings = {}, .fine_metric = {}, .fine_value = {}, .not_assessed = std::move(why)};
  }
  /// What the rule is about does not exist here.
  static Outcome absent(std::string why) {
    Outcome out = unknown(std::move(why));
    out.nothing_there = true;
    return out;
  }
  /// The end of every rule: what it found, and what it could not see; "fine" only if there is neither.
  static Outcome of(std::vector<Finding> findings, std::string not_assessed, std::string metric, std::string value) {
    if (findings.empty() && not_assessed.empty()) return fine(std::move(metric), std::move(value));
    Outcome out = unknown(std::move(not_assessed));
    out.findings = std::move(findings);
    return out;
  }
};

/// Which sockets a rule judges one by one, so that totals cannot stand for those of them that have no row.
enum class EachOf : std::uint8_t {
  none,        ///< totals tell it enough
  what_waits,  ///< those that have a row on a host of any size, while there is room (kernel::matters): their queues,
               ///< windows or states say that something waits
  flows,       ///< connections that carry data: on a large host those that carry the most have rows
  senders,     ///< connections with anything in Send-Q, however little
};

/// What a rule looks at. It may say "fine" only where all of that was seen: the verdict holds every rule to it.
struct Covers {
  bool every_namespace = true;  ///< of those that were chosen; false: what it judges belongs to the whole host
  EachOf each = EachOf::none;
};

/// What connects a finding with the one that explains it.
enum class Link : std::uint8_t {
  other_ends,     ///< most of its sockets have their other ends among the sockets of the cause
  ends_of_cause,  ///< most of the cause's sockets have their other ends among its own
  same_listener,  ///< both are about one listening socket
  most_memory,    ///< the process of the cause holds most of TCP's memory
  unread_ends,    ///< its queues end unread in the process of the cause
  same_flow,      ///< both are about one process' connections to one peer
  relayed,  ///< its process is, or waits for, a relay that waits for the process of the cause, over any number of hops
  other_side,  ///< its process is a relay that waits on its other side, which the cause is about, for peers elsewhere
  shared_listener,     ///< its listener is shared by the process of the cause
  same_process,        ///< both are about one process
  waits_for,           ///< most of its sockets that wait for their peers have these in the process of the cause
  most_fds,            ///< the sockets of the cause are most of the descriptors of the process that both are about
  whole_host,          ///< both are about the host as a whole
  listener_at_remote,  ///< the cause is about the listener of this host to which its connections go
  most_of_them,  ///< the sockets of the cause are most of those it counts; of its process and its peer if it names them
};

/// What becomes of a finding that is explained.
enum class Then : std::uint8_t {
  lower,      ///< to info, unless it is critical
  keep,       ///< it hurts others all the same
  yield,      ///< to info, also if it is critical: the cause, unless it is info itself, says it as loudly
  remove,     ///< it goes without saying
  tell_here,  ///< it tells the story: the cause is lowered if all of it is told
};

/// One of the findings of rule `rule` explains a finding. Texts may hold {who}, the process of the cause, {rule}, and
/// for most_memory {held} of {total}.
struct ExplainedBy {
  std::string_view rule;
  Link link;
  Then then;
  std::string_view why = "";        ///< goes with the confidence of the explained finding
  std::string_view fix_first = "";  ///< takes the place of its recommendation: no setting is changed for a fault
};

struct Rule {
  std::string_view id;           ///< kebab-case, stable for ever
  std::string_view title;        ///< what it looks for
  std::string_view explanation;  ///< what happens in the kernel, and why it matters
  std::span<const Threshold> thresholds = {};
  std::span<const std::string_view> references = {};  ///< of its findings, unless one names its own
  std::span<const ExplainedBy> explained_by = {};
  Covers covers = {};
  Outcome (*judge)(const Evidence&) = nullptr;  ///< the window has at least one sample
};

}  // namespace tcpadvisor
