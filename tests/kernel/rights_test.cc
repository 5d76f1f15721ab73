// SPDX-License-Identifier: Apache-2.0
// Which sources are in use, what they cost, and what works without privileges.
#include <linux/capability.h>

#include <thread>
#include <vector>

#include "agent/kernel/privileges.h"
#include "agent/os/privileges.h"
#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::rights_test {
namespace {

/// Leaves the calling thread only what reading needs on this kernel: nothing, or CAP_BPF before 5.19.
Status drop_what_reading_needs_not(Tracer& tracer) {
  std::vector<int> needed;
  if (!readable_without_capabilities(tracer)) needed.push_back(CAP_BPF);
  return os::keep_only(needed);
}

TEST_F(KernelTest, EveryFactHasASourceOrSaysWhy) {
  for (const FactCoverage& line : tracer_->coverage()) {
    // Failed attempts have no kprobe: the collector then goes by the snapshot and a counter, which is not this room's.
    bool elsewhere = line.fact == FactId::connects && options_from_environment().hooks == Hooks::kprobe;
    EXPECT_TRUE(elsewhere || !line.in_use.empty())
        << name_of(line.fact) << ": " << (line.attempts.empty() ? "" : line.attempts.back().why_not);
    for (const Attempt& attempt : line.attempts)
      EXPECT_TRUE(attempt.works() || !attempt.why_not.empty()) << name_of(line.fact) << " " << attempt.source;
  }
}

TEST_F(KernelTest, TheForcedKindIsInUse) {
  auto hooks = options_from_environment().hooks;
  if (hooks == Hooks::any) GTEST_SKIP() << "TCPADVISOR_TEST_HOOKS is not set";
  const char* word = hooks == Hooks::fentry ? "fexit" : hooks == Hooks::kprobe ? "kprobe" : "tp_btf";
  EXPECT_THAT(in_use(FactId::calls), testing::HasSubstr(word));
}

TEST_F(KernelTest, CallHooksCanBeStopped) {
  auto own = Tracer::open(options_from_environment());
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 10);
  own->stop(FactId::calls, "over the budget");
  traffic::send_exactly(pair.client.get(), 10);
  auto seen = walk_with(*own);
  ASSERT_TRUE(seen);
  EXPECT_EQ(row_of(pair.client.get(), *seen)->calls->send.calls(), 1u);
  for (const FactCoverage& line : own->coverage()) {
    EXPECT_TRUE(line.fact != FactId::calls || line.in_use.empty());
  }
}

TEST_F(KernelTest, ReadingGoesOnWithoutPrivileges) {
  std::jthread thread([] {  // capabilities belong to a thread
    auto own = Tracer::open(options_from_environment());
    auto listener = traffic::listen_on_loopback(8);
    ASSERT_TRUE(drop_what_reading_needs_not(*own));
    auto pair = traffic::make_pair(listener);
    traffic::send_exactly(pair.client.get(), 10);
    auto seen = walk_with(*own);
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(row_of(pair.client.get(), *seen)->calls->send.calls(), 1u);
    EXPECT_TRUE(own->walk_owners(every_socket()));
    EXPECT_TRUE(own->lifecycle());
  });
}

TEST_F(KernelTest, HooksMeasureThemselvesWithoutPrivileges) {
  if (in_use(FactId::calls).empty()) GTEST_SKIP() << "no hook on calls here";
  std::jthread thread([] {  // capabilities belong to a thread
    auto own = Tracer::open(options_from_environment());
    ASSERT_TRUE(drop_what_reading_needs_not(*own));
    auto calls = [&] {
      for (const HookCost::Program& hook : own->cost().programs) {
        if (hook.fact == FactId::calls) return hook;
      }
      return HookCost::Program{};
    };
    auto listener = traffic::listen_on_loopback(8);
    auto pair = traffic::make_pair(listener);
    auto send_a_hundred = [&] {
      for (int i = 0; i < 100; ++i) traffic::send_exactly(pair.client.get(), 1);
    };
    send_a_hundred();
    EXPECT_EQ(calls().run_count, 0u) << "not asked to measure";
    EXPECT_TRUE(own->measure(true));
    send_a_hundred();
    EXPECT_TRUE(own->measure(false));
    auto measured = calls();
    EXPECT_GE(measured.run_count, 100u);
    EXPECT_GT(measured.run_time_ns, 100u);
    send_a_hundred();
    EXPECT_LT(calls().run_count, measured.run_count + 50) << "no longer measured, but for a run that was under way";
  });
}

}  // namespace
}  // namespace tcpadvisor::kernel::rights_test
