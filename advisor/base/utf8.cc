// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/utf8.h"

namespace tcpadvisor {

CodePoint code_point_at(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {1, byte(0), true};
  std::size_t length = (byte(0) >> 5) == 0x06 ? 2 : (byte(0) >> 4) == 0x0E ? 3 : (byte(0) >> 3) == 0x1E ? 4 : 0;
  if (length == 0 || length > text.size()) return {};
  char32_t value = byte(0) & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) >> 6) != 0x02) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  static constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {};
  return {length, value, true};
}

}  // namespace tcpadvisor
