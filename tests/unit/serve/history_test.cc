// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/history.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/builders.h"

namespace tcpadvisor::serve::history_test {
namespace {

/// A host at that time (unix, ms) with so many connections.
observe::Observation host_at(std::int64_t wall_ms, std::uint64_t connections) {
  observe::Observation seen;
  seen.window = build::a_window(1, [&](build::SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, connections).set([&](Sample& s) { s.wall_ms = wall_ms; });
  });
  return seen;
}

constexpr std::int64_t kStart = 1'800'000'000'000;

class HistoryOf : public testing::Test {
 protected:
  void see(std::int64_t after_ms, std::uint64_t connections) { history_.see(host_at(kStart + after_ms, connections)); }
  nlohmann::json json() const { return nlohmann::json::parse(history_.as_json()); }
  nlohmann::json points(const std::string& name) const {
    const nlohmann::json all = json();
    for (const auto& course : all["courses"])
      if (course["name"] == name) return course["points"];
    return nullptr;
  }

  History history_;
};

TEST_F(HistoryOf, nothing_has_no_points) {
  EXPECT_EQ(json()["ts"].size(), 0U);
  EXPECT_EQ(history_.latest_json(), "[]");
}

TEST_F(HistoryOf, a_slot_keeps_the_largest) {
  see(0, 3);
  see(500, 9);
  see(1'999, 4);
  see(2'000, 5);
  EXPECT_EQ(points("established"), nlohmann::json({9, 5}));
  EXPECT_EQ(json()["ts"], nlohmann::json({kStart / 1'000, kStart / 1'000 + 2}));
  const auto latest = nlohmann::json::parse(history_.latest_json());
  EXPECT_EQ(latest.size(), kCourses + 1);
  EXPECT_EQ(latest[0], kStart / 1'000 + 2);
}

TEST_F(HistoryOf, it_is_bounded_however_often_the_agent_looks) {
  for (std::int64_t i = 0; i < 20'000; ++i) see(i * 250, static_cast<std::uint64_t>(i));  // 83 minutes
  EXPECT_EQ(history_.size(), History::kMostSlots);
  EXPECT_EQ(points("established").back(), 19'999);
  EXPECT_LT(history_.as_json().size(), 400U << 10);
}

TEST_F(HistoryOf, what_is_older_than_an_hour_goes) {
  see(0, 1);
  see(3'598'000, 2);
  EXPECT_EQ(history_.size(), 2U);
  see(3'600'000, 3);
  EXPECT_EQ(points("established"), nlohmann::json({2, 3}));
}

TEST_F(HistoryOf, times_ascend_when_the_clock_is_set_back) {
  see(0, 1);
  see(60'000, 2);
  see(30'000, 3);
  EXPECT_EQ(points("established"), nlohmann::json({1, 3}));
}

TEST_F(HistoryOf, what_was_not_seen_is_null) {
  see(0, 1);
  EXPECT_EQ(points("retransmits"), nlohmann::json::array({nullptr}));  // there is no tick before
}

}  // namespace
}  // namespace tcpadvisor::serve::history_test
