// SPDX-License-Identifier: Apache-2.0
// Programs that hold what they do not use: they open listeners for services, and all others hang on them.
#pragma once

#include <cstdint>
#include <string_view>

namespace tcpadvisor {

/// An init, a service manager or what runs containers, by its name; process 1 of a pid namespace is one whatever its
/// name.
bool is_manager(std::uint32_t pid, std::string_view comm);

}  // namespace tcpadvisor
