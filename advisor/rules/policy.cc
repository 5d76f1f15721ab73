// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <fmt/format.h>

#include "advisor/base/text.h"

namespace tcpadvisor {

Result<Policy> Policy::named(std::string_view name) {
  if (name == "default") return Policy{};
  if (name == "lab") {
    using std::chrono::seconds;
    return Policy{.name = "lab", .window = seconds(1), .windows = 2, .age = seconds(5), .min_count = 10};
  }
  return fail(
      ErrorCode::bad_input,
      fmt::format("policy '{}' is not known: write default, lab or the path of a policy file", printable(name)));
}

}  // namespace tcpadvisor
