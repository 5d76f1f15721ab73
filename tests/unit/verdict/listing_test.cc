// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/listing.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <utility>

#include "advisor/verdict/verdict.h"
#include "tests/steps/worlds.h"

namespace tcpadvisor::listing_test {
namespace {

using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kMany = kToldOneByOne + 44;

using Counts = std::map<std::string, std::uint64_t>;

Counts listed_by_rule(const Verdict& verdict) {
  Counts out;
  for (const Finding& finding : verdict.findings) ++out[finding.id];
  return out;
}

Counts counted_by_rule(const Verdict& verdict) {
  Counts out;
  for (const NotListed& more : verdict.not_listed) out[more.id] += more.findings;
  return out;
}

TEST(Listing, what_many_processes_share_is_told_one_by_one_as_far_as_anybody_reads) {
  const Verdict verdict = judge(worlds::window_of(worlds::leaks, kMany), Policy{});
  const Counts leaks = {{"accept-queue-app-slow", 44}, {"close-wait-leak", 44}, {"fin-wait2-app-held", 44}};
  EXPECT_EQ(counted_by_rule(verdict), leaks);
  for (const auto& [id, count] : listed_by_rule(verdict)) EXPECT_LE(count, kToldOneByOne) << id;
  EXPECT_EQ(listed_by_rule(verdict)["close-wait-leak"], kToldOneByOne);
  EXPECT_THAT(verdict.findings, Each(Field(&Finding::brief, false)));
  EXPECT_THAT(verdict.findings, Each(Field(&Finding::evidence, testing::Not(IsEmpty()))));
  EXPECT_THAT(verdict.findings, Each(Field(&Finding::title, testing::Not(IsEmpty()))));
}

TEST(Listing, nothing_is_lost_in_the_sums) {
  const Verdict few = judge(worlds::window_of(worlds::leaks, 10), Policy{});
  const Verdict many = judge(worlds::window_of(worlds::leaks, kMany), Policy{});
  EXPECT_THAT(few.not_listed, IsEmpty());
  EXPECT_EQ(to_act_on(many), to_act_on(few) / 10 * kMany);
  for (const NotListed& more : many.not_listed) {
    if (more.id == "close-wait-leak") {
      EXPECT_EQ(more.sockets, 44 * worlds::kSocketsTotal);
    }
  }
  EXPECT_EQ(exit_code(many), exit_code(few));
}

TEST(Listing, one_rule_can_be_chosen_or_left_out) {
  Verdict verdict = judge(worlds::window_of(worlds::leaks, kMany), Policy{});
  ASSERT_TRUE(select(verdict, {"close-wait-leak"}, {}));
  EXPECT_THAT(verdict.not_listed, SizeIs(1));
  ASSERT_TRUE(select(verdict, {}, {"close-wait-leak"}));
  EXPECT_THAT(verdict.not_listed, IsEmpty());
}

Finding a_finding(Severity severity, Pid pid) {
  Finding finding;
  finding.id = "some-rule";
  finding.severity = severity;
  finding.title = finding.meaning = "many words";
  finding.scope.pid = pid;
  finding.scope.count = 3;
  return finding;
}

TEST(LeaveBrief, each_severity_has_its_own_room) {
  std::vector<Finding> found;
  for (Pid pid = 1; pid <= kMany; ++pid) found.push_back(a_finding(Severity::warning, pid));
  found.push_back(a_finding(Severity::critical, kMany + 1));
  leave_brief(found);
  EXPECT_FALSE(found[kToldOneByOne - 1].brief);
  EXPECT_TRUE(found[kToldOneByOne].brief);
  EXPECT_EQ(found[kToldOneByOne].scope.pid, Pid{kToldOneByOne + 1});
  EXPECT_FALSE(found.back().brief);
}

TEST(LeaveBrief, a_change_of_a_setting_is_always_told) {
  std::vector<Finding> found;
  for (Pid pid = 1; pid <= kMany; ++pid) {
    found.push_back(a_finding(Severity::warning, pid));
    found.back().recommendation.change = Change{};
  }
  leave_brief(found);
  EXPECT_THAT(found, Each(Field(&Finding::brief, false)));
}

TEST(TakeOutBrief, sums_by_rule_and_severity_and_says_how_many_have_a_cause) {
  std::vector<Finding> found;
  for (Severity severity : {Severity::info, Severity::critical, Severity::info}) {
    found.push_back(a_finding(severity, 1));
    found.back().brief = true;
  }
  found[0].cause = "1234";
  found.push_back(a_finding(Severity::warning, 2));
  const std::vector<NotListed> sums = take_out_brief(found);
  ASSERT_THAT(sums, SizeIs(2));
  EXPECT_EQ(sums[0].severity, Severity::critical);
  EXPECT_EQ(sums[1].findings, 2u);
  EXPECT_EQ(sums[1].sockets, 6u);
  EXPECT_EQ(sums[1].explained, 1u);
  EXPECT_THAT(found, SizeIs(1));
}

}  // namespace
}  // namespace tcpadvisor::listing_test
