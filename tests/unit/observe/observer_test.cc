// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/observer.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <algorithm>
#include <semaphore>
#include <stdexcept>

#include "tests/unit/builders.h"
#include "tests/unit/observe/fake_collector.h"
#include "tests/unit/os/fake_sleep_clock.h"

namespace tcpadvisor::observe::observer_test {
namespace {

using namespace std::chrono_literals;

Result<SamplePtr> a_tick(int n) {
  return SamplePtr(build::a_sample().at(1s * n));
}

bool is_ready(const Subscription& subscription, int patience_ms = 0) {
  pollfd ready{subscription.fd(), POLLIN, 0};
  return poll(&ready, 1, patience_ms) == 1;
}

/// Waits for the next delivery; nothing when there will be none.
std::optional<Result<ObservationPtr>> next(Subscription& subscription) {
  EXPECT_TRUE(is_ready(subscription, 10'000)) << "neither an observation nor the end";
  return subscription.take();
}

TEST(Observer, GivesEachSubscriberTheTicksInOrderWithTheirVerdict) {
  collect::FakeCollector collector(a_tick);
  os::FakeSleepClock clock;
  Policy policy;
  policy.name = "mine";
  Observer observer({.schedule = {.interval = 1s, .length = 2s}, .policy = policy}, collector, clock);
  auto one = observer.subscribe(8).value(), two = observer.subscribe(8).value();
  EXPECT_EQ(observer.latest(), nullptr);
  EXPECT_FALSE(is_ready(*one));
  observer.start();
  for (Subscription* subscription : {one.get(), two.get()}) {
    for (int n = 1; n <= 3; ++n) {
      auto seen = next(*subscription);
      ASSERT_TRUE(seen && *seen);
      const Observation& observation = ***seen;
      EXPECT_EQ(observation.now().mono_ms, build::kStartMs + 1000 * static_cast<unsigned>(n));
      EXPECT_EQ(observation.window.samples(), static_cast<std::size_t>(n));
      EXPECT_EQ(observation.before() == nullptr, n == 1);
      EXPECT_EQ(observation.policy.name, "mine");
      EXPECT_EQ(observation.verdict.enough_data, judge(observation.window, policy).enough_data);
    }
    EXPECT_FALSE(next(*subscription));
    EXPECT_TRUE(subscription->ended());
    EXPECT_FALSE(subscription->failure());
    EXPECT_EQ(subscription->missed(), 0u);
  }
  EXPECT_EQ(observer.latest()->window.samples(), 3u);
  EXPECT_EQ(clock.mono_ns(), 2'000'000'000u) << "it went on to its end";
}

TEST(Observer, JudgesByAnotherPolicyFromTheNextTickOn) {
  os::FakeSleepClock clock;
  Observer* self = nullptr;
  collect::FakeCollector collector([&](int n) {
    Policy second;
    second.name = "second";
    if (n == 2) self->judge_by(second);
    return a_tick(n);
  });
  Policy first;
  first.name = "first";
  Observer observer({.schedule = {.interval = 1s, .length = 2s}, .policy = first}, collector, clock);
  self = &observer;
  auto one = observer.subscribe(8).value();
  observer.start();
  for (const char* name : {"first", "second", "second"}) {
    auto seen = next(*one);
    ASSERT_TRUE(seen && *seen);
    EXPECT_EQ((**seen)->policy.name, name);
  }
}

TEST(Observer, NeverWaitsForASlowSubscriberAndCountsWhatItMissed) {
  collect::FakeCollector collector(a_tick);
  os::FakeSleepClock clock;
  Observer observer({.schedule = {.interval = 1s, .length = 99s}, .policy = {}}, collector, clock);
  auto slow = observer.subscribe().value(), patient = observer.subscribe(200).value();
  observer.start();
  for (int n = 1; n <= 100; ++n) ASSERT_TRUE(next(*patient));
  EXPECT_FALSE(next(*patient));
  EXPECT_EQ(collector.ticks, 100);
  EXPECT_EQ(slow->missed(), 99u);
  EXPECT_EQ((*slow->take())->get()->now().mono_ms, build::kStartMs + 100'000) << "it still gets the latest";
  EXPECT_FALSE(slow->take());
  EXPECT_TRUE(slow->ended());
  EXPECT_EQ(patient->missed(), 0u);
}

TEST(Observer, WhoComesLateGetsTheLatestAtOnce) {
  collect::FakeCollector collector(a_tick);
  os::FakeSleepClock clock;
  Observer observer({.schedule = {.interval = 1s, .length = 1s}, .policy = {}}, collector, clock);
  auto first = observer.subscribe(4).value();
  observer.start();
  while (next(*first)) {
  }
  auto late = observer.subscribe().value();
  EXPECT_FALSE(late->ended());
  EXPECT_EQ(late->take()->value(), observer.latest());
  EXPECT_TRUE(late->ended());
}

/// A process near its limit of descriptors: at 0.9 of it a finding comes, below 0.81 it may go.
Result<SamplePtr> near_the_limit(int n) {
  return SamplePtr(build::a_sample().at(1s * n).add(build::a_process(7, "api").fds(n % 2 == 0 ? 880 : 920, 1'000)));
}

TEST(Observer, AFindingDoesNotComeAndGoWhereFindingsStand) {
  for (const bool stand : {false, true}) {
    collect::FakeCollector collector(near_the_limit);
    os::FakeSleepClock clock;
    Observer observer({.schedule = {.interval = 1s, .length = 19s}, .policy = {}, .findings_stand = stand}, collector,
                      clock);
    auto subscription = observer.subscribe(32).value();
    observer.start();
    int with_finding = 0;
    while (auto seen = next(*subscription)) {
      const auto& findings = (*seen)->get()->verdict.findings;
      with_finding += std::ranges::any_of(findings, [](const Finding& one) { return one.id == "fd-limit-reached"; });
    }
    EXPECT_EQ(with_finding, stand ? 20 : 10);
  }
}

TEST(Observer, WithoutAFirstTickItIsOver) {
  collect::FakeCollector collector([](int) { return fail(ErrorCode::denied, "no way"); });
  os::FakeSleepClock clock;
  Observer observer({}, collector, clock);
  auto subscription = observer.subscribe().value();
  observer.start();
  EXPECT_FALSE(next(*subscription));
  ASSERT_TRUE(subscription->ended());
  EXPECT_EQ(subscription->failure()->message, "no way");
  EXPECT_EQ(subscription->failure()->code, ErrorCode::denied);
  EXPECT_EQ(collector.ticks, 1);
}

TEST(Observer, AnExceptionIsTheErrorOfItsTick) {
  collect::FakeCollector collector([](int n) {
    if (n == 2) throw std::runtime_error("a bug");
    return a_tick(n);
  });
  os::FakeSleepClock clock;
  Observer observer({.schedule = {.interval = 1s, .length = 2s}, .policy = {}}, collector, clock);
  auto subscription = observer.subscribe(4).value();
  observer.start();
  EXPECT_TRUE(next(*subscription)->has_value());
  EXPECT_EQ(next(*subscription)->error().message, "internal error: a bug");
  EXPECT_EQ((**next(*subscription))->window.samples(), 2u) << "the one after it is as usual";
}

TEST(Observer, AnExceptionInTheFirstTickIsTheErrorOfAll) {
  collect::FakeCollector collector([](int) -> Result<SamplePtr> { throw std::bad_alloc(); });
  os::FakeSleepClock clock;
  Observer observer({}, collector, clock);
  auto subscription = observer.subscribe().value();
  observer.start();
  EXPECT_FALSE(next(*subscription));
  EXPECT_EQ(subscription->failure()->message, "internal error: std::bad_alloc");
}

TEST(Observer, EndsWithinAnIntervalHoweverLong) {
  collect::FakeCollector collector(a_tick);
  os::RealSleepClock clock;
  auto observer =
      std::make_unique<Observer>(ObserverOptions{.schedule = {.interval = 24h}, .policy = {}}, collector, clock);
  auto subscription = observer->subscribe().value();
  observer->start();
  ASSERT_TRUE(next(*subscription));
  observer.reset();  // would hang until tomorrow
  EXPECT_FALSE(subscription->take());
  EXPECT_TRUE(subscription->ended());
}

TEST(Observer, TicksOnWhileASubscriberComesAndGoes) {
  std::binary_semaphore may_sleep(0);
  collect::FakeCollector collector(a_tick);
  os::FakeSleepClock clock;
  clock.before_sleep = [&](std::uint64_t) { may_sleep.acquire(); };
  Observer observer({.schedule = {.interval = 1s, .length = 1s}, .policy = {}}, collector, clock);
  auto stays = observer.subscribe(4).value(), goes = observer.subscribe().value();
  observer.start();
  ASSERT_TRUE(next(*stays));
  goes.reset();
  may_sleep.release();
  ASSERT_TRUE(next(*stays));
  may_sleep.release();
  EXPECT_FALSE(next(*stays));
  EXPECT_EQ(collector.ticks, 2);
}

TEST(Observer, RemembersADayOfAReportInBoundedMemory) {
  auto at_most = [](std::chrono::milliseconds length) {
    collect::FakeCollector collector([](int n) {
      build::SampleBuilder sample = build::a_sample();
      sample.at(1min * n).add(build::a_socket().cookie(1).age(1min * n));
      return Result<SamplePtr>(SamplePtr(sample));
    });
    os::FakeSleepClock clock;
    Schedule schedule{.interval = 1min, .length = length, .ends_with_tick = true};
    Observer observer({.schedule = schedule, .policy = {}, .older_ticks = 240}, collector, clock);
    auto subscription = observer.subscribe().value();
    observer.start();
    while (next(*subscription)) {
    }
    EXPECT_EQ(collector.ticks, length / 1min + 1);
    EXPECT_NEAR(observer.latest()->window.span_s(), static_cast<double>(length / 1s), 0.5) << "from its first tick on";
    return observer.latest()->window.samples();
  };
  std::size_t of_six_hours = at_most(6h), of_a_day = at_most(24h);
  EXPECT_LE(of_a_day, 400u) << "of 1,441";
  EXPECT_LE(of_a_day, of_six_hours * 2) << "it does not grow with the time, but for what thinning leaves";
}

}  // namespace
}  // namespace tcpadvisor::observe::observer_test
