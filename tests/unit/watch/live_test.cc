// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/live.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <unistd.h>

#include <thread>

#include "tests/unit/builders.h"
#include "tests/unit/observe/fake_collector.h"
#include "tests/unit/os/fake_sleep_clock.h"

namespace tcpadvisor::watch::live_test {
namespace {

using namespace std::chrono_literals;

class RunLines : public ::testing::Test {
 protected:
  void SetUp() override {
    auto signals = os::StopSignals::open();
    ASSERT_TRUE(signals);
    signals_ = std::move(*signals);
    schedule_.interval = 10ms;
    options_.output = Output::json;
  }
  void run_it() {
    observe::Observer observer({.schedule = schedule_, .policy = {}}, collector_, clock_);
    status_ = run(observer, options_, *signals_, [this](const std::string& text) { complaints_ += text; });
  }
  std::string output_of_run() {
    ::testing::internal::CaptureStdout();
    run_it();
    return ::testing::internal::GetCapturedStdout();
  }

  std::unique_ptr<os::StopSignals> signals_;
  observe::Schedule schedule_;
  LiveOptions options_;
  os::FakeSleepClock clock_;
  Status status_;
  int fails_at_ = 0;
  std::chrono::milliseconds tick_{10};
  std::string complaints_;
  collect::FakeCollector collector_{[this](int n) -> Result<SamplePtr> {
    if (n == fails_at_) return fail(ErrorCode::denied, "no way");
    return SamplePtr(build::a_sample().at(tick_ * n));
  }};
};

TEST_F(RunLines, OnceIsOneLineAfterTwoTicks) {
  options_.once = true;
  schedule_.length = 10ms;
  std::string out = output_of_run();
  EXPECT_TRUE(status_);
  EXPECT_EQ(std::ranges::count(out, '\n'), 1);
}

TEST_F(RunLines, OnceWaitsUntilEveryProgramCouldSpeakForItsQueue) {
  options_.once = true;
  schedule_.interval = 400ms;
  tick_ = 400ms;
  std::string out = output_of_run();
  EXPECT_TRUE(status_);
  EXPECT_EQ(std::ranges::count(out, '\n'), 1);
  EXPECT_GE(collector_.ticks, 4) << "1.2 s: once a second they say how they are";
}

TEST_F(RunLines, EndsByItself) {
  schedule_.length = 35ms;
  std::string out = output_of_run();
  EXPECT_TRUE(status_);
  EXPECT_EQ(collector_.ticks, 4);
  EXPECT_EQ(std::ranges::count(out, '\n'), 4);
}

TEST_F(RunLines, ASignalEndsIt) {
  raise(SIGTERM);
  output_of_run();
  EXPECT_TRUE(status_);
  EXPECT_EQ(signals_->received(), SIGTERM);
}

TEST_F(RunLines, NoFirstTickIsAnErrorALaterOneIsNot) {
  fails_at_ = 1;
  output_of_run();
  ASSERT_FALSE(status_);
  EXPECT_EQ(status_.error().message, "no way");
  collector_.ticks = 0;
  fails_at_ = 2;
  schedule_.length = 35ms;
  output_of_run();
  EXPECT_TRUE(status_);
  EXPECT_EQ(complaints_, "a tick failed: no way");
}

/// stdout is a full pipe that nobody reads.
class FullPipe : public RunLines {
 protected:
  void SetUp() override {
    RunLines::SetUp();
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    reader_ = os::UniqueFd(ends[0]);
    os::UniqueFd writer(ends[1]);
    ASSERT_GE(fcntl(writer.get(), F_SETPIPE_SZ, 4096), 4096);
    std::string page(4096, 'x');
    ASSERT_EQ(write(writer.get(), page.data(), page.size()), 4096);
    stdout_ = os::UniqueFd(dup(STDOUT_FILENO));
    dup2(writer.get(), STDOUT_FILENO);
  }
  void TearDown() override { dup2(stdout_.get(), STDOUT_FILENO); }

  os::UniqueFd reader_, stdout_;
};

TEST_F(FullPipe, NeitherDelaysATickNorASignal) {
  schedule_.length = 1s;
  // Only when all ticks are made does the signal come: had one waited for the reader, it never would.
  clock_.before_sleep = [this](std::uint64_t) {
    if (collector_.ticks == 50) kill(getpid(), SIGTERM);
  };
  run_it();
  EXPECT_TRUE(status_);
  EXPECT_EQ(signals_->received(), SIGTERM);
  EXPECT_GE(collector_.ticks, 50);
}

}  // namespace
}  // namespace tcpadvisor::watch::live_test
