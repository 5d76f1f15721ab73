// SPDX-License-Identifier: Apache-2.0
// Arithmetic on numbers from outside (the kernel, a program's own word, a recording): a result that does not fit stays
// at the nearest number that does. It never wraps round, and nothing here is undefined. Named as in C++26's <numeric>.
#pragma once

#include <bit>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace tcpadvisor {

template <std::unsigned_integral T>
constexpr T add_sat(T a, std::type_identity_t<T> b) {
  T sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<T>::max() : sum;
}

template <std::unsigned_integral T>
constexpr T sub_sat(T a, std::type_identity_t<T> b) {
  return a > b ? static_cast<T>(a - b) : T{0};
}

template <std::unsigned_integral T>
constexpr T mul_sat(T a, std::type_identity_t<T> b) {
  T product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<T>::max() : product;
}

/// Truncates; below 0 and not-a-number give 0.
constexpr std::uint64_t to_u64(double value) {
  if (!(value > 0)) return 0;
  return value >= 0x1p64 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(value);
}

constexpr std::uint64_t to_u64(std::int64_t value) {
  return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

/// Truncates; not-a-number gives 0.
constexpr std::int64_t to_i64(double value) {
  if (value >= 0x1p63) return std::numeric_limits<std::int64_t>::max();
  if (value <= -0x1p63) return std::numeric_limits<std::int64_t>::min();
  return value == value ? static_cast<std::int64_t>(value) : 0;
}

/// Milliseconds as the kernel counts them (without sign).
constexpr std::chrono::milliseconds milliseconds_sat(std::uint64_t ms) {
  constexpr auto kMost = std::numeric_limits<std::chrono::milliseconds::rep>::max();
  return std::chrono::milliseconds(ms > std::uint64_t{kMost} ? kMost : static_cast<std::int64_t>(ms));
}

/// The next power of two, at least 1; beyond 2^63 the largest number there is.
constexpr std::uint64_t pow2ceil(std::uint64_t value) {
  if (value > 1ull << 63) return std::numeric_limits<std::uint64_t>::max();
  return std::bit_ceil(value > 1 ? value : 1);
}

}  // namespace tcpadvisor
