// SPDX-License-Identifier: Apache-2.0
// What libbpf refuses is an error, never a program that runs with other settings than ours. Needs no privilege.
#include "agent/kernel/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "agent/kernel/facts.h"

namespace tcpadvisor::kernel::object_test {
namespace {

TEST(Object, a_program_that_it_does_not_have_is_an_error) {
  const std::string_view wanted[] = {"walk_tcp", "no_such"};
  auto object = Object::load(wanted, abi::ta_config{}, 1);
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().sys_errno, ENOENT);
  EXPECT_THAT(object.error().message, testing::HasSubstr("no_such"));
}

TEST(Object, every_program_of_the_table_is_there_and_no_other) {
  auto sections = Object::sections();
  ASSERT_TRUE(sections) << sections.error().message;
  std::set<std::string> in_table, in_object;
  for (const Fact& fact : facts()) {
    for (const Candidate& candidate : fact.candidates) {
      in_table.insert(candidate.programs.begin(), candidate.programs.end());
    }
  }
  for (const auto& [program, section] : *sections) in_object.insert(program);
  EXPECT_EQ(in_object, in_table);
  EXPECT_EQ(sections->at("on_state"), "tp_btf/inet_sock_set_state");
}

}  // namespace
}  // namespace tcpadvisor::kernel::object_test
