// SPDX-License-Identifier: Apache-2.0
// Code points of UTF-8 text from anywhere (RFC 3629). Pure, and independent of the process's locale.
#pragma once

#include <cstddef>
#include <string_view>

namespace tcpadvisor {

struct CodePoint {
  std::size_t bytes = 1;
  char32_t value = 0;  ///< 0 when not valid
  bool valid = false;  ///< else `bytes` is 1: one byte that begins no code point
};

/// At the start of `text`, which is not empty. Overlong forms, surrogates and values above U+10FFFF are not valid.
CodePoint code_point_at(std::string_view text);

}  // namespace tcpadvisor
