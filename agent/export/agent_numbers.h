// SPDX-License-Identifier: Apache-2.0
// What the agent knows about itself beyond a Sample: its server and its loop. Plain numbers, written by whoever serves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace tcpadvisor::exported {

struct AgentNumbers {
  std::string version;
  double cpu_seconds = 0;
  double snapshot_age_seconds = 0;    ///< by the time of the scrape
  std::uint64_t interval_ms = 1'000;  ///< between ticks
  std::uint64_t ticks = 0, failed_ticks = 0, missed_ticks = 0, late_ticks = 0;
  std::uint64_t looks_spared = 0;  ///< ticks that were none, because little had happened
  std::uint64_t reloads = 0, failed_reloads = 0;
  std::uint64_t series_dropped = 0;  ///< by the scrapes before

  struct {
    std::uint64_t open = 0, limit = 0, accepted = 0;
    /// Without an answer: too slow, cut off to make room, and those that sent no whole request and left.
    std::uint64_t timed_out = 0, displaced = 0, without_request = 0;
    /// TLS where HTTP is spoken or the other way round, and what else went wrong before TLS was agreed on.
    std::uint64_t wrong_protocol = 0, handshake_failed = 0;
    /// Requests with a right password that was known or had to be checked, a wrong one, none, and with no time for it.
    struct {
      std::uint64_t known = 0, checked = 0, refused = 0, missing = 0, busy = 0;
    } logins;
    std::int64_t certificate_ends_s = 0;  ///< unix time; 0: no TLS
    std::uint64_t accept_errors = 0;
    std::uint64_t streams = 0, streams_limit = 0, slow_streams_dropped = 0;
    std::map<std::pair<std::string, int>, std::uint64_t> answers;  ///< by endpoint and status
    std::uint64_t bytes = 0;                                       ///< of answers and events, without headers
  } http;
};

}  // namespace tcpadvisor::exported
