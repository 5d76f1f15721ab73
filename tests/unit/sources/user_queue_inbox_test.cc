// SPDX-License-Identifier: Apache-2.0
// Bounds, rates and expiry of what programs say, by a clock of numbers.
#include "agent/sources/user_queue_inbox.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace tcpadvisor::sources::user_queue_inbox_test {
namespace {

using ::testing::HasSubstr;
using Claim = UserQueueInbox::Claim;

std::string line(std::uint64_t cookie, std::uint64_t queued = 1, const std::string& more = "") {
  return fmt::format("tcpadvisor-queue 1 cookie={} queued={}{}{}\n", cookie, queued, more.empty() ? "" : " ", more);
}

bool say(UserQueueInbox& inbox, Pid pid, const std::string& text, std::uint64_t now_ms) {
  if (!inbox.admit(pid, false, now_ms)) return false;
  inbox.take(pid, text, now_ms);
  return true;
}

std::uint64_t total(const UserQueueInbox::Counts& counts) {
  std::uint64_t all = 0;
  for (const auto& [kind, count] : counts) all += count.count;
  return all;
}

std::uint64_t of_kind(const UserQueueInbox::Counts& counts, std::string_view kind) {
  auto at = counts.find(kind);
  return at == counts.end() ? 0 : at->second.count;
}

std::size_t claims_of(UserQueueInbox& inbox, Pid pid, std::uint64_t now_ms) {
  std::size_t count = 0;
  for (const Claim& claim : inbox.claims(now_ms)) count += claim.pid == pid ? 1 : 0;
  return count;
}

TEST(UserQueueInbox, KeepsTheLatestWord) {
  UserQueueInbox inbox;
  say(inbox, 7, line(1, 10), 1'000);
  say(inbox, 7, line(1, 20), 1'500);
  auto claims = inbox.claims(2'000);
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].pid, 7u);
  EXPECT_EQ(claims[0].queue.queued, 20u);
  EXPECT_EQ(claims[0].heard_ms, 1'500u);
  EXPECT_FALSE(claims[0].believed);
}

TEST(UserQueueInbox, WhatIsNotRenewedExpires) {
  UserQueueInbox inbox;
  say(inbox, 7, line(1), 1'000);
  EXPECT_EQ(inbox.claims(6'000).size(), 1u);
  EXPECT_EQ(inbox.claims(6'001).size(), 0u);
}

TEST(UserQueueInbox, ALastWordStaysForAMinuteIfItWasBelieved) {
  UserQueueInbox inbox;
  say(inbox, 7, line(1) + line(2), 1'000);
  inbox.believe(inbox.claims(1'000)[0]);
  say(inbox, 7, line(1, 0, "ended=1 dropped=99") + line(2, 0, "ended=1"), 2'000);
  auto claims = inbox.claims(62'000);
  ASSERT_EQ(claims.size(), 1u) << "the other one was never checked";
  EXPECT_TRUE(claims[0].believed && claims[0].queue.ended);
  EXPECT_EQ(claims[0].queue.dropped, 99u);
  EXPECT_EQ(inbox.claims(62'001).size(), 0u);
}

TEST(UserQueueInbox, AfterALastWordTheSameNameIsAnotherConnection) {
  UserQueueInbox inbox;
  say(inbox, 7, line(1), 1'000);
  Claim first = inbox.claims(1'000)[0];
  inbox.believe(first);
  say(inbox, 7, line(1, 0, "ended=1"), 1'100);
  say(inbox, 7, line(1, 5), 1'200);
  EXPECT_FALSE(inbox.claims(1'300)[0].believed);
}

TEST(UserQueueInbox, ALastWordIsNotBelievedForWhatWasCheckedBeforeANewBeginning) {
  UserQueueInbox inbox;
  say(inbox, 7, line(1, 0, "ended=1"), 1'000);
  Claim last_word = inbox.claims(1'000)[0];
  say(inbox, 7, line(1, 5), 1'100);  // comes while the last word is being checked
  inbox.believe(last_word);
  EXPECT_FALSE(inbox.claims(1'200)[0].believed);
}

TEST(UserQueueInbox, RefusalsAreCountedByKindWithTheLastText) {
  UserQueueInbox inbox;
  say(inbox, 7, "nonsense\nmore nonsense\n" + line(1) + "tcpadvisor-queue 9\n", 1'000);
  EXPECT_EQ(inbox.claims(1'000).size(), 1u);
  auto refusals = inbox.refusals();
  EXPECT_EQ(of_kind(refusals, "not a message"), 2u);
  EXPECT_EQ(of_kind(refusals, "wrong version"), 1u);
  EXPECT_THAT(refusals.find("not a message")->second.last, HasSubstr("pid 7: 'more nonsense'"));
  Claim lie = inbox.claims(1'000)[0];
  inbox.refuse(lie, "not held", "pid 7 lies", 1'000);
  EXPECT_EQ(inbox.claims(1'000).size(), 0u);
  EXPECT_EQ(of_kind(inbox.refusals(), "not held"), 1u);
  EXPECT_EQ(total(inbox.over_limit()), 0u);
}

TEST(UserQueueInbox, AProcessHasALimitOfConnections) {
  UserQueueInbox inbox({.per_process = 3});
  for (std::uint64_t cookie = 1; cookie <= 5; ++cookie) say(inbox, 7, line(cookie), 1'000);
  EXPECT_EQ(claims_of(inbox, 7, 1'000), 3u);
  EXPECT_EQ(of_kind(inbox.over_limit(), "too many connections from one process"), 2u);
  EXPECT_TRUE(say(inbox, 7, line(2, 77), 1'000)) << "what is there already is renewed";
  EXPECT_EQ(total(inbox.over_limit()), 2u);
  say(inbox, 8, line(1), 1'000);
  EXPECT_EQ(claims_of(inbox, 8, 1'000), 1u) << "another process has its own";
}

TEST(UserQueueInbox, LastWordsMakeRoomTheOnesWithoutLossesFirst) {
  UserQueueInbox inbox({.per_process = 3});
  say(inbox, 7, line(1, 0, "ended=1 dropped=5") + line(2, 0, "ended=1") + line(3), 1'000);
  say(inbox, 7, line(4), 1'001);
  std::vector<std::uint64_t> cookies;
  for (const Claim& claim : inbox.claims(1'001)) cookies.push_back(claim.connection.cookie);
  EXPECT_THAT(cookies, ::testing::ElementsAre(1, 3, 4));
  EXPECT_EQ(total(inbox.over_limit()), 0u);
}

TEST(UserQueueInbox, AFloodOfOneProcessDoesNotEvictAnother) {
  UserQueueInbox inbox({.per_process = 100, .in_all = 100});
  say(inbox, 8, line(1), 1'000);
  for (std::uint64_t cookie = 1; cookie <= 200; ++cookie) say(inbox, 7, line(cookie), 1'000);
  EXPECT_EQ(claims_of(inbox, 8, 1'000), 1u);
  EXPECT_EQ(claims_of(inbox, 7, 1'000), 99u);
  EXPECT_GT(of_kind(inbox.over_limit(), "too many connections"), 0u);
}

TEST(UserQueueInbox, WhoeverFillsTheRoomWithUncheckedClaimsMakesRoomForANewcomer) {
  UserQueueInbox inbox({.per_process = 100, .in_all = 100});
  for (std::uint64_t cookie = 1; cookie <= 100; ++cookie) say(inbox, 7, line(cookie), 1'000);
  say(inbox, 8, line(1), 1'000);
  EXPECT_EQ(claims_of(inbox, 8, 1'000), 1u);
  EXPECT_EQ(claims_of(inbox, 7, 1'000), 99u);
}

TEST(UserQueueInbox, WhatIsBelievedGivesWayToNobody) {
  UserQueueInbox inbox({.per_process = 100, .in_all = 100});
  for (std::uint64_t cookie = 1; cookie <= 100; ++cookie) say(inbox, 7, line(cookie), 1'000);
  for (const Claim& claim : inbox.claims(1'000)) inbox.believe(claim);
  say(inbox, 8, line(1), 1'000);
  EXPECT_EQ(claims_of(inbox, 7, 1'000), 100u);
  EXPECT_EQ(of_kind(inbox.over_limit(), "too many connections"), 1u);
}

TEST(UserQueueInbox, DatagramsAreCountedBySecondAndProcess) {
  UserQueueInbox inbox({.per_process_s = 10});
  int admitted = 0;
  for (int i = 0; i < 100; ++i) admitted += say(inbox, 7, line(1), 1'000) ? 1 : 0;
  EXPECT_EQ(admitted, 10);
  EXPECT_EQ(of_kind(inbox.over_limit(), "too many datagrams from one process"), 90u);
  EXPECT_TRUE(say(inbox, 8, line(1), 1'000)) << "the flood is the other one's";
  EXPECT_FALSE(say(inbox, 7, line(1), 1'050));
  EXPECT_TRUE(say(inbox, 7, line(1), 1'100)) << "one more every 100 ms";
  EXPECT_FALSE(say(inbox, 7, line(1), 1'100));
}

TEST(UserQueueInbox, AFloodDoesNotUseUpWhatIsThereForAll) {
  UserQueueInbox inbox({.per_process_s = 10, .in_all_s = 20});
  for (int i = 0; i < 1'000; ++i) say(inbox, 7, line(1), 1'000);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(say(inbox, 8, line(1), 1'000));
  EXPECT_FALSE(say(inbox, 9, line(1), 1'000));
  EXPECT_EQ(of_kind(inbox.over_limit(), "too many datagrams"), 1u);
}

TEST(UserQueueInbox, ProcessesAreBoundedAndForgotten) {
  UserQueueInbox inbox({.processes = 2});
  EXPECT_TRUE(say(inbox, 1, line(1), 1'000));
  EXPECT_TRUE(say(inbox, 2, "nonsense", 1'000));
  EXPECT_FALSE(say(inbox, 3, line(1), 1'000));
  EXPECT_EQ(of_kind(inbox.over_limit(), "too many processes"), 1u);
  EXPECT_TRUE(say(inbox, 3, line(1), 7'000)) << "the others have been silent";
}

TEST(UserQueueInbox, WhatIsTooLongOrFromNowhereIsNotRead) {
  UserQueueInbox inbox;
  EXPECT_FALSE(inbox.admit(7, true, 1'000));
  EXPECT_EQ(of_kind(inbox.over_limit(), "datagram too long"), 1u);
  EXPECT_FALSE(inbox.admit(0, false, 1'000));
  EXPECT_EQ(of_kind(inbox.refusals(), "unknown speaker"), 1u);
}

}  // namespace
}  // namespace tcpadvisor::sources::user_queue_inbox_test
