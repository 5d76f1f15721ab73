// SPDX-License-Identifier: Apache-2.0
// Metrics as data: families with their points, whatever text they become. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::exported {

enum class MetricType : std::uint8_t { gauge, counter, histogram };
std::string_view name_of(MetricType type);

/// One of the kernel's or a program's names as a label: valid UTF-8 without control characters, at most
/// kMostLabelBytes; what is longer ends in "…".
inline constexpr std::size_t kMostLabelBytes = 96;
std::string label_text(std::string_view text);

using Labels = std::vector<std::string>;  ///< values, in the order of the family's names

/// Counts of what was at most each edge, and of all.
struct Histogram {
  std::vector<std::uint64_t> counts;  ///< one for each edge and one more for what is larger; not cumulative
  double sum = 0;
};

/// A family may have so many sets of labels. Who fills it folds the rest first; this is for what nobody foresaw.
inline constexpr std::size_t kMostSeries = 400;

class Family {
 public:
  std::string name;  ///< "tcpadvisor_connections"; of a counter with "_total"
  MetricType type = MetricType::gauge;
  std::string unit;  ///< "bytes", "seconds", "ratio" or nothing
  std::vector<std::string> labels;
  std::string help;
  std::vector<double> edges;  ///< of a histogram, ascending, in the unit

  /// Two points with the same labels are one, added up: hostile names may become equal.
  void add(std::initializer_list<std::string_view> values, double amount);
  void add(const Labels& values, double amount);
  void add(const Labels& values, const Histogram& histogram);
  /// The larger one of two points with the same labels.
  void raise(const Labels& values, double amount);

  const std::map<Labels, double>& points() const { return points_; }
  const std::map<Labels, Histogram>& histograms() const { return histograms_; }
  /// Leaves at most so many sets of labels; the others count as dropped.
  void keep(std::size_t most);
  std::size_t series() const;                         ///< lines in the exposition
  std::uint64_t dropped() const { return dropped_; }  ///< sets of labels beyond kMostSeries

 private:
  /// Null: there is no room for another set.
  template <typename T>
  T* place(std::map<Labels, T>& all, const Labels& values);

  std::map<Labels, double> points_;
  std::map<Labels, Histogram> histograms_;
  std::uint64_t dropped_ = 0;
};

/// What a part of the tables knows of a family before there is anything in it.
struct FamilyRow {
  std::string_view name;  ///< without "tcpadvisor_"
  MetricType type = MetricType::gauge;
  std::string_view unit;
  std::array<std::string_view, 4> labels{};  ///< those that are not empty
  std::string_view help;
  std::span<const double> edges{};
};

class Families {
 public:
  Families() = default;
  Families(Families&&) = default;
  Families& operator=(Families&&) = default;
  /// The family of that name; made of the row if there is none.
  Family& family(const FamilyRow& row);
  /// Leaves at most so many series in all: the families with the most give.
  void limit(std::size_t most);
  std::size_t series() const;
  std::uint64_t dropped() const;
  const std::deque<Family>& all() const { return all_; }
  /// So many of a kind ("group", "listener") have no series of their own; who folds them says so, zero too.
  void tell_folded(std::string_view what, std::uint64_t count) { folded_[what] = count; }
  const std::map<std::string_view, std::uint64_t>& folded() const { return folded_; }

 private:
  std::map<std::string, Family*, std::less<>> by_name_;  // without "tcpadvisor_"
  std::map<std::string_view, std::uint64_t> folded_;     // names are literals
  std::deque<Family> all_;                               // in the order in which they were asked for first
};

}  // namespace tcpadvisor::exported
