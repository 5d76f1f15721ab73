// SPDX-License-Identifier: Apache-2.0
// Families as the text that Prometheus scrapes. Pure.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "agent/export/families.h"

namespace tcpadvisor::exported {

/// Prometheus' text format 0.0.4, or OpenMetrics 1.0, which ends in "# EOF".
enum class Exposition { prometheus, open_metrics };

std::string_view media_type_of(Exposition form);  ///< as for HTTP's Content-Type
/// Families without a point are left out.
std::string exposition_of(const std::deque<Family>& families, Exposition form);

}  // namespace tcpadvisor::exported
