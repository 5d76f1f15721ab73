// SPDX-License-Identifier: Apache-2.0
// Load that is to come: bytes, and the first limit to break.
#include "tests/unit/whatif/ask.h"

namespace tcpadvisor::whatif::load_test {
namespace {

using build::a_process;
using build::a_window;
using build::SampleBuilder;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

/// 23.5 GiB, with what Linux 6.18 starts with on it.
Window host() {
  return a_window(3, [](SampleBuilder& s, std::size_t) {
    s.set([](Sample& sample) {
      sample.host.mem_bytes = 23'500ull << 20;
      sample.memory.limits_pages = {{287'898, 383'867, 575'796}};
      sample.memory.pages = 211;
    });
    s.add(a_process(7, "chat").sockets(TcpState::established, 100).fds(120, 1024))
        .count(TcpState::established, 100)
        .sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 32 << 20})
        .sysctl("net.ipv4.tcp_wmem", {4096, 16'384, 4 << 20})
        .sysctl("net.ipv4.tcp_mem", {287'898, 383'867, 575'796})
        .sysctl("net.core.rmem_max", {4 << 20})
        .sysctl("net.ipv4.ip_local_port_range", {32'768, 60'999})
        .sysctl("fs.nr_open", {1'048'576})
        .sysctl("fs.file-max", {2'400'000});
  });
}

TEST(WhatifLoad, connections_cost_four_to_five_kilobytes_each) {
  const Answer answer = ask_one(host(), {"connections=750000"});
  const Effect idle = effect_of(answer, "idle_memory");
  EXPECT_EQ(idle.to, 750'000.0 * 5120);
  EXPECT_THAT(idle.formula, HasSubstr("750,000 x 4 to 5 KiB"));
  EXPECT_EQ(effect_of(answer, "one_unread_message_each").to, 750'000.0 * 4096);
  EXPECT_THAT(answer.summary, HasSubstr("the first to break is descriptors of chat[7], at 1,004"));
  EXPECT_EQ(answer.limits.front().holds, Holds::no);
  EXPECT_EQ(check_of(answer.limits, "fs.file-max")->holds, Holds::yes);
  EXPECT_EQ(check_of(answer.limits, "tcp_mem[1]")->holds, Holds::no) << "383,867 pages";
  EXPECT_EQ(check_of(answer.memory, "M4")->holds, Holds::yes);
  EXPECT_THAT(ask_one(host(), {"connections=1000"}).summary, HasSubstr("no limit breaks; the next is descriptors"));
  EXPECT_THAT(answer.summary, HasSubstr("local ports end at 28,232, where they count"));
}

TEST(WhatifLoad, busy_connections_meet_tcp_mem) {
  const Answer answer = ask_one(host(), {"busy=10000"});
  EXPECT_EQ(effect_of(answer, "worst_case_memory").to, 10'000.0 * (36 << 20));
  EXPECT_THAT(answer.summary, AllOf(HasSubstr("tcp_mem[1] breaks first, from 33 on"), HasSubstr("123 KiB each")));
  EXPECT_EQ(check_of(answer.memory, "M2")->holds, Holds::no);
  EXPECT_THAT(ask_one(host(), {"busy=33"}).summary, HasSubstr("they fit"));
}

TEST(WhatifLoad, a_path_needs_its_product) {
  const Answer answer = ask_one(host(), {"rate=2Gbit", "rtt=10ms"});
  const Effect rate = effect_of(answer, "rate");
  EXPECT_THAT(rate.formula, HasSubstr("BDP = 2 Gbit/s x 10 ms = 2.4 MiB"));
  EXPECT_EQ(check_of(answer.limits, "net.ipv4.tcp_rmem[2]")->holds, Holds::yes);
  EXPECT_THAT(check_of(answer.limits, "net.ipv4.tcp_rmem[2]")->text,
              HasSubstr("needed: BDP / 0.50 = 4.8 MiB, and 16 MiB"));
  EXPECT_FALSE(answer.changes) << answer.summary;
  const Answer slow = ask_one(host(), {"rate=10Gbit", "rtt=100ms"});
  EXPECT_THAT(slow.summary, HasSubstr("net.ipv4.tcp_wmem breaks first: one flow gets at most 221 Mbit/s"));
  const std::vector<Answer> with = ask(host(), {"tcp_wmem[2]=512M", "tcp_rmem[2]=512M", "rate=10Gbit", "rtt=100ms"});
  EXPECT_THAT(with.back().summary, HasSubstr("these settings carry it"));
}

TEST(WhatifLoad, numbers_at_the_end_of_their_range_do_no_harm) {
  for (const char* word : {"connections=4294967296", "busy=4294967296", "burst=4294967296"}) {
    for (const Answer& answer : ask(host(), {word})) EXPECT_THAT(answer.summary, Not(testing::IsEmpty()));
  }
  EXPECT_THAT(ask(host(), {"rate=10000Gbit", "rtt=600s"}), SizeIs(1));
}

}  // namespace
}  // namespace tcpadvisor::whatif::load_test
