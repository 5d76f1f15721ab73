// SPDX-License-Identifier: Apache-2.0
#include "agent/export/families.h"

#include <algorithm>
#include <iterator>

#include "advisor/base/text.h"
#include "advisor/base/utf8.h"

namespace tcpadvisor::exported {

std::string_view name_of(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::histogram:
      return "histogram";
    case MetricType::gauge:
      break;
  }
  return "gauge";
}

std::string label_text(std::string_view text) {
  static constexpr std::string_view kMore = "…";
  std::string clean = printable(text.substr(0, 4 * kMostLabelBytes));
  if (clean.size() <= kMostLabelBytes) return clean;
  std::size_t end = 0;
  while (true) {
    const std::size_t next = end + code_point_at(std::string_view(clean).substr(end)).bytes;
    if (next > kMostLabelBytes - kMore.size()) break;
    end = next;
  }
  return clean.substr(0, end).append(kMore);
}

template <typename T>
T* Family::place(std::map<Labels, T>& all, const Labels& values) {
  Labels clean;
  for (const std::string& value : values) clean.push_back(label_text(value));
  clean.resize(labels.size());
  auto found = all.find(clean);
  if (found != all.end()) return &found->second;
  if (all.size() >= kMostSeries) {
    ++dropped_;
    return nullptr;
  }
  return &all[std::move(clean)];
}

void Family::add(std::initializer_list<std::string_view> values, double amount) {
  add(Labels(values.begin(), values.end()), amount);
}

void Family::add(const Labels& values, double amount) {
  if (double* point = place(points_, values); point != nullptr) *point += amount;
}

void Family::raise(const Labels& values, double amount) {
  if (double* point = place(points_, values); point != nullptr) *point = std::max(*point, amount);
}

void Family::add(const Labels& values, const Histogram& histogram) {
  Histogram* point = place(histograms_, values);
  if (point == nullptr) return;
  point->counts.resize(edges.size() + 1);
  for (std::size_t i = 0; i < point->counts.size() && i < histogram.counts.size(); ++i)
    point->counts[i] += histogram.counts[i];
  point->sum += histogram.sum;
}

void Family::keep(std::size_t most) {
  auto leave = [&](auto& all) {
    while (all.size() > most) {
      all.erase(std::prev(all.end()));
      ++dropped_;
    }
  };
  leave(points_);
  leave(histograms_);
}

std::size_t Family::series() const {
  return points_.size() + histograms_.size() * (edges.size() + 3);  // and +Inf, _sum, _count
}

Family& Families::family(const FamilyRow& row) {
  if (auto found = by_name_.find(row.name); found != by_name_.end()) return *found->second;
  Family& made = all_.emplace_back();
  by_name_.emplace(row.name, &made);
  made.name = "tcpadvisor_" + std::string(row.name);
  made.type = row.type;
  made.unit = row.unit;
  for (std::string_view label : row.labels) {
    if (!label.empty()) made.labels.emplace_back(label);
  }
  made.help = row.help;
  made.edges.assign(row.edges.begin(), row.edges.end());
  return made;
}

void Families::limit(std::size_t most) {
  for (std::size_t now = series(); now > most; now = series()) {
    Family& largest = *std::ranges::max_element(all_, {}, &Family::series);
    const std::size_t sets = largest.points().size() + largest.histograms().size();
    if (sets == 0) return;
    const std::size_t lines_of_each = std::max<std::size_t>(1, largest.series() / sets);
    const std::size_t give = std::min(sets, (now - most + lines_of_each - 1) / lines_of_each);
    largest.keep(std::max(sets - give, sets / 2));
  }
}

std::size_t Families::series() const {
  std::size_t sum = 0;
  for (const Family& family : all_) sum += family.series();
  return sum;
}

std::uint64_t Families::dropped() const {
  std::uint64_t sum = 0;
  for (const Family& family : all_) sum += family.dropped();
  return sum;
}

}  // namespace tcpadvisor::exported
