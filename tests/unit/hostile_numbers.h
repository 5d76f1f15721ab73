// SPDX-License-Identifier: Apache-2.0
// Every number of a Sample, made hostile: what a broken kernel, a lying program or a damaged recording may say.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample_fields.h"
#include "advisor/evidence/window.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::build {

inline constexpr std::array<std::uint64_t, 5> kHostile = {0, 1, 1ull << 31, 1ull << 53,
                                                          std::numeric_limits<std::uint64_t>::max()};

/// Walks a Sample by its description (so a new member is covered by itself) and sets numbers, a share of them at
/// random.
class Spoiler {
 public:
  /// `share` of the numbers become one of `values`; those that say who is who (and when) only if `identities`.
  Spoiler(std::uint32_t seed, std::vector<std::uint64_t> values, double share, bool identities)
      : random_(seed), values_(std::move(values)), share_(share), identities_(identities) {}

  template <typename T>
  void operator()(std::string_view name, T& value) {
    static constexpr std::array<std::string_view, 7> kIdentities = {"netns", "id",        "pid",    "cookie",
                                                                    "inode", "cgroup_id", "mono_ms"};
    bool identity = std::ranges::find(kIdentities, name) != kIdentities.end();
    if (std::is_integral_v<T> && identity && !identities_) return;
    spoil(value);
  }

 private:
  bool chosen() { return std::uniform_real_distribution<>(0, 1)(random_) < share_; }
  std::uint64_t next() { return values_[std::uniform_int_distribution<std::size_t>(0, values_.size() - 1)(random_)]; }

  void spoil(std::string&) {}
  void spoil(Endpoint&) {}
  void spoil(bool& value) {
    if (chosen()) value = next() % 2 != 0;
  }
  void spoil(double& value) {
    if (chosen()) value = static_cast<double>(next());
  }
  template <std::integral T>
  void spoil(T& value) {
    if (chosen()) value = static_cast<T>(std::min<std::uint64_t>(next(), std::numeric_limits<T>::max()));
  }
  template <typename T>
    requires std::is_enum_v<T>
  void spoil(T&) {}
  template <typename T>
  void spoil(std::optional<T>& value) {
    if (!value && chosen()) value.emplace();
    if (value) spoil(*value);
  }
  template <typename T>
  void spoil(std::vector<T>& value) {
    for (T& item : value) spoil(item);
  }
  template <typename T, std::size_t N>
  void spoil(std::array<T, N>& value) {
    for (T& item : value) spoil(item);
  }
  template <typename K, typename V>
  void spoil(std::map<K, V>& value) {
    for (auto& [key, item] : value) spoil(item);
  }
  template <typename T>
    requires requires(Spoiler& spoiler, T& value) { describe(spoiler, value); }
  void spoil(T& value) {
    describe(*this, value);
  }

  std::mt19937 random_;
  std::vector<std::uint64_t> values_;
  double share_;
  bool identities_;
};

/// The window that `make` makes, of spoiled samples.
inline Window spoiled(const std::function<Window()>& make, Spoiler spoiler) {
  on_each_sample = [&](Sample& sample) { describe(spoiler, sample); };
  Window window = make();
  on_each_sample = nullptr;
  return window;
}

}  // namespace tcpadvisor::build
