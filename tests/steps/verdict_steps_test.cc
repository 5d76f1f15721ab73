// SPDX-License-Identifier: Apache-2.0
// The work of a verdict grows with what was seen, not with its square: counted in basic blocks, so that no other work
// on the machine has a say. Sixteen times as much may cost twenty times the steps, which leaves room for the logarithm
// of an index and none for pairs.
#include <gtest/gtest.h>

#include "advisor/verdict/verdict.h"
#include "tests/steps/steps.h"
#include "tests/steps/worlds.h"

namespace tcpadvisor::verdict_steps_test {
namespace {

using Make = Sample (*)(std::size_t tick, std::uint32_t size);

std::uint64_t steps_of(Make make, std::uint32_t size) {
  Window window = worlds::window_of(make, size);
  const Policy lab = *Policy::named("lab");
  std::uint64_t before = steps();
  Verdict verdict = judge(window, lab);
  EXPECT_FALSE(verdict.findings.empty()) << "a world without faults proves nothing";
  return steps() - before;
}

TEST(VerdictSteps, sixteen_times_the_leaking_processes) {
  EXPECT_LE(steps_of(worlds::leaks, 1'600), 20 * steps_of(worlds::leaks, 100));
}

TEST(VerdictSteps, sixteen_times_the_chains_of_relays) {
  EXPECT_LE(steps_of(worlds::relays, 160), 20 * steps_of(worlds::relays, 10));
}

TEST(VerdictSteps, a_chain_is_followed_to_its_end) {
  Verdict verdict = judge(worlds::window_of(worlds::relays, 3), *Policy::named("lab"));
  std::size_t to_blame = 0;
  for (const Finding& finding : verdict.findings) to_blame += finding.severity != Severity::info;
  EXPECT_EQ(to_blame, 3u) << "the last of each chain";
  EXPECT_EQ(verdict.findings.size(), 3u * 20);
}

TEST(VerdictSteps, sixteen_times_the_rows_of_a_hundred_processes) {
  EXPECT_LE(steps_of(worlds::rows_of_few, 16'000), 20 * steps_of(worlds::rows_of_few, 1'000));
}

/// Found in reading: for each of them all listeners were asked, and for each of those all ports were searched.
TEST(VerdictSteps, sixteen_times_the_ports_at_which_somebody_waits) {
  EXPECT_LE(steps_of(worlds::waiting_beside_one, 1'600), 20 * steps_of(worlds::waiting_beside_one, 100));
}

TEST(VerdictSteps, sixteen_times_the_published_queues) {
  EXPECT_LE(steps_of(worlds::queues, 1'600), 20 * steps_of(worlds::queues, 100));
}

TEST(VerdictSteps, findings_that_stand_cost_one_judgement_more) {
  const Window window = worlds::window_of(worlds::leaks, 1'600);
  const Policy lab = *Policy::named("lab");
  std::uint64_t before = steps();
  const Verdict first = judge(window, lab);
  const std::uint64_t once = steps() - before;
  before = steps();
  EXPECT_EQ(judge(window, lab, first.standing).findings.size(), first.findings.size());
  EXPECT_LE(steps() - before, 3 * once);
}

}  // namespace
}  // namespace tcpadvisor::verdict_steps_test
