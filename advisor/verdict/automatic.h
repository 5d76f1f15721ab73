// SPDX-License-Identifier: Apache-2.0
// Which changes a program may write without a person's word: small steps of settings that hurt nobody, where we can
// name the namespace, where nothing else would undo them, and where somebody suffers from what is now. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Why setting it from `current` to `target` needs a person; empty if it is safe by itself. It looks at the values
/// alone: for whoever reads a report that somebody else may have written.
std::string why_not_by_values(std::string_view knob, std::span<const std::int64_t> current,
                              std::span<const std::int64_t> target);

/// Which service that runs here would write the setting again, in words; empty if none is known to.
std::string other_writer(const SettingFiles& files, std::string_view knob, bool host_netns);

/// Marks the changes that are safe by themselves `automatic`; of those that are not, says why. Who set the values must
/// be known by then.
void mark_automatic(const Window& window, std::vector<Finding>& findings);

}  // namespace tcpadvisor
