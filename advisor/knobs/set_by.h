// SPDX-License-Identifier: Apache-2.0
// Who has set the present value of a setting: a line of a file, the kernel, whoever made the namespace, or somebody at
// run time. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/evidence/window.h"

namespace tcpadvisor {

enum class SetBySource : std::uint8_t {
  command_line,
  sysctl_conf,
  sysctl_d,
  tuned,
  kernel_default,
  host,             ///< copied from the host's when the namespace was made
  namespace_maker,  ///< what made the namespace, or a program in it
  changed_now,      ///< at run time, within the window
  unknown,          ///< at run time, or by the kernel at boot
};
std::string_view name_of(SetBySource source);  ///< "sysctl.d"

struct SetBy {
  std::string knob;
  SetBySource source = SetBySource::unknown;
  std::string file;                    ///< with `source` a file; else empty
  std::uint32_t line = 0;              ///< 0 if it has none
  std::string value;                   ///< what the source says; the present value if that is no file
  std::string text;                    ///< all of it in one line
  std::optional<SettingLine> at_boot;  ///< what a boot makes of it, if that is another value
};

/// Nothing if the setting was not read, or no file was looked for.
std::optional<SetBy> who_set(const Window& window, NetnsId netns, std::string_view knob);

/// What a line says is what the kernel has: same numbers or words. A shorter list sets the first ones.
bool says(std::string_view value, const Sysctl& setting);

}  // namespace tcpadvisor
