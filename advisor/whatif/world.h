// SPDX-License-Identifier: Apache-2.0
// The host as it was observed, and as the question would have it: what all answers start from. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/whatif/answer.h"
#include "advisor/whatif/question.h"

namespace tcpadvisor::whatif {

struct World {
  const Evidence& in;
  const Question& question;

  const Sample& sample() const { return in.now(); }
  /// A value of a setting now, and with all that is asked; nothing if it was not read. `knob` by full name; of a
  /// setting of the host the namespace does not matter.
  std::optional<std::int64_t> now(NetnsId netns, std::string_view knob, std::size_t at = 0) const;
  std::optional<std::int64_t> then(NetnsId netns, std::string_view knob, std::size_t at = 0) const;
  /// Namespaces where it has been read; of a setting of the host only one.
  std::vector<const NetnsSample*> places(const Knob& knob) const;
};

/// Null if it was not read there.
const Sysctl* setting_in(const NetnsSample& netns, std::string_view knob);

/// "sink[3], 10.0.0.1:80 <- 10.0.0.2:4000, netns blue"
std::string flow_text(const Sample& sample, const SocketRow& row, std::string_view arrow);
std::string listener_text(const Sample& sample, const SocketRow& row);
std::string rate_text(double bytes_per_s);  ///< "1.5 Gbit/s"
std::string ms_text(double us);             ///< "20.3 ms"

/// An answer with what is asked and what is there now.
Answer begin(const World& world, const Asked& asked);
/// "no effect here, because …" unless there are effects; `because` without a full stop.
void conclude(Answer& answer, std::string because);

}  // namespace tcpadvisor::whatif
