// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/live.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <atomic>

#include "tests/unit/builders.h"

namespace tcpadvisor::watch {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

TEST(NextDue, IsRegularUnlessATickTookTooLong) {
  Time start{};
  EXPECT_EQ(next_due(start, 1s, start + 10ms), start + 1s);
  EXPECT_EQ(next_due(start, 1s, start + 3s), start + 3s) << "no ticks are made up for";
}

TEST(SamplesToKeep, CoverAllWindowsOfThePolicy) {
  EXPECT_EQ(samples_to_keep(Policy{}, 1s), 32u);
  EXPECT_EQ(samples_to_keep(Policy{}, 1h), 2u) << "two are needed for any rate";
}

TEST(Ticker, HandsOverTicksInOrderWhileAnotherOneIsUnderWay) {
  std::atomic<int> made = 0;
  auto ticker = Ticker::start(
      [&]() -> Result<SamplePtr> {
        int n = made++;
        if (n == 1) return fail(ErrorCode::failed, "the second one fails");
        return SamplePtr(build::a_sample().at(build::milliseconds(n)));
      },
      10ms);
  ASSERT_TRUE(ticker);
  std::vector<Result<SamplePtr>> taken;
  while (taken.size() < 3) {
    pollfd ready{(*ticker)->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, 5000), 1);
    for (auto& sample : (*ticker)->take()) taken.push_back(std::move(sample));
  }
  EXPECT_EQ((*taken[0])->mono_ms, build::kStartMs);
  EXPECT_EQ(taken[1].error().message, "the second one fails");
  EXPECT_EQ((*taken[2])->mono_ms, build::kStartMs + 2);
}

class RunLines : public ::testing::Test {
 protected:
  void SetUp() override {
    auto signals = os::StopSignals::open();
    ASSERT_TRUE(signals);
    signals_ = std::move(*signals);
    options_.interval = 10ms;
    options_.output = Output::json;
  }
  std::string run_it() {
    ::testing::internal::CaptureStdout();
    status_ = run(
        [this]() -> Result<SamplePtr> {
          ++ticks_;
          if (ticks_ == fails_at_) return fail(ErrorCode::denied, "no way");
          return SamplePtr(build::a_sample().at(10ms * ticks_));
        },
        options_, *signals_, [this](const std::string& text) { complaints_ += text; });
    return ::testing::internal::GetCapturedStdout();
  }

  std::unique_ptr<os::StopSignals> signals_;
  LiveOptions options_;
  Status status_;
  int ticks_ = 0, fails_at_ = 0;
  std::string complaints_;
};

TEST_F(RunLines, OnceIsOneLineAfterTwoTicks) {
  options_.once = true;
  std::string out = run_it();
  EXPECT_TRUE(status_);
  EXPECT_EQ(ticks_, 2);
  EXPECT_EQ(std::ranges::count(out, '\n'), 1);
}

TEST_F(RunLines, EndsByItself) {
  options_.length = 35ms;
  std::string out = run_it();
  EXPECT_GE(ticks_, 2);
  EXPECT_LE(ticks_, 4);
  EXPECT_EQ(std::ranges::count(out, '\n'), ticks_);
}

TEST_F(RunLines, ASignalEndsIt) {
  raise(SIGTERM);
  run_it();
  EXPECT_TRUE(status_);
  EXPECT_EQ(ticks_, 1);
  EXPECT_EQ(signals_->received(), SIGTERM);
}

TEST_F(RunLines, NoFirstTickIsAnErrorALaterOneIsNot) {
  fails_at_ = 1;
  run_it();
  ASSERT_FALSE(status_);
  EXPECT_EQ(status_.error().message, "no way");
  ticks_ = 0;
  fails_at_ = 2;
  options_.length = 35ms;
  run_it();
  EXPECT_TRUE(status_);
  EXPECT_EQ(complaints_, "no way");
}

}  // namespace
}  // namespace tcpadvisor::watch
