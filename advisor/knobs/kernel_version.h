// SPDX-License-Identifier: Apache-2.0
// What a release of the kernel brings, where nothing else shows it: the meaning of settings. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tcpadvisor {

struct KernelVersion {
  std::uint64_t major = 0, minor = 0;
  auto operator<=>(const KernelVersion&) const = default;
};

/// "6.12.30-cloud" -> 6.12; nothing if it does not begin so.
std::optional<KernelVersion> kernel_version(std::string_view release);

}  // namespace tcpadvisor
