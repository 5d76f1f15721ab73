// SPDX-License-Identifier: Apache-2.0
// Programs that hold what they do not use: they open listeners for services, and all others hang on them.
#pragma once

#include <string_view>

namespace tcpadvisor {

/// An init, a service manager or what runs containers, by its name. Process 1 of a pid namespace is one whatever its
/// name.
bool is_manager_name(std::string_view comm);

}  // namespace tcpadvisor
