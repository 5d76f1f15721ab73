// SPDX-License-Identifier: Apache-2.0
#include "agent/export/exposition.h"

#include <gmock/gmock.h>

#include <limits>

namespace tcpadvisor::exported::exposition_test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr std::array kEdges = {0.5, 1.0, 2.5};

Families some() {
  Families all;
  all.family({.name = "queue_bytes",
              .type = MetricType::gauge,
              .unit = "bytes",
              .labels = {"direction"},
              .help = "a \"queue\"\\"})
      .add({"receive"}, 1.5);
  Family& read =
      all.family({.name = "read_bytes_total", .type = MetricType::counter, .unit = "bytes", .help = "two\nlines"});
  read.add({}, 12'345'678'901.0);
  all.family({.name = "nothing", .type = MetricType::gauge, .help = "has no point"});
  all.family({.name = "rtt_seconds",
              .type = MetricType::histogram,
              .unit = "seconds",
              .labels = {"net"},
              .help = "h",
              .edges = kEdges})
      .add(Labels{"a"}, Histogram{.counts = {1, 0, 2, 4}, .sum = 30.25});
  return all;
}

TEST(Exposition, is_the_text_of_prometheus) {
  EXPECT_EQ(exposition_of(some().all(), Exposition::prometheus),
            "# HELP tcpadvisor_queue_bytes a \"queue\"\\\\\n"
            "# TYPE tcpadvisor_queue_bytes gauge\n"
            "tcpadvisor_queue_bytes{direction=\"receive\"} 1.5\n"
            "# HELP tcpadvisor_read_bytes_total two\\nlines\n"
            "# TYPE tcpadvisor_read_bytes_total counter\n"
            "tcpadvisor_read_bytes_total 12345678901\n"
            "# HELP tcpadvisor_rtt_seconds h\n"
            "# TYPE tcpadvisor_rtt_seconds histogram\n"
            "tcpadvisor_rtt_seconds_bucket{net=\"a\",le=\"0.5\"} 1\n"
            "tcpadvisor_rtt_seconds_bucket{net=\"a\",le=\"1.0\"} 1\n"
            "tcpadvisor_rtt_seconds_bucket{net=\"a\",le=\"2.5\"} 3\n"
            "tcpadvisor_rtt_seconds_bucket{net=\"a\",le=\"+Inf\"} 7\n"
            "tcpadvisor_rtt_seconds_sum{net=\"a\"} 30.25\n"
            "tcpadvisor_rtt_seconds_count{net=\"a\"} 7\n");
}

TEST(Exposition, is_openmetrics_where_that_is_asked_for) {
  const std::string text = exposition_of(some().all(), Exposition::open_metrics);
  EXPECT_THAT(text, HasSubstr("# HELP tcpadvisor_queue_bytes a \\\"queue\\\"\\\\\n# TYPE tcpadvisor_queue_bytes gauge\n"
                              "# UNIT tcpadvisor_queue_bytes bytes\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE tcpadvisor_read_bytes counter\n# UNIT tcpadvisor_read_bytes bytes\n"
                              "tcpadvisor_read_bytes_total 12345678901\n"));
  EXPECT_THAT(text, EndsWith("\n# EOF\n"));
}

TEST(Exposition, numbers_that_are_none_have_their_names) {
  Families all;
  Family& family = all.family({.name = "x", .type = MetricType::gauge, .labels = {"l"}, .help = "x"});
  family.add({"a"}, std::numeric_limits<double>::infinity());
  family.add({"b"}, -std::numeric_limits<double>::infinity());
  family.add({"c"}, std::numeric_limits<double>::quiet_NaN());
  family.add({"d"}, 1e300);
  const std::string text = exposition_of(all.all(), Exposition::prometheus);
  EXPECT_THAT(text, HasSubstr("{l=\"a\"} +Inf\n"));
  EXPECT_THAT(text, HasSubstr("{l=\"b\"} -Inf\n"));
  EXPECT_THAT(text, HasSubstr("{l=\"c\"} NaN\n"));
  EXPECT_THAT(text, HasSubstr("{l=\"d\"} 1e+300\n"));
}

TEST(Exposition, names_from_outside_stay_within_their_quotes) {
  Families all;
  Family& family = all.family({.name = "x", .type = MetricType::gauge, .labels = {"l"}, .help = "x"});
  family.add({"a\"} 1\nevil_metric 2\\"}, 1);
  family.add({"\xff\xfe\x80"}, 2);
  const std::string text = exposition_of(all.all(), Exposition::prometheus);
  EXPECT_THAT(text, HasSubstr("tcpadvisor_x{l=\"a\\\"} 1?evil_metric 2\\\\\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tcpadvisor_x{l=\"???\"} 2\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("\nevil_metric")));
}

TEST(Labels, are_short_and_whole_characters) {
  EXPECT_EQ(label_text(std::string(kMostLabelBytes, 'a')), std::string(kMostLabelBytes, 'a'));
  const std::string cut = label_text(std::string(10'000, 'a'));
  EXPECT_EQ(cut.size(), kMostLabelBytes);
  EXPECT_THAT(cut, EndsWith("a…"));
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "ä";
  EXPECT_LE(label_text(wide).size(), kMostLabelBytes);
  EXPECT_THAT(label_text(wide), EndsWith("ä…"));
}

TEST(Families, points_with_equal_labels_are_one) {
  Families all;
  Family& family = all.family({.name = "x", .type = MetricType::gauge, .labels = {"l"}, .help = "x"});
  family.add({std::string(200, 'a') + "1"}, 1);
  family.add({std::string(200, 'a') + "2"}, 2);
  ASSERT_EQ(family.points().size(), 1U);
  EXPECT_EQ(family.points().begin()->second, 3);
}

TEST(Families, hold_so_many_series_and_count_the_others) {
  Families all;
  Family& family = all.family({.name = "x", .type = MetricType::gauge, .labels = {"l"}, .help = "x"});
  for (std::size_t i = 0; i < kMostSeries + 7; ++i) family.add({std::to_string(i)}, 1);
  family.add({"0"}, 1);  // one that is there
  EXPECT_EQ(family.series(), kMostSeries);
  EXPECT_EQ(all.dropped(), 7U);
  all.family({.name = "y", .type = MetricType::gauge, .help = "y"}).add({}, 1);
  all.limit(11);
  EXPECT_EQ(all.series(), 11U);
  EXPECT_EQ(all.dropped(), 7 + kMostSeries - 10);
}

}  // namespace
}  // namespace tcpadvisor::exported::exposition_test
