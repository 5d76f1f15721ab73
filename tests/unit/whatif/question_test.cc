// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/question.h"

#include <gmock/gmock.h>

namespace tcpadvisor::whatif::question_test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string error_of(const std::vector<std::string>& words) {
  Result<Question> question = parse_question(words);
  if (question) return "no error";
  EXPECT_EQ(question.error().code, ErrorCode::bad_input);
  EXPECT_THAT(question.error().message, Not(HasSubstr("\n")));
  return question.error().message;
}

Asked asked(const std::string& word) {
  Result<Question> question = parse_question({word});
  EXPECT_TRUE(question) << question.error().message;
  return question && question->knobs.size() == 1 ? question->knobs.front() : Asked{};
}

using Values = std::vector<std::optional<std::int64_t>>;

TEST(WhatifQuestion, takes_settings_by_whole_and_short_names) {
  for (const char* name : {"net.core.somaxconn=1024", "somaxconn=1024", "net/core/somaxconn=1024"}) {
    const Asked one = asked(name);
    ASSERT_NE(one.knob, nullptr) << name;
    EXPECT_EQ(one.knob->name, "net.core.somaxconn");
    EXPECT_EQ(one.values, (Values{1024}));
  }
}

TEST(WhatifQuestion, takes_triples_whole_or_one_place_of_them) {
  EXPECT_EQ(asked("tcp_rmem[2]=8M").values, (Values{std::nullopt, std::nullopt, 8 << 20}));
  EXPECT_EQ(asked("tcp_rmem=4096,131072,8M").values, (Values{4096, 131'072, 8 << 20}));
  EXPECT_EQ(asked("tcp_rmem=4096 131072 8388608").values, (Values{4096, 131'072, 8 << 20}));
  EXPECT_EQ(asked("ip_local_port_range=15000-60999").values, (Values{15'000, 60'999}));
  EXPECT_EQ(asked("tcp_congestion_control=bbr").words, "bbr");
}

TEST(WhatifQuestion, takes_loads) {
  Result<Question> question =
      parse_question({"connections=750000", "busy=10_000", "rate=2Gbit", "rtt=10ms", "burst=2k", "backlog=128"});
  ASSERT_TRUE(question) << question.error().message;
  const Load& load = question->load;
  EXPECT_EQ(load.connections, 750'000u);
  EXPECT_EQ(load.busy, 10'000u);
  EXPECT_EQ(load.burst, 2'000u);
  EXPECT_EQ(load.backlog, 128u);
  EXPECT_DOUBLE_EQ(load.rate.value_or(0), 250e6);
  EXPECT_DOUBLE_EQ(load.rtt_us.value_or(0), 10'000);
  EXPECT_DOUBLE_EQ(parse_question({"rate=1.5Mbit/s", "rtt=200us"})->load.rtt_us.value_or(0), 200);
}

TEST(WhatifQuestion, says_what_was_meant_perhaps) {
  EXPECT_THAT(error_of({"tcp_rmen[2]=8M"}), HasSubstr("did you mean 'tcp_rmem'?"));
  EXPECT_THAT(error_of({"net.core.somaxcon=8"}), HasSubstr("did you mean 'net.core.somaxconn'?"));
  EXPECT_THAT(error_of({"connection=8"}), HasSubstr("did you mean 'connections'?"));
  EXPECT_THAT(error_of({"\x1b[31mnothing=8"}), HasSubstr("tcpadvisor knobs lists"));
  EXPECT_THAT(error_of({"\x1b[31mnothing=8"}), Not(HasSubstr("\x1b")));
}

TEST(WhatifQuestion, refuses_what_the_kernel_would_not_take) {
  EXPECT_THAT(error_of({"tcp_tw_reuse=3"}), HasSubstr("net.ipv4.tcp_tw_reuse takes 0 to 2"));
  EXPECT_THAT(error_of({"tcp_rmem[2]=0"}), HasSubstr("takes 1 to 2147483647 bytes"));
  EXPECT_THAT(error_of({"tcp_rmem[2]=-1"}), HasSubstr("takes 1 to"));
  EXPECT_THAT(error_of({"tcp_rmem[3]=1"}), HasSubstr("[0] to [2]"));
  EXPECT_THAT(error_of({"somaxconn[0]=1"}), HasSubstr("one value, without [ ]"));
  EXPECT_THAT(error_of({"tcp_rmem=8M"}), HasSubstr("takes 3 values"));
  EXPECT_THAT(error_of({"tcp_rmem=8M"}), HasSubstr("tcp_rmem[2]=…"));
  EXPECT_THAT(error_of({"somaxconn=1,2"}), HasSubstr("one value"));
  EXPECT_THAT(error_of({"somaxconn=much"}), HasSubstr("a whole number"));
  EXPECT_THAT(error_of({"tcp_rmem[2]=99999999999999999999"}), HasSubstr("no value"));
  EXPECT_THAT(error_of({"ip_local_port_range=60000-50000"}), HasSubstr("above the last"));
  EXPECT_THAT(error_of({"tcp_congestion_control="}), HasSubstr("no value"));
  EXPECT_THAT(error_of({"tcp_available_congestion_control=bbr"}), HasSubstr("only be read"));
}

TEST(WhatifQuestion, refuses_loads_that_make_no_sense) {
  for (const char* word : {"connections=0", "connections=-5", "connections=many", "connections=", "burst=1e9",
                           "connections=99999999999999999999M"}) {
    EXPECT_THAT(error_of({word}), HasSubstr("a number from 1 to")) << word;
  }
  EXPECT_THAT(error_of({"rate=2Gbit"}), HasSubstr("rate needs rtt"));
  EXPECT_THAT(error_of({"rtt=2ms"}), HasSubstr("rtt needs rate"));
  for (const char* rate : {"rate=2", "rate=2GB", "rate=-1Mbit", "rate=nanMbit", "rate=infMbit", "rate=1e300Gbit"})
    EXPECT_THAT(error_of({rate, "rtt=1ms"}), HasSubstr("bits a second")) << rate;
  for (const char* rtt : {"rtt=5", "rtt=0ms", "rtt=5h", "rtt=1e9s"})
    EXPECT_THAT(error_of({"rate=1Mbit", rtt}), HasSubstr("a round trip")) << rtt;
}

TEST(WhatifQuestion, refuses_what_is_no_question) {
  EXPECT_THAT(error_of({"tcp_rmem"}), HasSubstr("not KNOB=VALUE"));
  EXPECT_THAT(error_of({"=5"}), HasSubstr("not KNOB=VALUE"));
  EXPECT_THAT(error_of({"somaxconn=5", "net.core.somaxconn=6"}), HasSubstr("asked twice"));
  EXPECT_THAT(error_of({"busy=5", "busy=6"}), HasSubstr("asked twice"));
  EXPECT_THAT(error_of({}), HasSubstr("nothing is asked"));
  EXPECT_TRUE(parse_question({"tcp_rmem[1]=65536", "tcp_rmem[2]=1M"}));
}

}  // namespace
}  // namespace tcpadvisor::whatif::question_test
