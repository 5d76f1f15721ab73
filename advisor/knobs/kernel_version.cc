// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/kernel_version.h"

#include <algorithm>

#include "advisor/base/text.h"

namespace tcpadvisor {

std::optional<KernelVersion> kernel_version(std::string_view release) {
  const std::size_t dot = release.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view rest = release.substr(dot + 1);
  auto major = parse_u64(release.substr(0, dot));
  auto minor = parse_u64(rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size())));
  if (!major || !minor) return std::nullopt;
  return KernelVersion{.major = *major, .minor = *minor};
}

}  // namespace tcpadvisor
