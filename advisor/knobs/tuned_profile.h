// SPDX-License-Identifier: Apache-2.0
// What a tuned profile says about our settings: tuned.conf(5). Text in, lines out; including is the reader's work.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

struct TunedProfile {
  std::vector<std::string> includes;  ///< names of profiles that come before this one
  bool replaces = false;              ///< what they say of sysctls does not count
  std::vector<SettingLine> lines;     ///< values as written; may begin with '>' or '<': only raised, only lowered
};
/// Sections of type sysctl. Those that are off, or for some machines only, are passed over.
TunedProfile parse_tuned_profile(std::string_view text, std::string_view file);

/// Of /etc/tuned/active_profile, or of an include: names of profiles, as far as they can be ones; at most 16.
std::vector<std::string> tuned_profile_names(std::string_view text);
/// Of tuned-main.conf: sysctl.d of /etc and /run is applied again after the profile. The default is yes.
bool tuned_reapplies(std::string_view main_text);

}  // namespace tcpadvisor
