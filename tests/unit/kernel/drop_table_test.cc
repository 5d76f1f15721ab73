// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/drop_table.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace tcpadvisor::kernel::drop_table_test {
namespace {

const DropReasons kReasons({{1, "SKB_CONSUMED"},
                            {2, "SKB_DROP_REASON_NOT_SPECIFIED"},
                            {9, "SKB_DROP_REASON_NETFILTER_DROP"}});

abi::ta_drop_key key(std::uint32_t reason, std::uint16_t port = 0) {
  abi::ta_drop_key out = {};
  out.netns = 7;
  out.reason = reason;
  out.port = port;
  if (port != 0) return out;
  out.peer[2] = htonl(0xffff);
  out.peer[3] = htonl(0x0a000902);
  return out;
}

abi::ta_drops value(std::uint64_t segments, const char* function) {
  abi::ta_drops out = {};
  out.segments = segments;
  out.last_ns = 4'000'000'000;
  std::strncpy(out.function, function, sizeof out.function - 1);
  return out;
}

TEST(DropTable, names_and_addresses) {
  Drops drops = decode_drops(key(9), value(5, "nf_hook_slow"), kReasons, 5'000'000'000);
  EXPECT_EQ(drops.reason, "NETFILTER_DROP");
  EXPECT_EQ(drops.function, "nf_hook_slow");
  EXPECT_EQ(drops.peer.ip_text(), "10.0.9.2");
  EXPECT_EQ(drops.netns, 7u);
  EXPECT_EQ(drops.segments, 5u);
  EXPECT_EQ(drops.last_ms_ago, 1'000u);
  Drops of_listener = decode_drops(key(9, 80), value(5, "nf_hook_slow"), kReasons, 1);
  EXPECT_EQ(of_listener.port, 80);
  EXPECT_EQ(of_listener.peer, Endpoint{});
  EXPECT_EQ(of_listener.last_ms_ago, 0u);
}

TEST(DropTable, numbers_without_a_name_and_functions_without_a_symbol) {
  EXPECT_EQ(decode_drops(key(77), value(1, "0xffffffffc0001234"), kReasons, 1).function, "");
  EXPECT_EQ(kReasons.name_of(77), "0:77");
  EXPECT_EQ(kReasons.name_of(3u << 16 | 5), "3:5");
  abi::ta_drops full = value(1, "");
  std::memset(full.function, 'x', sizeof full.function);
  EXPECT_EQ(decode_drops(key(9), full, kReasons, 1).function.size(), sizeof full.function) << "no end in it";
}

TEST(DropTable, only_losses_are_counted_and_nothing_where_no_names_are_known) {
  std::array<abi::ta_u8, abi::TA_DROP_REASONS> marks = {};
  kReasons.mark_losses(marks.data());
  EXPECT_EQ(marks[1], 0);
  EXPECT_EQ(marks[2], 1);
  EXPECT_EQ(marks[9], 1);
  EXPECT_EQ(marks[10], 0);
  EXPECT_EQ(marks.back(), 1) << "reasons of other parts of the kernel";
  marks = {};
  DropReasons({}).mark_losses(marks.data());
  EXPECT_EQ(marks.back(), 0);
  kReasons.mark_losses(nullptr);
}

TEST(DropTable, places_in_one_function_are_one) {
  Drops a = decode_drops(key(9), value(5, "nf_hook_slow"), kReasons, 5'000'000'000);
  Drops b = a, other = a;
  b.segments = 7;
  b.last_ms_ago = 3;
  other.function = "ip_output";
  other.segments = 40;
  auto all = merged({b, other, a});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].function, "ip_output") << "most first";
  EXPECT_EQ(all[1].segments, 12u);
  EXPECT_EQ(all[1].last_ms_ago, 3u);
}

}  // namespace
}  // namespace tcpadvisor::kernel::drop_table_test
