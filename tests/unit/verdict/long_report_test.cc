// SPDX-License-Identifier: Apache-2.0
// A report over hours judges a thinned past. It must say what it would say with every tick in memory.
#include <gtest/gtest.h>

#include "advisor/rules/words.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::long_report_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::SampleBuilder;

/// A leak, a deaf listener, a reader that stands still, and a queue in front of it.
SamplePtr faults(std::uint32_t second) {
  SampleBuilder sample;
  sample.at(1s * second)
      .add(40, a_socket().close_wait().pid(7, "api").age(90s + 1s * second))
      .add(a_process(7, "api").close_wait(40 + second / 60, 40))
      .add(a_socket().cookie(50).listen(80, 128, 128).pid(9, "deaf").drops(second))
      .add(build::a_stuck_sender(130'944))
      .add(build::a_stuck_reader(137'845))
      .add(build::s1_queue().pending_shutdown())
      .counter("TcpExt.ListenOverflows", second)
      .counter("TcpExt.PruneCalled", second / 10);
  return sample;
}

std::string all_of(const Verdict& verdict) {
  std::string out;
  for (const Finding& finding : verdict.findings) {
    out += finding.instance + " " + finding.id + ": " + finding.title + ", because of " + finding.cause + "\n";
    out += finding.recommendation.text + finding.recommendation.formula + "\n";
  }
  for (const CheckedAndFine& fine : verdict.checked_and_fine) {
    out += fine.id + " is fine: " + fine.metric + " " + fine.value + "\n";
  }
  for (const NotAssessed& part : verdict.not_assessed) out += part.id + " not assessed: " + part.reason + "\n";
  return out;
}

TEST(LongReport, says_what_a_full_window_says) {
  for (const Policy& policy : {Policy{}, *Policy::named("lab")}) {
    Window full, thinned;
    for (std::uint32_t second = 0; second <= 600; ++second) {
      SamplePtr sample = faults(second);
      full.push(sample);
      thinned.push(sample, keep_for(policy, 64));
    }
    ASSERT_EQ(full.samples(), 601u);
    ASSERT_LT(thinned.samples(), 200u);
    EXPECT_EQ(all_of(judge(thinned, policy)), all_of(judge(full, policy)));
  }
}

TEST(KeepFor, covers_the_policys_windows_and_little_more) {
  auto ticks = [](const Policy& policy, std::chrono::milliseconds interval) {
    Window window;
    for (int i = 0; i < 200; ++i) window.push(build::a_sample().at(interval * i), keep_for(policy));
    EXPECT_TRUE(window.covers(policy.windows, policy.window));
    return window.samples();
  };
  EXPECT_EQ(ticks(Policy{}, 1s), 32u);
  EXPECT_EQ(ticks(Policy{}, 500ms), 62u);
  EXPECT_EQ(ticks(Policy{}, 1min), 3u) << "what the leak rules need to see a direction";
  Policy absurd{.window = std::chrono::milliseconds::max(), .windows = 1'000'000};
  EXPECT_GT(keep_for(absurd).recent.count(), 0) << "no overflow";
}

}  // namespace
}  // namespace tcpadvisor::long_report_test
