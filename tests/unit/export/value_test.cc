// SPDX-License-Identifier: Apache-2.0
// The tables of values describe exactly what a tick contains.
#include "agent/export/value.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/export/tick_json.h"
#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::exported::value_test {
namespace {

using nlohmann::json;
using testing::IsEmpty;
using testing::IsSubsetOf;

/// Their keys are names of other tables (facts, kinds of losses, TCP states, findings, groups and networks as in a
/// report), not of values.
const std::set<std::string> kOpen = {"coverage",          "self.lost",           "owners[].states",   "groups[].states",
                                     "findings",          "connections[].locks", "listeners[].locks", "groups[].group",
                                     "owners[].group",    "connections[].group", "listeners[].group", "networks",
                                     "networks_not_shown"};

void collect(const json& value, const std::string& path, std::map<std::string, json>& all) {
  if (json& slot = all[path]; slot.is_null()) slot = value;
  if (kOpen.contains(path)) return;
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) collect(inner, path.empty() ? key : path + "." + key, all);
  }
  if (value.is_array()) {
    for (const json& part : value) {
      for (const auto& [key, inner] : part.items()) collect(inner, path + "[]." + key, all);
    }
  }
}

/// Every path that the ticks of some hosts contain, with a value.
std::map<std::string, json> contained() {
  std::map<std::string, json> all;
  observe::Observation partial;
  partial.window = build::a_window(
      1, [](build::SampleBuilder& sample, std::size_t) { sample.set([](Sample& s) { s.self.partial = true; }); });
  for (const observe::Observation& seen :
       {test::busy_host(), test::host_with_user_queues(), test::quiet_host(), partial})
    collect(json::parse(tick_json(seen)), "", all);
  all.erase("");  // the tick itself
  return all;
}

TEST(Values, every_key_of_a_tick_is_described) {
  std::set<std::string> paths;
  for (const Description& one : describe_values()) paths.insert(one.path);
  std::vector<std::string> missing;
  for (const auto& [path, value] : contained()) {
    if (!paths.contains(path)) missing.push_back(path);
  }
  EXPECT_THAT(missing, IsEmpty());
}

TEST(Values, every_description_is_of_a_key) {
  std::map<std::string, json> there = contained();
  std::set<std::string> twice;
  for (const Description& one : describe_values()) {
    EXPECT_TRUE(there.contains(one.path)) << one.path;
    EXPECT_TRUE(twice.insert(one.path).second) << one.path << " is described twice";
    EXPECT_FALSE(one.help.empty()) << one.path;
  }
}

TEST(Values, types_are_what_is_printed) {
  std::map<std::string, json> there = contained();
  for (const Description& one : describe_values()) {
    const json& value = there[one.path];
    if (value.is_null()) continue;
    switch (one.type) {
      case ValueType::gauge:
      case ValueType::counter:
        EXPECT_TRUE(value.is_number()) << one.path;
        break;
      case ValueType::text:
        EXPECT_TRUE(value.is_string()) << one.path;
        break;
      case ValueType::truth:
        EXPECT_TRUE(value.is_boolean()) << one.path;
        break;
      case ValueType::list:
        EXPECT_TRUE(value.is_structured()) << one.path;
        break;
    }
  }
}

TEST(Values, units_in_names_are_those_of_the_table) {
  for (const Description& one : describe_values()) {
    bool number = one.type == ValueType::gauge || one.type == ValueType::counter;
    EXPECT_TRUE(number || one.unit.empty()) << one.path;
    for (const std::string& unit :
         std::vector<std::string>{"_bytes", "_ms", "_us", "_pages", "_percent", "_ns_per_s"}) {
      bool told_by_a_program = one.path.starts_with("user_queues");
      if (one.path.ends_with(unit) && !told_by_a_program) {
        EXPECT_EQ("_" + one.unit, unit) << one.path;
      }
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::exported::value_test
