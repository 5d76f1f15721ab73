// SPDX-License-Identifier: Apache-2.0
// One number over time: growth, percentiles, counter increases. Pure.
#pragma once

#include <cstddef>
#include <vector>

namespace tcpadvisor {

/// Points in time order. Samples that could not give the number are simply not there.
class Series {
 public:
  struct Point {
    double t_s = 0;  ///< seconds since the first sample of the window
    double value = 0;
  };

  void add(double t_s, double value) { points_.push_back({t_s, value}); }
  void reserve(std::size_t points) { points_.reserve(points); }  ///< so many will be added, at most
  const std::vector<Point>& points() const { return points_; }
  bool empty() const { return points_.empty(); }
  std::size_t size() const { return points_.size(); }

  // All of these are 0 for an empty series.
  double first() const { return empty() ? 0 : points_.front().value; }
  double last() const { return empty() ? 0 : points_.back().value; }
  double min() const;
  double max() const;
  double percentile(double percent) const;  ///< nearest rank, 0..100
  double span_s() const { return empty() ? 0 : points_.back().t_s - points_.front().t_s; }

  /// Least-squares slope, per minute. 0 with fewer than two points.
  double per_minute() const;
  std::size_t rises() const;  ///< steps upwards
  std::size_t falls() const;  ///< steps downwards
  /// The last `count` points; all of them when there are fewer.
  Series tail(std::size_t count) const;

  /// Share of the points for which `holds(value)`; 0 when empty.
  template <typename Predicate>
  double share(Predicate holds) const {
    std::size_t hits = 0;
    for (const Point& point : points_) hits += holds(point.value) ? 1 : 0;
    return empty() ? 0 : static_cast<double>(hits) / static_cast<double>(size());
  }

  // For counters. A value below the one before means that the counter began again at zero: all of it is new.
  double increase() const;
  double increase_per_s() const;  ///< 0 when the points span no time
  /// The largest increase in one step of about `interval_s`. Of a longer step, where points are missing, so much of it
  /// counts as would come in that time.
  double worst_step(double interval_s) const;

 private:
  std::vector<Point> points_;
};

}  // namespace tcpadvisor
