// SPDX-License-Identifier: Apache-2.0
// What a person asks: settings with other values, and load that is to come. Text in, data out. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor::whatif {

/// "tcp_rmem[2]=8M".
struct Asked {
  std::string text;                                 ///< as typed
  const Knob* knob = nullptr;                       ///< null: no sysctl, although many advise it; see `why_none`
  std::vector<std::optional<std::int64_t>> values;  ///< by place, in the knob's unit; nothing where it stays
  std::string words;                                ///< of a knob that takes no numbers
  std::string_view why_none;
};

/// Load that is not there yet. All are more than 0.
struct Load {
  std::optional<std::uint64_t> connections;  ///< that the host is to hold, idle
  std::optional<std::uint64_t> busy;         ///< that have full buffers at the same time
  std::optional<std::uint64_t> burst;        ///< connections that come while no program accepts
  std::optional<std::uint64_t> backlog;      ///< the number in listen()
  std::optional<double> rate;                ///< bytes per second, of one flow
  std::optional<double> rtt_us;
};

struct Question {
  std::vector<Asked> knobs;
  Load load;
};

/// "tcp_rmem[2]=8M", "ip_local_port_range=15000-60999", "net.core.somaxconn=4096", "connections=750000",
/// "rate=2Gbit", "rtt=10ms". bad_input: what is unknown (with what was meant, perhaps), not a value, or out of range.
Result<Question> parse_question(const std::vector<std::string>& words);

std::size_t places_of(const Knob& knob);  ///< values that it takes, 0: words

}  // namespace tcpadvisor::whatif
