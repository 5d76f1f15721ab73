// SPDX-License-Identifier: Apache-2.0
// Files that set sysctls are other people's text: sysctl.d, tuned's profiles, the kernel's command line.
#include <array>
#include <string>

#include "advisor/knobs/keeping.h"
#include "advisor/knobs/set_by.h"
#include "advisor/knobs/setting_lines.h"
#include "advisor/knobs/tuned_profile.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  constexpr std::size_t kLongestValue = 256;
  const std::string text(fuzz::text(bytes));
  const Sysctl triple{{4096, 131'072, 6'291'456}, "", false}, words{{}, "cubic", false};
  for (const SettingLine& line : setting_lines(std::array{SettingText{.file = "a", .text = text}})) {
    fuzz::require(!line.knob.empty() && line.line > 0 && line.value.size() < kLongestValue);
    says(line.value, triple);
    says(line.value, words);
  }
  for (const SettingLine& line : parse_tuned_profile(text, "t").lines) fuzz::require(line.value.size() < kLongestValue);
  command_line_settings(text);
  tuned_reapplies(text);
  for (const std::string& name : tuned_profile_names(text)) fuzz::require(!name.contains('/') && name != "..");
  if (text.contains('/')) return;
  const std::string file = "/etc/sysctl.d/" + text, ours = fragment_after(file);
  fuzz::require(ours.empty() || ours == file || ours > file);
}
