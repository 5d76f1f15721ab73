// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/rest.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "agent/observe/observer.h"
#include "tests/unit/builders.h"
#include "tests/unit/observe/fake_collector.h"
#include "tests/unit/os/fake_sleep_clock.h"

namespace tcpadvisor::observe::rest_test {
namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kSecond = 1'000'000'000;

struct Host {
  std::function<std::optional<std::uint64_t>(int second)> happened;
  std::function<bool(int second)> followed = [](int) { return false; };
};

/// The seconds from 1 to `end` with a look, with a tick each second.
std::vector<int> looks(std::chrono::milliseconds longest, int end, const Host& host) {
  Rest rest;
  rest.looked(0, host.followed(0));
  std::vector<int> out;
  for (int second = 1; second <= end; ++second) {
    const std::uint64_t now_ns = static_cast<std::uint64_t>(second) * kSecond;
    if (rest.spares(now_ns, host.happened(second), longest)) continue;
    rest.looked(now_ns, host.followed(second));
    out.push_back(second);
  }
  return out;
}

std::uint64_t to_count(int value) {
  return static_cast<std::uint64_t>(value);
}

TEST(Rest, AQuietHostIsLookedAtLessOftenAfterAWhile) {
  EXPECT_EQ(looks(5s, 27, {[](int second) { return to_count(240 * second); }}),
            (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 21, 26}));
}

TEST(Rest, AnythingThatMovesEndsTheQuietAtTheNextTick) {
  auto burst_at_14 = [](int second) { return to_count(second < 14 ? 0 : 500); };
  EXPECT_EQ(looks(5s, 30, {burst_at_14}),
            (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 29}));
}

TEST(Rest, ABusyHostIsLookedAtEachTick) {
  EXPECT_EQ(looks(5s, 40, {[](int second) { return to_count(251 * second); }}).size(), 40u);
}

TEST(Rest, WhatIsWrongIsFollowedThoughNothingMoves) {
  Host host{.happened = [](int) { return to_count(7); }, .followed = [](int) { return true; }};
  EXPECT_EQ(looks(5s, 40, host).size(), 40u);
}

TEST(Rest, WhereNothingIsKnownNothingIsSpared) {
  EXPECT_EQ(looks(5s, 40, {[](int) { return std::nullopt; }}).size(), 40u);
  EXPECT_EQ(looks(5s, 40, {[](int second) { return to_count(1'000 - second); }}).size(), 40u) << "a count that shrinks";
}

TEST(Rest, NotLongerThanATickSparesNone) {
  EXPECT_EQ(looks(0s, 40, {[](int) { return to_count(0); }}).size(), 40u);
  EXPECT_EQ(looks(1s, 40, {[](int) { return to_count(0); }}).size(), 40u);
}

Result<SamplePtr> quiet_tick(int n) {
  return SamplePtr(build::a_sample().at(1s * n));
}

TEST(ObserverAtRest, CountsTheLooksThatItSpares) {
  for (const auto rest : {0ms, 5'000ms}) {
    collect::FakeCollector collector(quiet_tick);
    collector.count_happened = [] { return 1; };
    os::FakeSleepClock clock;
    Observer observer({.schedule = {.interval = 1s, .length = 32s}, .policy = {}, .rest = rest}, collector, clock);
    auto subscription = observer.subscribe(64).value();
    observer.start();
    std::uint64_t spared = 0;
    while (!subscription->ended()) {
      if (auto seen = subscription->take()) spared = (*seen)->get()->looks_spared;
    }
    if (rest == 0ms) {
      EXPECT_EQ(collector.ticks, 33);
      EXPECT_EQ(spared, 0u);
    } else {
      EXPECT_LT(collector.ticks, 20);
      EXPECT_GE(spared, 12u);
    }
  }
}

TEST(ObserverAtRest, LooksTwiceInAWindowOfThePolicyThatIsInForceNow) {
  collect::FakeCollector collector(quiet_tick);
  collector.count_happened = [] { return 1; };
  os::FakeSleepClock clock;
  Policy hasty;
  hasty.window = 2'000ms;
  Observer observer({.schedule = {.interval = 1s, .length = 32s}, .policy = {}, .rest = 5'000ms}, collector, clock);
  observer.judge_by(hasty);  // as SIGHUP does: from the first tick on
  auto subscription = observer.subscribe(64).value();
  observer.start();
  while (!subscription->ended()) subscription->take();
  EXPECT_EQ(collector.ticks, 33);
}

TEST(WorthFollowing, IsAProgramThatHasBytesToSend) {
  auto seen = [](std::uint64_t queued) {
    UserQueue queue;
    queue.queued = queued;
    Observation out{build::a_window(2, [&](build::SampleBuilder& sample,
                                           std::size_t) { sample.set([&](Sample& s) { s.user_queues = {queue}; }); }),
                    {},
                    {}};
    return worth_following(out);
  };
  EXPECT_FALSE(seen(0));
  EXPECT_TRUE(seen(1));
}

}  // namespace
}  // namespace tcpadvisor::observe::rest_test
