// SPDX-License-Identifier: Apache-2.0
// tcp_rmem, tcp_wmem, rmem_max, wmem_max: by the numbers of measured flows.
#include "tests/unit/whatif/ask.h"

namespace tcpadvisor::whatif::buffers_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// 243 Mbit/s over 50 ms through 2.5 MB of receive buffer, as measured.
SocketRow receiver(std::size_t i, std::uint64_t buffer = 2'500'000, double bytes_per_s = 30.4e6) {
  return a_socket().pid(3, "sink").rcvbuf(buffer, 12'000).set([=](SocketRow& row) {
    row.bytes_received = static_cast<std::uint64_t>(bytes_per_s * static_cast<double>(i));
    row.rcv_rtt_us = 51'000;
    row.min_rtt_us = 50'000;
    row.scaling_ratio = 156;
    row.rcv_wscale = 7;
  });
}

Window receiving(std::uint64_t buffer = 2'500'000, double bytes_per_s = 30.4e6) {
  return a_window(8, [=](SampleBuilder& s, std::size_t i) {
    s.count(TcpState::established, 1)
        .add(receiver(i, buffer, bytes_per_s))
        .sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 2'500'000});
  });
}

/// 262 Mbit/s over 50 ms through 2.5 MB of send buffer, as measured.
Window sending(double waits = 0.64, std::uint64_t buffer = 2'500'000, double bytes_per_s = 32.7e6) {
  return a_window(8, [=](SampleBuilder& s, std::size_t i) {
    SocketRow row = a_socket().pid(4, "source").sndbuf(buffer, buffer).set([=](SocketRow& r) {
      r.bytes_acked = static_cast<std::uint64_t>(bytes_per_s * static_cast<double>(i));
      r.srtt_us = 52'000;
      r.min_rtt_us = 50'000;
      r.busy_us = 1'000'000 * i;
      r.sndbuf_limited_us = static_cast<std::uint64_t>(1e6 * waits * static_cast<double>(i));
      r.rwnd_limited_us = 0;
    });
    s.count(TcpState::established, 1).add(row).sysctl("net.ipv4.tcp_wmem", {4096, 16'384, 2'500'000});
  });
}

TEST(WhatifBuffers, a_flow_at_the_end_of_its_buffer_scales_with_it) {
  const Answer answer = ask_one(receiving(), {"tcp_rmem[2]=3300000"});
  EXPECT_TRUE(answer.changes);
  EXPECT_EQ(answer.knob, "net.ipv4.tcp_rmem");
  EXPECT_EQ(answer.now, "4096 131072 2500000");
  const Effect rate = effect_of(answer, "rate");
  EXPECT_NEAR(rate.from * 8 / 1e6, 243, 1);
  EXPECT_NEAR(rate.to * 8 / 1e6, 321, 1) << "measured with 3.3 MB: 321 Mbit/s";
  EXPECT_TRUE(rate.bound) << "the path may carry less";
  EXPECT_THAT(rate.of, HasSubstr("sink[3], "));
  EXPECT_THAT(rate.formula, AllOf(HasSubstr("BDP = 243 Mbit/s x 50 ms = 1.4 MiB"), HasSubstr("window of 1.9 MiB")));
}

TEST(WhatifBuffers, a_smaller_end_binds_flows_that_were_free) {
  const Answer answer = ask_one(receiving(2'000'000, 12.5e6), {"tcp_rmem[2]=262144"});  // 100 Mbit/s, below the end
  const Effect rate = effect_of(answer, "rate");
  EXPECT_NEAR(rate.from, 12.5e6, 1e4);
  EXPECT_NEAR(rate.to, 262'144.0 * 156 / 256 / 0.05, 1e3);
  EXPECT_FALSE(rate.bound);
  EXPECT_THAT(answer.notes, Contains(HasSubstr("keep the buffer they have")));
  EXPECT_THAT(answer.memory, IsEmpty()) << "less memory needs no gate";
}

TEST(WhatifBuffers, a_flow_that_is_not_held_stays) {
  Answer answer = ask_one(receiving(2'000'000, 12.5e6), {"tcp_rmem[2]=8M"});
  EXPECT_FALSE(answer.changes);
  EXPECT_THAT(answer.summary, HasSubstr("no effect here, because no flow is held by tcp_rmem[2] = 2.4 MiB: of 1 flow"));
  answer = ask_one(receiving(2'500'000, 12.5e6), {"tcp_rmem[2]=8M"});  // at the end of the buffer, far from its window
  EXPECT_FALSE(answer.changes);
  answer = ask_one(receiving(), {"tcp_rmem[2]=2500000"});
  EXPECT_THAT(answer.summary, HasSubstr("tcp_rmem[2] is that already"));
}

TEST(WhatifBuffers, a_buffer_that_its_program_has_fixed_stays) {
  const auto fixed = a_window(8, [](SampleBuilder& s, std::size_t i) {
    SocketRow row = receiver(i);
    row.locks = BufferLocks{.sndbuf = false, .rcvbuf = true};
    s.add(row).sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 2'500'000});
  });
  const Answer answer = ask_one(fixed, {"tcp_rmem[2]=8M"});
  EXPECT_FALSE(answer.changes);
  EXPECT_THAT(answer.summary, HasSubstr("1 socket of the host have a buffer that their program has fixed (SO_RCVBUF)"));
}

TEST(WhatifBuffers, tells_the_end_of_a_window_scale) {
  const Answer answer = ask_one(receiving(), {"tcp_rmem[2]=64M"});
  EXPECT_THAT(answer.notes, Contains(HasSubstr("a window scale of 7 ends at 8.0 MiB")));
}

TEST(WhatifBuffers, a_sender_that_waits_for_room_scales_with_it) {
  const Answer answer = ask_one(sending(), {"tcp_wmem[2]=3300000"});
  const Effect rate = effect_of(answer, "rate");
  EXPECT_NEAR(rate.to * 8 / 1e6, 345, 2) << "measured with 3.3 MB: 345 Mbit/s";
  EXPECT_THAT(answer.notes, Contains(HasSubstr("acts at once")));
  EXPECT_FALSE(ask_one(sending(0.01), {"tcp_wmem[2]=3300000"}).changes) << "it does not wait";
  const Effect lower = effect_of(ask_one(sending(0, 6'000'000), {"tcp_wmem[2]=1M"}), "rate");
  EXPECT_NEAR(lower.to, 0.66 * 1'048'576 / 0.05, 1e3);
}

TEST(WhatifBuffers, the_memory_gate_is_told_with_numbers) {
  const Answer answer = ask_one(receiving(), {"tcp_rmem[2]=128M"});
  ASSERT_THAT(answer.memory, SizeIs(5));
  EXPECT_EQ(check_of(answer.memory, "M5")->holds, Holds::no);
  EXPECT_THAT(check_of(answer.memory, "M5")->text, HasSubstr("128 MiB > 64 MiB"));
  EXPECT_THAT(check_of(answer.memory, "M2")->text, HasSubstr("8 busy x (128 MiB + 4 MiB) = 1.0 GiB"));
  // What is asked together counts together.
  const std::vector<Answer> both = ask(receiving(), {"tcp_rmem[2]=128M", "tcp_wmem[2]=64M"});
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_THAT(check_of(both[0].memory, "M2")->text, HasSubstr("8 busy x (128 MiB + 64 MiB)"));
}

TEST(WhatifBuffers, rmem_max_is_for_programs_that_set_their_buffer) {
  Answer answer = ask_one(receiving(), {"rmem_max=16M"});
  EXPECT_FALSE(answer.changes);
  EXPECT_THAT(answer.summary, HasSubstr("no program sets SO_RCVBUF: buffers that the kernel sizes go by tcp_rmem[2]"));
  const auto cut = a_window(3, [](SampleBuilder& s, std::size_t) {
    s.add(a_socket().pid(9, "udt").rcvbuf(425'984, 0).locks(false, true)).sysctl("net.core.rmem_max", {212'992});
  });
  answer = ask_one(cut, {"rmem_max=16M"});
  const Effect size = effect_of(answer, "rcvbuf");
  EXPECT_EQ(size.from, 425'984);
  EXPECT_EQ(size.to, 32 << 20);
  EXPECT_TRUE(size.bound);
  answer = ask_one(cut, {"rmem_max=100000"});
  EXPECT_EQ(effect_of(answer, "rcvbuf").to, 200'000);
  EXPECT_FALSE(ask_one(cut, {"wmem_max=16M"}).changes);
}

}  // namespace
}  // namespace tcpadvisor::whatif::buffers_test
