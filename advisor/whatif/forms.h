// SPDX-License-Identifier: Apache-2.0
// Answers as text and as JSON. Names from outside are made harmless. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "advisor/whatif/answer.h"

namespace tcpadvisor::whatif {

/// What the answers were worked out from.
struct Seen {
  std::string host, kernel;
  double seconds = 0;
  std::size_t samples = 0;
  std::string recorded;  ///< where from; empty: this host, now
};
Seen seen_in(const Window& window);

std::string as_text(const Seen& seen, const std::vector<Answer>& answers, std::size_t width);
std::string as_json(const Seen& seen, const std::vector<Answer>& answers);  ///< docs/whatif.schema.json, one line

}  // namespace tcpadvisor::whatif
