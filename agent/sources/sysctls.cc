// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/sysctls.h"

#include <algorithm>
#include <string>

#include "advisor/base/fields.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor::sources {

Sysctl parse_sysctl(std::string_view text, bool host_global) {
  Sysctl setting;
  setting.host_global = host_global;
  text = trimmed(text);
  setting.text = std::string(text);
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    auto value = number<std::int64_t>(word);
    if (!value) {
      setting.values.clear();  // words, for example the list of congestion controls
      return setting;
    }
    setting.values.push_back(*value);
  }
  return setting;
}

Result<Sysctls> read_sysctls(const os::ProcRoot& root) {
  Sysctls settings;
  Error first{ErrorCode::not_found, "no TCP setting below /proc/sys/net", 0};
  for (const Knob& knob : knobs()) {
    std::string path = "/proc/sys/" + std::string(knob.name);
    std::replace(path.begin() + 10, path.end(), '.', '/');
    auto text = root.read(path);
    if (text) {
      settings.emplace(knob.name, parse_sysctl(*text, knob.scope == KnobScope::host));
    } else if (text.error().code != ErrorCode::not_found) {
      first = text.error();
    }
  }
  if (settings.empty()) return std::unexpected(first);
  return settings;
}

}  // namespace tcpadvisor::sources
