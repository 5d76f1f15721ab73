// SPDX-License-Identifier: Apache-2.0
// How many sockets a setting holds back, or concerns, at this moment. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "advisor/evidence/sample.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor {

struct Binding {
  std::uint64_t sockets = 0;
  std::string what;  ///< which ones: "receive buffers at the end of [2]"
};

/// In one namespace, of the rows and totals that the sample has. Nothing where a setting holds no single socket, or it
/// cannot be seen which.
std::optional<Binding> binding_of(const Sample& sample, const NetnsSample& netns, const Knob& knob);

}  // namespace tcpadvisor
