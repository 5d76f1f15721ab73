// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::abort_on_overflow_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;

constexpr const char* kId = "abort-on-overflow-set";

/// Four looks; so many a second find the queue full, and so many handshakes are reset.
Window with(std::int64_t value, std::uint64_t overflows, std::uint64_t resets) {
  return a_window(4, [=](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.ipv4.tcp_abort_on_overflow", {value});
    sample.counter("TcpExt.ListenOverflows", overflows * i).counter("TcpExt.EmbryonicRsts", resets * i);
    sample.add(a_socket().listen(80, 2, 64).pid(31, "web").drops(overflows * i));
  });
}

TEST(AbortOnOverflow, clients_that_were_reset_are_a_warning) {
  auto finding = only_finding(judged(kId, with(1, 9, 5), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, testing::StartsWith("15 clients were reset"));
  EXPECT_EQ(value_of(*finding, "overflows"), 27);
  const Change& change = *finding->recommendation.change;
  EXPECT_EQ(change.knob, "net.ipv4.tcp_abort_on_overflow");
  EXPECT_EQ(change.current, std::vector<std::int64_t>{1});
  EXPECT_EQ(change.target, std::vector<std::int64_t>{0});
  EXPECT_THAT(finding->recommendation.steps, testing::Contains(testing::HasSubstr("web[31]")));
}

TEST(AbortOnOverflow, nobody_was_reset_is_a_remark) {
  auto dropped = only_finding(judged(kId, with(1, 9, 0), Policy{}));
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->severity, Severity::info);
  EXPECT_THAT(dropped->confidence_why, testing::HasSubstr("only SYNs came"));
  auto quiet = only_finding(judged(kId, with(1, 0, 0), Policy{}));
  ASSERT_TRUE(quiet);
  EXPECT_EQ(quiet->severity, Severity::info);
}

TEST(AbortOnOverflow, handshakes_that_clients_took_back_are_not_its_doing) {
  EXPECT_EQ(only_finding(judged(kId, with(1, 0, 40), Policy{}))->severity, Severity::info) << "a port scan";
}

TEST(AbortOnOverflow, not_set_is_fine_whatever_overflows) {
  expect_fine(judged(kId, with(0, 9, 5), Policy{}));
}

TEST(AbortOnOverflow, one_look_shows_the_setting_but_not_what_it_did) {
  Window once = a_window(1, [](SampleBuilder& s, std::size_t) { s.sysctl("net.ipv4.tcp_abort_on_overflow", {1}); });
  auto finding = only_finding(judged(kId, once, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(AbortOnOverflow, is_not_assessed_where_the_setting_was_not_read) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) { all.netns.front().sysctls.erase("net.ipv4.tcp_abort_on_overflow"); });
  });
  expect_unknown(judged(kId, window, Policy{}), "of namespace host was not read");
}

}  // namespace
}  // namespace tcpadvisor::abort_on_overflow_test
