// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/sample_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "advisor/evidence/sample_fields.h"
#include "tests/unit/full_sample.h"

namespace tcpadvisor::sample_json_test {
namespace {

using nlohmann::json;

// ---- how many members a structure has, as the compiler sees it ----

struct Anything {
  template <typename T>
  operator T() const;  // never defined: only asked whether it would convert
};

template <typename T, typename... Given>
constexpr std::size_t members_of() {
  if constexpr (requires { T{Given{}..., Anything{}}; }) {
    return members_of<T, Given..., Anything>();
  } else {
    return sizeof...(Given);
  }
}

struct Counter {
  std::size_t members = 0;
  template <typename T>
  void operator()(const char*, const T&) {
    ++members;
  }
};

template <typename T>
class Described : public testing::Test {};
using Structures =
    testing::Types<Owner, HoldingProcess, LastUser, CallStats, SocketCalls, BufferLocks, SocketRow, UserQueue,
                   StateTotals, PortUse, FailedConnects, Closes, TimeoutTotals, OwnerTotals, CgroupTotals, PortTotals,
                   Sysctl, Sockstat, Conntrack, Softnet, Stall, HostPressure, NetnsSample, TcpMemory, BufferRefusals,
                   LifecycleTotals, Attempt, FactCoverage, SelfCost, HostFacts, Sample>;
TYPED_TEST_SUITE(Described, Structures);

TYPED_TEST(Described, every_member_is_described) {
  Counter counter;
  const TypeParam value{};
  describe(counter, value);
  EXPECT_EQ(counter.members, members_of<TypeParam>()) << "a member was added: describe it in sample_fields.h, too";
}

using build::full_sample;

TEST(SampleJson, a_full_sample_survives_the_round_trip_as_text) {
  Sample sample = full_sample();
  auto back = sample_from_json(json::parse(to_json(sample).dump()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == sample);
}

TEST(SampleJson, the_comparison_above_can_fail) {
  Sample sample = full_sample();
  json changed = to_json(sample);
  changed["sockets"][1]["calls"]["send"]["slots"][3] = 999'999;
  auto back = sample_from_json(changed);
  ASSERT_TRUE(back);
  EXPECT_FALSE(*back == sample);
}

TEST(SampleJson, an_empty_sample_and_extreme_numbers_survive) {
  Sample sample;
  sample.mono_ms = ~0ull;
  sample.wall_ms = -5;
  sample.sockets.emplace_back().owner = Owner{1, "x", -1, 1};
  sample.sockets[0].recv_q = ~0ull;
  auto back = sample_from_json(json::parse(to_json(sample).dump()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == sample);
}

TEST(SampleJson, what_is_not_known_is_left_out) {
  Sample sample;
  sample.sockets.emplace_back();
  json object = to_json(sample);
  EXPECT_FALSE(object["sockets"][0].contains("srtt_us"));
  EXPECT_FALSE(object.contains("lifecycle"));
  EXPECT_EQ(object["version"], kSampleJsonVersion);
}

TEST(SampleJson, a_name_that_is_no_utf8_does_not_break_the_text) {
  Sample sample;
  sample.owners.emplace_back().comm = "\xff\x1b[2J";
  EXPECT_NO_THROW((void)to_json(sample).dump());
}

struct BadCase {
  const char* pointer;
  json value;
  const char* message;
};

TEST(SampleJson, errors_name_the_place) {
  const BadCase cases[] = {
      {"/version", 7, "version: 7 is not readable"},
      {"/sockets/1/state", "OPEN", "sockets[1].state: 'OPEN' is none of"},
      {"/sockets/1/state", "?", "sockets[1].state: '?' is none of"},
      {"/sockets/0/recv_q", -1, "sockets[0].recv_q: should be a whole number of 64 bits"},
      {"/sockets/0/uid", 4294967296ull, "sockets[0].uid: should be a whole number of 32 bits"},
      {"/sockets/0/local/ip", "10.0.0", "sockets[0].local.ip: '10.0.0' is not an IP address"},
      {"/netns/0/states/OPEN", json::object(), "netns[0].states.OPEN: is no TCP state"},
      {"/memory/limits_pages", json::array({1, 2}), "memory.limits_pages: should be an array of 3"},
      {"/owners", 5, "owners: should be an array"},
      {"/lifecycle/resets_sent/NO_SOCKET", json::array(), "lifecycle.resets_sent.NO_SOCKET: should be a whole number"},
      {"/self/partial", "yes", "self.partial: should be true or false"},
      {"/self/cpu_percent", "much", "self.cpu_percent: should be a number"},
      {"/host", json::array(), "host: should be an object"},
      {"/host/name", 3, "host.name: should be a text"},
  };
  for (const BadCase& bad : cases) {
    json object = to_json(full_sample());
    object[json::json_pointer(bad.pointer)] = bad.value;
    auto back = sample_from_json(object);
    ASSERT_FALSE(back) << bad.pointer;
    EXPECT_EQ(back.error().code, ErrorCode::bad_input);
    EXPECT_NE(back.error().message.find(bad.message), std::string::npos) << back.error().message;
  }
}

TEST(SampleJson, what_was_written_before_there_was_a_member_is_read_with_its_default) {
  Sample sample = full_sample();
  json object = to_json(sample);
  object["ports"][1].erase("port");
  object.erase("failed_connects");
  auto back = sample_from_json(object);
  ASSERT_TRUE(back) << back.error().message;
  sample.ports[1].port = 0;
  sample.failed_connects.clear();
  EXPECT_TRUE(*back == sample);
}

TEST(SampleJson, what_is_no_sample_is_refused) {
  EXPECT_FALSE(sample_from_json(json::array()));
  auto back = sample_from_json(json::object());
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().message, "version: is missing");
}

}  // namespace
}  // namespace tcpadvisor::sample_json_test
