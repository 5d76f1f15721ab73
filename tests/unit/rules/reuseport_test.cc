// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::reuseport_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr std::string_view kId = "reuseport-unbalanced";

struct Shape {
  std::uint32_t queue = 0;
  std::uint64_t drops_per_tick = 0;
};

/// One listener for each shape, all on port 80, as worker-0[100], worker-1[101] …
Window group(std::vector<Shape> shapes, std::size_t samples = 8) {
  return a_window(samples, [=](SampleBuilder& sample, std::size_t tick) {
    std::uint64_t overflows = 0;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      std::uint64_t drops = shapes[i].drops_per_tick * tick;
      overflows += drops;
      sample.add(a_socket()
                     .cookie(10 + i)
                     .listen(80, shapes[i].queue, 64)
                     .pid(static_cast<Pid>(100 + i), "worker-" + std::to_string(i))
                     .drops(drops)
                     .set([&](SocketRow& row) { row.inode = 500 + i; }));
    }
    sample.counter("TcpExt.ListenOverflows", overflows);
  });
}

TEST(ReuseportUnbalanced, names_the_member_that_is_full_while_others_are_idle) {
  auto finding = only_finding(judged(kId, group({{0}, {65, 20}, {1}, {0}}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 101u);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(value_of(*finding, "members"), 4);
  EXPECT_THAT(finding->title, HasSubstr("worker-1[101]"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("inode 501"));
}

TEST(ReuseportUnbalanced, sees_one_that_never_accepts_long_before_it_is_full) {
  auto finding = only_finding(judged(kId, group({{5}, {0}}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 100u);
  EXPECT_EQ(finding->severity, Severity::warning);
  expect_fine(judged(kId, group({{2}, {0}}), lab()));
}

TEST(ReuseportUnbalanced, a_service_that_is_slow_as_a_whole_and_a_lone_listener_are_not_its_topic) {
  expect_fine(judged(kId, group({{65, 20}, {65, 20}, {65, 20}, {0}}), lab()));
  expect_fine(judged(kId, group({{65, 20}}), lab()));
  expect_fine(judged(kId, group({{0}, {1}, {0}}), lab()));
  expect_fine(judged(kId, group({{65, 20}, {30}}), lab()));  // the other has no room to speak of
}

TEST(ReuseportUnbalanced, needs_looks_enough) {
  expect_unknown(judged(kId, group({{65, 20}, {0}}, 3), lab()), "not enough data");
}

TEST(ReuseportUnbalanced, other_addresses_families_and_namespaces_are_other_groups) {
  auto with = [](Endpoint second, NetnsId netns) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t) {
      sample.add(a_socket().cookie(1).listen(80, 9, 64).pid(1'000, "a").drops(0));
      sample.add(a_socket().cookie(2).listen(80, 0, 64).local(second).netns(netns).pid(1'001, "b").drops(0));
    });
  };
  Endpoint v6 = Endpoint::v4(0, 0, 0, 0, 80);
  v6.v6 = true;
  expect_fine(judged(kId, with(Endpoint::v4(127, 0, 0, 2, 80), build::kHostNetns), lab()));
  expect_fine(judged(kId, with(v6, build::kHostNetns), lab()));
  expect_fine(judged(kId, with(Endpoint::v4(0, 0, 0, 0, 80), 77), lab()));
  EXPECT_EQ(judged(kId, with(Endpoint::v4(0, 0, 0, 0, 80), build::kHostNetns), lab()).findings.size(), 1u);
}

TEST(ReuseportUnbalanced, clears) {
  expect_fine(judged(kId,
                     a_window(8,
                              [](SampleBuilder& sample, std::size_t tick) {
                                sample.add(a_socket().cookie(1).listen(80, tick < 3 ? 9 : 0, 64).pid(7, "a").drops(0));
                                sample.add(a_socket().cookie(2).listen(80, 0, 64).pid(8, "b").drops(0));
                              }),
                     lab()));
}

}  // namespace
}  // namespace tcpadvisor::reuseport_test
