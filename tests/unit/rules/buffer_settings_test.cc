// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::buffer_settings_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr std::string_view kId = "mem-max-relation";
using Fill = std::function<void(SampleBuilder&, std::size_t)>;

Outcome with(const Fill& fill) {
  return judged(kId, a_window(8, fill), lab());
}
Outcome with_setting(const std::string& name, std::vector<std::int64_t> values) {
  return with([=](SampleBuilder& s, std::size_t) { s.sysctl(name, values); });
}

TEST(BufferSettings, what_the_kernel_starts_with_is_fine) {
  expect_fine(with([](SampleBuilder&, std::size_t) {}));
  expect_fine(with([](SampleBuilder& s, std::size_t) {
    s.sysctl("net.ipv4.tcp_moderate_rcvbuf", {1}).sysctl("net.ipv4.tcp_window_scaling", {1});
    s.sysctl("net.core.rmem_max", {4 << 20}).sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 1 << 20}).add(a_socket());
  }));
}

TEST(BufferSettings, three_values_are_in_order) {
  auto finding = only_finding(with_setting("net.ipv4.tcp_rmem", {4096, 6'291'456, 131'072}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target, (std::vector<std::int64_t>{4096, 131'072, 6'291'456}));
  EXPECT_EQ(value_of(*finding, "tcp_rmem[2]"), 131'072);
  EXPECT_TRUE(only_finding(with_setting("net.ipv4.tcp_wmem", {32'768, 16'384, 4'194'304})));
  expect_fine(with_setting("net.ipv4.tcp_wmem", {16'384, 16'384, 16'384}));
}

/// 5.8 MB/s over 20 ms into a buffer of `buffer` bytes whose window is used up.
SocketRow receiver(std::size_t i, std::uint64_t buffer, std::uint32_t window, std::uint8_t scale) {
  return a_socket().pid(3, "sink").rcvbuf(buffer, 5'000).set([=](SocketRow& row) {
    row.bytes_received = static_cast<std::uint64_t>(window) * 48 * i;
    row.rcv_rtt_us = 20'400;
    row.rcv_wnd = window;
    row.rcv_wscale = scale;
  });
}

TEST(BufferSettings, sizing_that_is_off_is_told_and_is_a_warning_where_it_holds_a_flow_back) {
  auto quiet = only_finding(with_setting("net.ipv4.tcp_moderate_rcvbuf", {0}));
  ASSERT_TRUE(quiet);
  EXPECT_EQ(quiet->severity, Severity::info);
  EXPECT_EQ(quiet->recommendation.change->target, std::vector<std::int64_t>{1});
  auto held = [](std::uint64_t buffer, bool locked) {
    return with([=](SampleBuilder& s, std::size_t i) {
      SocketRow row = receiver(i, buffer, 80'000, 7);
      row.locks->rcvbuf = locked;
      s.sysctl("net.ipv4.tcp_moderate_rcvbuf", {0}).add(row);
    });
  };
  auto finding = only_finding(held(131'072, false));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->scope.count, 1u);
  EXPECT_THAT(finding->title, HasSubstr("holds 1 flow back"));
  EXPECT_EQ(only_finding(held(131'072, true))->severity, Severity::info) << "a program has fixed that one";
  EXPECT_EQ(only_finding(held(6'291'456, false))->severity, Severity::info) << "that one has grown to the maximum";
}

TEST(BufferSettings, windows_without_scale_end_at_64_kib) {
  auto scaled_by = [](std::uint8_t scale) {
    return with([=](SampleBuilder& s, std::size_t i) {
      s.sysctl("net.ipv4.tcp_window_scaling", {0}).add(receiver(i, 6'291'456, 65'535, scale));
    });
  };
  auto finding = only_finding(scaled_by(0));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_window_scaling");
  EXPECT_EQ(only_finding(scaled_by(7))->severity, Severity::info);
}

TEST(BufferSettings, rmem_max_is_told_only_where_nobody_uses_it) {
  auto host = [](std::int64_t most, bool asks, bool visible = true) {
    return with([=](SampleBuilder& s, std::size_t) {
      SocketRow row = a_socket().locks(false, asks);
      if (!visible) row.locks.reset();
      s.sysctl("net.core.rmem_max", {most}).add(row);
    });
  };
  auto finding = only_finding(host(64 << 20, false));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  expect_fine(host(64 << 20, true));
  expect_fine(host(64 << 20, false, false));
  expect_fine(host(12 << 20, false));                   // twice tcp_rmem[2]
  expect_fine(with([](SampleBuilder& s, std::size_t) {  // 24,000 connections, of which one is listed
    s.sysctl("net.core.rmem_max", {64 << 20}).add(a_socket().locks(false, false)).count(TcpState::established, 24'000);
  }));
}

TEST(BufferSettings, a_large_start_matters_with_many_connections) {
  auto host = [](std::uint64_t sockets) {
    return with([=](SampleBuilder& s, std::size_t) {
      s.count(TcpState::established, sockets).sysctl("net.ipv4.tcp_rmem", {4096, 1 << 20, 16 << 20});
    });
  };
  auto finding = only_finding(host(60'000));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.change->target, (std::vector<std::int64_t>{4096, 131'072, 16 << 20}));
  expect_fine(host(50'000));
}

TEST(BufferSettings, are_not_assessed_where_none_could_be_read) {
  expect_unknown(with([](SampleBuilder& s, std::size_t) { s.host_ns().sysctls.clear(); }), "no setting could be read");
}

}  // namespace
}  // namespace tcpadvisor::buffer_settings_test
