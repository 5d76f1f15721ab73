// SPDX-License-Identifier: Apache-2.0
#include "agent/port/reactor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::port::reactor_test {
namespace {

using namespace std::chrono_literals;

/// A reactor, and a descriptor that stays readable.
class ReactorTest : public testing::Test {
 protected:
  ReactorTest() : reactor_(std::move(Reactor::create().value())) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    readable_ = os::UniqueFd(ends[0]);
    writable_ = os::UniqueFd(ends[1]);
    EXPECT_EQ(write(writable_.get(), "x", 1), 1);
  }

  std::unique_ptr<Reactor> reactor_;
  os::UniqueFd readable_, writable_;
};

TEST_F(ReactorTest, a_turn_ends_although_a_descriptor_is_always_ready) {
  int called = 0;
  Reactor::Watch watch(*reactor_, readable_.get(), Reactor::Wants::read, [&] {
    // A turn that never ends would not come back here either; this fails instead.
    if (++called > 3) throw std::runtime_error("one turn, and it is called again");
  });
  watch.set(true);
  reactor_->turn(Time::zero());
  EXPECT_EQ(called, 1);
  reactor_->turn(1h);
  EXPECT_EQ(called, 2);
}

TEST_F(ReactorTest, timers_get_their_turn_beside_it) {
  Reactor::Watch watch(*reactor_, readable_.get(), Reactor::Wants::read, [] {});
  watch.set(true);
  bool rung = false;
  reactor_->after(Time::zero(), [&] { rung = true; });
  reactor_->turn(Time::zero());
  EXPECT_TRUE(rung);
}

TEST_F(ReactorTest, what_a_watch_throws_comes_out_and_the_loop_goes_on) {
  bool throws = true;
  int called = 0;
  Reactor::Watch watch(*reactor_, readable_.get(), Reactor::Wants::read, [&] {
    ++called;
    if (throws) throw std::runtime_error("no memory");
  });
  watch.set(true);
  EXPECT_THROW(reactor_->turn(1h), std::runtime_error);
  throws = false;
  reactor_->turn(1h);
  EXPECT_EQ(called, 2);
}

}  // namespace
}  // namespace tcpadvisor::port::reactor_test
