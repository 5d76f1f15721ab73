// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::softnet_test {
namespace {

using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "softnet-drop";

/// What one processor counts in each second.
struct Each {
  std::uint32_t processed = 1'000, dropped = 0, squeezed = 0, steered = 0, flow_limited = 0;
};

/// Eleven looks, one a second; in the steps `from` to `to` packets are dropped.
Window looks(const std::vector<Each>& cpus, std::uint32_t from = 0, std::uint32_t to = 10,
             const std::function<void(SampleBuilder&, std::size_t)>& more = {}) {
  return a_window(11, [&](SampleBuilder& sample, std::size_t i) {
    auto n = static_cast<std::uint32_t>(i);
    std::uint32_t dropping = n <= from ? 0 : std::min(n, to) - from;
    sample.sysctl("net.core.netdev_max_backlog", {1'000});
    sample.counter("Tcp.RetransSegs", 5 * i).counter("TcpExt.TCPOFOQueue", 0);
    sample.set([&](Sample& all) {
      all.softnet.clear();
      for (std::uint32_t cpu = 0; cpu < cpus.size(); ++cpu) {
        const Each& each = cpus[cpu];
        all.softnet.push_back({.cpu = cpu,
                               .processed = 77 + each.processed * n,
                               .dropped = 3 + each.dropped * dropping,
                               .time_squeeze = each.squeezed * n,
                               .steered = each.steered * n,
                               .flow_limited = each.flow_limited * dropping});
      }
    });
    if (more) more(sample, i);
  });
}

Outcome judge(const Window& window) {
  return judged(kId, window, Policy{});
}

TEST(SoftnetDrop, a_burst_that_overflows_a_queue_names_the_processor_and_a_longer_queue) {
  auto finding = only_finding(judge(looks({{.processed = 500}, {.processed = 300'000, .dropped = 602}}, 4, 6)));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->topic, "drops");
  EXPECT_THAT(finding->title, HasSubstr("1,204 packets were dropped before TCP saw them: the queue of CPU 1 (1,204)"));
  EXPECT_EQ(value_of(*finding, "packets_dropped"), 1'204);
  ASSERT_TRUE(finding->recommendation.change);
  const Change& change = *finding->recommendation.change;
  EXPECT_EQ(change.knob, "net.core.netdev_max_backlog");
  EXPECT_EQ(change.current, std::vector<std::int64_t>{1'000});
  EXPECT_EQ(change.target, std::vector<std::int64_t>{6'012}) << "2 x 300,602 x 10 ms";
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("spread first"));
}

// One processor takes all packets of a host and is at its end: TCP sends again without rest.
TEST(SoftnetDrop, what_is_too_much_all_the_time_gets_no_longer_queue) {
  auto finding = only_finding(judge(looks({{.processed = 400'000, .dropped = 5'000}, {.processed = 10}})));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Spread the packets"));
  EXPECT_GT(value_of(*finding, "share_of_one_processor").value_or(0), 0.99);
}

TEST(SoftnetDrop, a_queue_that_is_long_enough_is_not_made_longer) {
  Window window = looks({{.processed = 1'000, .dropped = 50}}, 4, 6, [](SampleBuilder& sample, std::size_t) {
    sample.sysctl("net.core.netdev_max_backlog", {16'384});
  });
  auto finding = only_finding(judge(window));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("long enough"));
}

TEST(SoftnetDrop, a_few_drops_are_no_topic_and_old_ones_neither) {
  EXPECT_EQ(judge(looks({{.dropped = 10}}, 4, 5)).findings.size(), 1u);
  expect_fine(judge(looks({{.dropped = 9}}, 4, 5)));
  expect_fine(judge(looks({{.dropped = 0}, {.dropped = 0}})));  // three since boot
}

TEST(SoftnetDrop, drops_that_tcp_did_not_notice_are_information) {
  Window window = looks({{.dropped = 100}}, 4, 6, [](SampleBuilder& sample, std::size_t) {
    sample.counter("Tcp.RetransSegs", 9).counter("TcpExt.TCPOFOQueue", 4);
  });
  auto finding = only_finding(judge(window));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(SoftnetDrop, the_flow_limit_drops_on_purpose) {
  auto finding = only_finding(judge(looks({{.dropped = 100, .flow_limited = 90}}, 4, 6)));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("flow limit"));
}

// An alarm that people get on machines where nothing is lost, and raise the budget to 50,000 without effect.
TEST(SoftnetDrop, squeezes_without_drops_are_information) {
  auto finding = only_finding(judge(looks({{.processed = 10'000, .squeezed = 30}, {.processed = 10'000}})));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->topic, "squeezed");
  EXPECT_THAT(finding->title, HasSubstr("CPU 0 (300)"));
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  expect_fine(judge(looks({{.processed = 100'000, .squeezed = 30}})));  // of a million packets
  expect_fine(judge(looks({{.processed = 100, .squeezed = 9}})));
}

TEST(SoftnetDrop, squeezes_with_drops_are_a_step_of_the_cure) {
  auto finding = only_finding(judge(looks({{.processed = 10'000, .dropped = 20, .squeezed = 30}}, 4, 6)));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "drops");
  EXPECT_THAT(finding->recommendation.steps.back(), HasSubstr("netdev_budget_usecs"));
}

TEST(SoftnetDrop, counters_of_32_bits_go_round) {
  Window window = looks({{.processed = 1'000, .dropped = 0}}, 0, 0, [](SampleBuilder& sample, std::size_t i) {
    sample.set([&](Sample& all) {
      all.softnet.front().processed = 0xffff'ff00u + 100 * static_cast<std::uint32_t>(i);
      all.softnet.front().dropped = 0xffff'fff0u + 4 * static_cast<std::uint32_t>(i);
    });
  });
  auto finding = only_finding(judge(window));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "packets_dropped"), 40);
  EXPECT_EQ(value_of(*finding, "packets"), 1'000);
}

TEST(SoftnetDrop, a_processor_that_comes_or_goes_is_not_compared_with_another) {
  Window window = looks({{.dropped = 0}}, 0, 0, [](SampleBuilder& sample, std::size_t i) {
    if (i == 5) sample.set([](Sample& all) { all.softnet.push_back({.cpu = 9, .dropped = 4'000}); });
  });
  expect_fine(judge(window));
}

TEST(SoftnetDrop, is_not_assessed_without_its_file_or_a_second_look) {
  Window without =
      a_window(3, [](SampleBuilder& sample, std::size_t) { sample.set([](Sample& all) { all.softnet.clear(); }); });
  expect_unknown(judge(without), "softnet_stat was not read");
  expect_unknown(judge(a_window(1, [](SampleBuilder&, std::size_t) {})), "observe for longer");
}

}  // namespace
}  // namespace tcpadvisor::softnet_test
