// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tcpadvisor::cli {

/// "uid 0; holds cap_bpf, cap_perfmon; lacks cap_sys_admin": of the capabilities that some source can use.
std::string privileges_text();

}  // namespace tcpadvisor::cli
