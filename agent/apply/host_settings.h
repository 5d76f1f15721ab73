// SPDX-License-Identifier: Apache-2.0
// The only door through which this program writes to /proc/sys.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "advisor/base/result.h"

namespace tcpadvisor::apply {

class HostSettings {
 public:
  virtual ~HostSettings() = default;
  /// Its values, one blank between them. not_found: there is no such namespace here, or it has no such setting.
  virtual Result<std::string> read(std::uint64_t netns_id, std::string_view knob) = 0;
  /// Fails also if the kernel then has another value.
  virtual Status write(std::uint64_t netns_id, std::string_view knob, std::string_view value) = 0;
};

/// Those of this host: in our own namespace, the host's and those of `ip netns`. They are found and opened now: later
/// there may be no right to look for them. One that is not there is no error until it is asked for.
std::unique_ptr<HostSettings> real_settings();

/// "4096\t131072\t6291456\n" -> "4096 131072 6291456"
std::string one_blank_between(std::string_view text);

}  // namespace tcpadvisor::apply
