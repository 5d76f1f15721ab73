// SPDX-License-Identifier: Apache-2.0
// Of two rules about memory pressure one speaks.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::page_pressure_test {
namespace {

using testing::ElementsAre;

/// TCP is under pressure and uses little; tasks waited for memory `stall_us` in each second.
std::vector<std::string> found(std::uint64_t stall_us) {
  Window window = build::a_window(6, [=](build::SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPMemoryPressures", i >= 3 ? 2 : 0);
    sample.set([&](Sample& all) {
      all.memory.under_pressure = true;
      all.host_pressure->memory_some->total_us = stall_us * i;
    });
  });
  std::vector<std::string> ids;
  for (const Finding& finding : judge(window, Policy{}).findings) ids.push_back(finding.id);
  return ids;
}

TEST(MemoryPressure, is_told_of_the_host_where_the_host_has_no_memory) {
  EXPECT_THAT(found(200'000), ElementsAre("page-alloc-pressure"));
}

TEST(MemoryPressure, is_told_of_tcp_mem_where_nothing_else_explains_it) {
  EXPECT_THAT(found(0), ElementsAre("tcp-mem-pressure-global"));
}

}  // namespace
}  // namespace tcpadvisor::page_pressure_test
