// SPDX-License-Identifier: Apache-2.0
// Everything that a report says, made once; a format (formats.h) only writes it down. Pure data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/report/compare.h"
#include "advisor/report/endings.h"
#include "advisor/report/network_json.h"
#include "advisor/report/pictures.h"
#include "advisor/rules/policy.h"
#include "advisor/verdict/verdict.h"

namespace tcpadvisor {

struct Report {
  std::string tool_version;
  HostFacts host;
  std::string policy;         ///< its name
  std::string recorded = {};  ///< of a recording: which, of whom, when; empty: the host was observed now
  std::int64_t start_ms = 0;  ///< of the first sample, unix time
  double seconds = 0;         ///< from the first sample to the last
  double interval_s = 0;      ///< mean distance of two samples
  std::size_t samples = 0;
  std::vector<FactCoverage> coverage;
  std::map<std::string, std::uint64_t> lost;  ///< what was not counted, by kind
  NetworkList networks;                       ///< of the last sample
  std::uint64_t rows_suppressed = 0;          ///< sockets that are only in the totals
  std::string partial_why;                    ///< not empty: the last snapshot is not complete
  bool partial = false;
  Verdict verdict;
  Endings endings;
  std::optional<Comparison> comparison;      ///< with an earlier report, if one was given
  std::map<std::string, Pictures> pictures;  ///< by instance, of the first kMostPictured findings
};

/// Nobody looks at more drawings, and each costs a walk over the window.
inline constexpr std::size_t kMostPictured = 64;

/// The window has at least one sample; host, coverage and losses are those of the latest.
Report make_report(const Window& window, const Policy& policy, Verdict verdict, std::string tool_version);

}  // namespace tcpadvisor
