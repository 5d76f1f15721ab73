// SPDX-License-Identifier: Apache-2.0
// A Sample as JSON and back, complete: what was written is read back equal. Used for recordings and fixtures.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// Raised when a field changes its meaning; a reader refuses other versions. A field that is missing has its default.
inline constexpr int kSampleJsonVersion = 1;

/// An object with "version"; fields that are not known (std::nullopt) are left out, states without sockets too.
nlohmann::json to_json(const Sample& sample);

/// Errors are bad_input and name the place: "sockets[3].state: …". Members that it does not know are ignored.
Result<Sample> sample_from_json(const nlohmann::json& json);

}  // namespace tcpadvisor
