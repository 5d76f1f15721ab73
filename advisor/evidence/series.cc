// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/series.h"

#include <algorithm>
#include <cmath>

namespace tcpadvisor {
namespace {

double step(const Series::Point& before, const Series::Point& after) {
  return after.value >= before.value ? after.value - before.value : after.value;
}

}  // namespace

double Series::min() const {
  return empty() ? 0 : std::ranges::min(points_, {}, &Point::value).value;
}
double Series::max() const {
  return empty() ? 0 : std::ranges::max(points_, {}, &Point::value).value;
}

double Series::percentile(double percent) const {
  if (empty()) return 0;
  std::vector<double> values;
  values.reserve(size());
  for (const Point& point : points_) values.push_back(point.value);
  double rank = std::ceil(std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(size()));
  auto at = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
  std::ranges::nth_element(values, values.begin() + at);
  return values[static_cast<std::size_t>(at)];
}

double Series::per_minute() const {
  if (size() < 2) return 0;
  double mean_t = 0, mean_value = 0;
  for (const Point& point : points_) {
    mean_t += point.t_s;
    mean_value += point.value;
  }
  mean_t /= static_cast<double>(size());
  mean_value /= static_cast<double>(size());
  double covariance = 0, variance = 0;
  for (const Point& point : points_) {
    covariance += (point.t_s - mean_t) * (point.value - mean_value);
    variance += (point.t_s - mean_t) * (point.t_s - mean_t);
  }
  return variance > 0 ? covariance / variance * 60 : 0;
}

std::size_t Series::rises() const {
  std::size_t count = 0;
  for (std::size_t i = 1; i < size(); ++i) count += points_[i].value > points_[i - 1].value ? 1 : 0;
  return count;
}

std::size_t Series::falls() const {
  std::size_t count = 0;
  for (std::size_t i = 1; i < size(); ++i) count += points_[i].value < points_[i - 1].value ? 1 : 0;
  return count;
}

Series Series::tail(std::size_t count) const {
  Series out;
  out.points_.assign(points_.end() - static_cast<std::ptrdiff_t>(std::min(count, size())), points_.end());
  return out;
}

double Series::increase() const {
  double sum = 0;
  for (std::size_t i = 1; i < size(); ++i) sum += step(points_[i - 1], points_[i]);
  return sum;
}

double Series::increase_per_s() const {
  return span_s() > 0 ? increase() / span_s() : 0;
}

double Series::worst_step(double interval_s) const {
  double worst = 0;
  for (std::size_t i = 1; i < size(); ++i) {
    double took_s = points_[i].t_s - points_[i - 1].t_s;
    double share = took_s > 2 * interval_s ? interval_s / took_s : 1;
    worst = std::max(worst, share * step(points_[i - 1], points_[i]));
  }
  return worst;
}

}  // namespace tcpadvisor
