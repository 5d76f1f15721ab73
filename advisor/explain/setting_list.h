// SPDX-License-Identifier: Apache-2.0
// Every setting as this host has it: value, the kernel's start, scope, who set it, and how many sockets it binds. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/knobs/binding.h"
#include "advisor/knobs/knobs.h"
#include "advisor/knobs/set_by.h"

namespace tcpadvisor::explain {

struct SettingHere {
  const Knob* knob = nullptr;
  NetnsId netns = 0;
  std::string netns_name;
  std::string value;  ///< printable
  std::string start;  ///< what this kernel starts with
  std::optional<SetBy> set_by;
  std::optional<Binding> binds;
};

/// In the order of knobs(); of each namespace those of its own. Settings that this kernel does not have are left out.
std::vector<SettingHere> settings_here(const Window& window);
/// One setting; several where namespaces have their own.
std::vector<SettingHere> settings_here(const Window& window, const Knob& knob);

/// The host's in full, of other namespaces what is otherwise there.
std::string settings_as_text(const std::vector<SettingHere>& settings, std::size_t width);
std::string settings_as_json(const std::vector<SettingHere>& settings);  ///< an array, one line

}  // namespace tcpadvisor::explain
