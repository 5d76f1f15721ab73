// SPDX-License-Identifier: Apache-2.0
// The numbers of this host behind a topic: one function a kind. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor::explain {

std::vector<std::string> of_state(std::string_view name, const Sample& now);
std::vector<std::string> of_option(std::string_view name, const Sample& now);
std::vector<std::string> of_call(std::string_view name, const Sample& now);

/// "nginx[12] 40, api[7] 3": the processes with the most of something, at most four, and who else there is.
std::string holders_text(std::vector<std::pair<std::uint64_t, const OwnerTotals*>> holders);
StateTotals totals_in(const Sample& now, TcpState state);  ///< of all namespaces that were looked at

}  // namespace tcpadvisor::explain
