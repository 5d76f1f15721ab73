// SPDX-License-Identifier: Apache-2.0
// A Sample in which every member has a value of its own, made by its description: a new member is in it by itself.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "advisor/evidence/sample_fields.h"

namespace tcpadvisor::build {

class Filler {
 public:
  explicit Filler(std::uint64_t from) : last_(from) {}

  template <typename T>
  void operator()(const char*, T& value) {
    fill(value);
  }

 private:
  std::uint64_t next() { return ++last_; }
  void fill(bool& value) { value = next() % 2 == 0; }
  void fill(double& value) { value = static_cast<double>(next()) + 0.1; }
  void fill(std::string& value) { value = "text " + std::to_string(next()); }
  void fill(Endpoint& value) {
    value = Endpoint::v4(10, 0, 0, static_cast<std::uint8_t>(next()), static_cast<std::uint16_t>(next()));
    if (next() % 2 == 0) {
      value.v6 = true;
      value.ip[15] = 9;
    }
  }
  template <std::integral T>
  void fill(T& value) {
    value = static_cast<T>(next());
  }
  template <typename T>
    requires std::is_enum_v<T>
  void fill(T& value) {
    value = static_cast<T>(1 + next() % 2);
  }
  template <typename T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <typename T>
  void fill(std::vector<T>& value) {
    value.resize(2);
    for (T& item : value) fill(item);
  }
  template <typename T, std::size_t N>
  void fill(std::array<T, N>& value) {
    for (T& item : value) fill(item);
  }
  void fill(StateTable& value) {
    for (std::size_t state = 1; state < kStateCount; ++state) fill(value[state]);
  }
  template <typename K, typename V>
  void fill(std::map<K, V>& value) {
    for (int i = 0; i < 2; ++i) {
      K key;
      fill(key);
      fill(value[key]);
    }
  }
  template <typename T>
    requires requires(Filler& filler, T& value) { describe(filler, value); }
  void fill(T& value) {
    describe(*this, value);
  }
  std::uint64_t last_;
};

/// Every number is another one, from `from` on.
inline Sample full_sample(std::uint64_t from = 0) {
  Sample sample;
  Filler filler(from);
  describe(filler, sample);
  return sample;
}

}  // namespace tcpadvisor::build
