// SPDX-License-Identifier: Apache-2.0
// An optional number in the space of the number itself, for what is kept thousands of times.
#pragma once

#include <concepts>
#include <limits>
#include <optional>

namespace tcpadvisor {

/// Reads as std::optional<T> does. The largest value of T stands for nothing; a number that does not fit counts as the
/// one below it.
template <std::unsigned_integral T>
class Maybe {
 public:
  constexpr Maybe() = default;
  constexpr Maybe(std::nullopt_t) {}  // NOLINT: as std::optional
  template <std::unsigned_integral U>
  constexpr Maybe(U value)
      : value_(value < kNothing ? static_cast<T>(value) : static_cast<T>(kNothing - 1)) {}  // NOLINT
  template <std::unsigned_integral U>
  constexpr Maybe(std::optional<U> value) : value_(value ? *Maybe(*value) : kNothing) {}  // NOLINT

  constexpr bool has_value() const { return value_ != kNothing; }
  constexpr explicit operator bool() const { return has_value(); }
  constexpr T operator*() const { return value_; }  ///< only if has_value()
  constexpr T value_or(T other) const { return has_value() ? value_ : other; }
  bool operator==(const Maybe&) const = default;

 private:
  static constexpr T kNothing = std::numeric_limits<T>::max();
  T value_ = kNothing;
};

}  // namespace tcpadvisor
