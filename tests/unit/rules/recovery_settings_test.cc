// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::recovery_settings_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "recovery-settings";

Outcome with(const std::function<void(SampleBuilder&, std::size_t)>& fill) {
  return judged(kId, a_window(3, fill), Policy{});
}
Outcome with(const std::string& name, std::int64_t value) {
  return with([&](SampleBuilder& sample, std::size_t) { sample.sysctl("net.ipv4." + name, {value}); });
}

TEST(RecoverySettings, what_the_kernel_starts_with_is_fine) {
  expect_fine(with([](SampleBuilder&, std::size_t) {}));
}

TEST(RecoverySettings, each_is_named_with_its_reason_and_its_default) {
  struct Case {
    const char* name;
    std::int64_t value, restored, fine;
    const char* says;
  };
  for (const Case& one : {Case{"tcp_sack", 0, 1, 1, "only one is mended"},
                          {"tcp_retries2", 7, 15, 8, "end after 51 s"},
                          {"tcp_syn_retries", 1, 6, 2, "after 2 or 3 s"},
                          {"tcp_recovery", 0, 1, 1, "RACK"},
                          {"tcp_recovery", 2, 1, 3, "RACK"},
                          {"tcp_early_retrans", 0, 3, 4, "TLP"},
                          {"tcp_rto_min_us", 4'999, 200'000, 5'000, "40 ms"},
                          {"tcp_rto_min_us", 1'000'001, 200'000, 1'000'000, "waits so long"},
                          {"tcp_rto_max_ms", 9'999, 120'000, 10'000, "end after"}}) {
    SCOPED_TRACE(one.name);
    auto finding = only_finding(with(one.name, one.value));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::info);
    EXPECT_THAT(finding->meaning, HasSubstr(one.says));
    EXPECT_EQ(finding->recommendation.change->knob, std::string("net.ipv4.") + one.name);
    EXPECT_EQ(finding->recommendation.change->current, std::vector<std::int64_t>{one.value});
    EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{one.restored});
    expect_fine(with(one.name, one.fine));
  }
}

TEST(RecoverySettings, several_are_one_finding_of_their_namespace) {
  Outcome outcome = with([](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) {
      NetnsSample other = all.netns.front();
      other.id = 77;
      other.name = "blue";
      other.is_host = false;
      other.sysctls["net.ipv4.tcp_sack"].values = {0};
      other.sysctls["net.ipv4.tcp_retries2"].values = {3};
      other.sysctls["net.ipv4.tcp_early_retrans"].values = {0};
      all.netns.push_back(other);
    });
  });
  auto finding = only_finding(outcome);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.netns_name, "blue");
  EXPECT_EQ(finding->evidence.size(), 3u);
  EXPECT_THAT(finding->title, HasSubstr("3 settings"));
  EXPECT_THAT(finding->recommendation.steps,
              testing::Contains(HasSubstr("ip netns exec blue sysctl -w net.ipv4.tcp_retries2=15")));
}

TEST(RecoverySettings, a_short_longest_wait_shortens_the_patience) {
  auto finding = only_finding(with("tcp_rto_max_ms", 1'000));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("end after 14 s")) << "0.2 + 0.4 + 0.8 and 13 times 1 s";
}

TEST(RecoverySettings, timestamps_are_only_missed_where_they_would_be_used) {
  auto without = [](const std::function<void(SampleBuilder&, std::size_t)>& more) {
    return with([&](SampleBuilder& sample, std::size_t i) {
      sample.sysctl("net.ipv4.tcp_timestamps", {0});
      more(sample, i);
    });
  };
  expect_fine(without([](SampleBuilder&, std::size_t) {}));
  auto cookies = only_finding(without([](SampleBuilder& s, std::size_t i) { s.counter("TcpExt.SyncookiesSent", i); }));
  ASSERT_TRUE(cookies);
  EXPECT_THAT(cookies->meaning, HasSubstr("SYN cookies are in use"));
  auto moved = [&](std::uint64_t bytes) {
    return without([=](SampleBuilder& sample, std::size_t) {
      SocketRow row = a_socket();
      row.bytes_received = bytes;
      sample.add(std::move(row));
    });
  };
  expect_fine(moved((1ull << 32) - 1));
  EXPECT_THAT(only_finding(moved(1ull << 32))->meaning, HasSubstr("1 connection moved more than 4 GiB"));
}

TEST(RecoverySettings, hostile_values_give_a_finding_all_the_same) {
  for (std::int64_t value : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}}) {
    EXPECT_EQ(with("tcp_rto_max_ms", value).findings.size(), 1u) << value;
    EXPECT_EQ(with("tcp_retries2", value).findings.size(), 1u) << value;
  }
}

TEST(RecoverySettings, is_not_assessed_where_settings_were_not_read) {
  expect_unknown(with([](SampleBuilder& sample, std::size_t) {
                   sample.set([](Sample& all) { all.netns.front().sysctls.clear(); });
                 }),
                 "of namespace host were not read");
}

}  // namespace
}  // namespace tcpadvisor::recovery_settings_test
