// SPDX-License-Identifier: Apache-2.0
// What a rule says. The JSON form is the contract of `report --format json` (docs/report.schema.json).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/boxed.h"
#include "advisor/evidence/sample.h"
#include "advisor/knobs/change.h"
#include "advisor/knobs/set_by.h"

namespace tcpadvisor {

enum class Severity { info, warning, critical };
enum class Confidence { low, medium, high };
enum class FindingClass { application, kernel_config, memory, capacity, attack, network_path, peer };
enum class ScopeKind { host, netns, cgroup, process, listener, connection_group };
std::string_view name_of(ScopeKind kind);  ///< "connection-group"

struct Scope {
  ScopeKind kind = ScopeKind::host;
  NetnsId netns = 0;
  std::string netns_name;
  std::optional<Pid> pid;
  std::string comm, cgroup, local, remote;  ///< empty when it does not apply
  std::uint64_t count = 0;                  ///< sockets concerned
  std::vector<HoldingProcess> others = {};  ///< processes that hold them beside `pid`, as far as they are named
  Holder holder = Holder::unknown;          ///< without `pid`, if that is known: no_descriptor or outside
  std::string last_users = {};              ///< of such sockets: "broker[12]", empty if not known
  std::uint64_t sharing = 0;                ///< processes beside `pid` that share its listener, or its fault
  /// The name people know for where the process, else the cgroup, belongs; set by the verdict.
  std::optional<OwnerGroup> group = std::nullopt;
  Pid pid_inside = 0;  ///< of `pid`, as in OwnerTotals; set by the verdict
};

/// One measured number against its threshold. A finding has at least one.
struct Measurement {
  std::string metric;  ///< "close_wait_sockets", "accept_queue_fill" …
  std::string source;  ///< where it was read: the coverage source, a file, a counter
  double value = 0;
  std::string unit;  ///< "sockets", "bytes", "s", "per_min", "ratio", "" …
  std::optional<double> threshold;
  double window_s = 0;  ///< over how long
  std::uint64_t samples = 0;
};

enum class RecommendationKind { none, sysctl, application, capacity, peer };
enum class Applicability { automatic, needs_review, manual };

/// What to do. `change` belongs to kind == sysctl, and only to that; its words are made of it (advisor/knobs).
struct Recommendation {
  RecommendationKind kind = RecommendationKind::none;
  std::string text;
  std::vector<std::string> steps;
  Boxed<Change> change;
  Applicability applicability = Applicability::manual;  ///< of `change`
  std::string applicability_why;                        ///< why it is not automatic; set by the verdict
  Boxed<SetBy> set_by;                                  ///< of the setting that it is about; set by the verdict
  std::vector<SetBy> set_by_also;  ///< of others that the finding measures, if it is about settings
  std::string formula;             ///< how the numbers of the advice come about
  struct Effect {
    std::string metric;
    double from = 0, to = 0;
  };
  Boxed<Effect> expected_effect;
  std::optional<std::uint64_t> worst_case_memory_bytes;
  std::string verify;  ///< a command or a check, as a person would type or make it
};

struct NotUseful {
  std::string knob, why;
};

struct Finding {
  std::string id;        ///< kebab rule id, stable for ever
  std::string topic;     ///< kebab; what tells findings of one rule about one scope apart, empty if nothing has to
  std::string instance;  ///< stable hash of id, topic and scope, set by the verdict
  std::string title;
  Severity severity = Severity::info;
  Confidence confidence = Confidence::high;
  std::string confidence_why;
  FindingClass finding_class = FindingClass::application;
  Scope scope;
  std::vector<Measurement> evidence;
  std::string meaning;  ///< what it means, one or two sentences
  std::string cause;    ///< instance of the finding that explains this one, or empty
  Recommendation recommendation;
  std::vector<NotUseful> not_useful;
  std::vector<std::string> references;
  /// One of more than a report lists (Telling): only id, severity, class and scope are there, and what relations add.
  bool brief = false;
};

/// How many findings of one rule and severity are told one by one. Thousands of processes may share a fault: nobody
/// reads the last of them, and their words would cost more than all judging. The first are those a rule looks at first,
/// most often the largest.
inline constexpr std::size_t kToldOneByOne = 256;
class Telling {
 public:
  /// Counts a finding whose severity stands. True: it is one too many, stays brief, and is only counted in the verdict.
  bool too_many(Finding& finding);

 private:
  std::array<std::size_t, 3> told_{};  ///< by severity
};

}  // namespace tcpadvisor
