// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/policy_file.h"

#include <unistd.h>

#include "agent/cli/input_file.h"

namespace tcpadvisor::cli {

Result<Policy> policy_from(const std::string& name_or_path) {
  Result<Policy> named = Policy::named(name_or_path);
  bool looks_like_a_path = name_or_path.find_first_of("/.") != std::string::npos;
  if (named || (!looks_like_a_path && access(name_or_path.c_str(), F_OK) != 0)) return named;
  Result<std::string> text = read_input_file(name_or_path);
  if (!text) return std::unexpected(text.error());
  return Policy::parse(*text, name_or_path);
}

}  // namespace tcpadvisor::cli
