// SPDX-License-Identifier: Apache-2.0
// SQLiteCpp throws; this room's edges return errors.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <type_traits>

#include "advisor/base/result.h"
#include "advisor/base/text.h"

namespace tcpadvisor::store {

/// What `work` returns, or what it threw as an Error that names the file.
template <typename Work>
auto guarded(const std::string& path, ErrorCode code, Work work) -> std::invoke_result_t<Work> {
  try {
    return work();
  } catch (const std::exception& error) {
    return fail(code, fmt::format("{}: {}", printable(path), printable(error.what())));
  }
}

}  // namespace tcpadvisor::store
