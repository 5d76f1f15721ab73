// SPDX-License-Identifier: Apache-2.0
// Random steps from a seed, written down so that a failure tells how it came about.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tcpadvisor::port {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kPropertySteps = 150'000;  ///< of all seeds together; sanitizers take ten times as long
#else
constexpr std::size_t kPropertySteps = 1'000'000;
#endif

class Story {
 public:
  explicit Story(unsigned seed) : random_(seed), seed_(seed) {}

  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool one_in(std::uint64_t chances) { return below(chances) == 0; }
  /// Mostly small, sometimes large, rarely very large; 0..`most`.
  std::uint64_t size(std::uint64_t most) {
    std::uint64_t kind = below(400);
    return below(std::min<std::uint64_t>(most, kind == 0 ? most : kind < 40 ? 2'000 : 40) + 1);
  }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[below(all.size())];
  }

  template <class... Args>
  void step(fmt::format_string<Args...> format, Args&&... args) {
    ++steps_;
    lines_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  /// What came of the step.
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    lines_.push_back("  " + fmt::format(format, std::forward<Args>(args)...));
  }
  void check(bool holds, std::string_view what) {
    if (!holds && failure_.empty()) failure_ = what;
  }
  bool failed() const { return !failure_.empty(); }
  std::size_t steps() const { return steps_; }

  std::string tell() const {
    constexpr std::size_t kLast = 150;
    std::size_t from = lines_.size() > kLast ? lines_.size() - kLast : 0;
    std::string text = fmt::format("seed {}: {}\nafter {} steps, which ended like this:\n", seed_, failure_, steps_);
    for (std::size_t i = from; i < lines_.size(); ++i) text += "  " + lines_[i] + "\n";
    return text;
  }

 private:
  std::minstd_rand random_;
  unsigned seed_;
  std::size_t steps_ = 0;
  std::vector<std::string> lines_;
  std::string failure_;
};

}  // namespace tcpadvisor::port
