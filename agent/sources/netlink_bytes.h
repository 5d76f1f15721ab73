// SPDX-License-Identifier: Apache-2.0
// What netlink's answers are made of, whatever they are about: bytes that may end anywhere.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "advisor/base/text.h"

namespace tcpadvisor::sources {

using Bytes = std::span<const std::byte>;

/// Copies the value at `offset`, or nothing when the bytes end before its end.
template <typename T>
std::optional<T> value_at(Bytes bytes, std::size_t offset = 0) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// A name as it may be shown, up to its NUL.
inline std::string text_of(Bytes bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return printable(text.substr(0, text.find('\0')));
}

}  // namespace tcpadvisor::sources
