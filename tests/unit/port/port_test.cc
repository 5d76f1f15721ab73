// SPDX-License-Identifier: Apache-2.0
// The ends of a port: shutdown, close, the death of its owner, and who is told what when.
#include "agent/port/port.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include "tests/unit/port/world.h"

namespace tcpadvisor::port::port_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Settings = std::vector<OptionSetting>;

constexpr FakeKernel kStuck{.capacity = 0, .writable_at = 1};
constexpr auto kProfiles = {Profile::otp25, Profile::classic};

// ---- shutdown ----

TEST(PortShutdown, WithAnEmptyQueueItIsDoneAtOnce) {
  for (Profile profile : kProfiles) {
    for (int how : {SHUT_WR, SHUT_RDWR}) {
      World w({100, 1}, {}, profile);
      w.send(1, 10);
      EXPECT_EQ(w.port.shutdown(1, how), Outcome::ok);
      EXPECT_TRUE(w.wire.fin_sent());
      EXPECT_EQ(w.send(1, 1), "{error,closed}");
      EXPECT_EQ(w.send(1, 1), "{error,enotconn}");
    }
  }
}

TEST(PortShutdown, ForReadingMakesTheNextReceiveSeeAFin) {
  for (Profile profile : kProfiles) {
    World w(kStuck, {}, profile);
    w.send(1, 10);
    EXPECT_EQ(w.port.shutdown(1, SHUT_RD), Outcome::ok);
    EXPECT_EQ(w.q(), 10u);
    w.port.receive(1, 0, std::nullopt);
    EXPECT_THAT(w.take(), ElementsAre("1 answer {error,closed}"));
    EXPECT_EQ(w.q(), 0u);
    EXPECT_FALSE(w.port.state().open);
  }
}

TEST(PortShutdown, IsDeferredUntilTheQueueIsEmpty) {
  World w(kStuck);
  w.send(1, 10);
  EXPECT_EQ(w.port.shutdown(2, SHUT_WR), Outcome::ok);
  EXPECT_TRUE(w.port.state().pending_shutdown);
  w.advance(60'000);
  w.kernel_takes(9);
  EXPECT_FALSE(w.wire.fin_sent());
  w.kernel_takes(1);
  EXPECT_TRUE(w.wire.fin_sent());
  EXPECT_FALSE(w.port.state().pending_shutdown);
  EXPECT_EQ(w.wire.in_kernel(), 10u);
}

TEST(PortShutdown, ASendIntoAPendingOneLosesTheQueue) {
  World w(kStuck);
  w.send(1, 10);
  w.port.subscribe(5);
  w.port.shutdown(2, SHUT_WR);
  EXPECT_EQ(w.send(1, 1), "{error,closed}");
  EXPECT_EQ(w.send(1, 1), "{error,enotconn}");
  EXPECT_EQ(w.port.state().dropped, 10u);
  EXPECT_THAT(w.take(), ElementsAre("5 empty_out_q"));
  w.port.receive(1, 0, std::nullopt);
  w.port.receive(1, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,closed}", "1 answer {error,enotconn}"));
}

TEST(PortShutdown, ClassicGivesUpAfterFiveSecondsAndLosesTheQueue) {
  World w({7, 1}, {}, Profile::classic);
  w.send(1, 17);
  w.port.subscribe(5);
  EXPECT_EQ(w.port.shutdown(2, SHUT_WR), Outcome::pending);
  EXPECT_TRUE(w.port.state().pending_shutdown);
  w.advance(4'999);
  EXPECT_THAT(w.take(), IsEmpty());
  w.advance(1);
  // The queued write fails with EPIPE, and only now its subscribers hear that the queue is empty.
  EXPECT_THAT(w.take_timed(), ElementsAre("5000 2 answer ok", "5000 5 empty_out_q", "5000 2 empty_out_q"));
  EXPECT_EQ(w.port.state().dropped, 10u);
  EXPECT_EQ(w.wire.peer_read(100).size(), 7u);
  w.port.receive(1, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,closed}"));
}

/// The kernel takes one byte in each of the first `rounds` rounds of 5 s; then, perhaps, everything. When does
/// caller 2's close or shutdown return?
std::string returns(Profile profile, bool closes, const Settings& options, int rounds, int drained_at_ms = 0) {
  World w(kStuck, options, profile);
  w.send(1, 1'000);
  Outcome outcome = closes ? w.port.close(2) : w.port.shutdown(2, SHUT_WR);
  if (outcome != Outcome::pending) return "at once";
  for (int ms = 0; ms < 400'000; ms += 500) {
    if (ms % 5'000 == 2'500 && ms / 5'000 < rounds) w.kernel_takes(1);
    if (ms == drained_at_ms && ms > 0) w.kernel_takes(1'000);
    w.advance(500);
    for (const std::string& line : w.take_timed()) {
      if (line.find("2 answer ok") != std::string::npos) return line.substr(0, line.find(' '));
    }
  }
  return "never";
}

TEST(PortClose, HowLongItWaits) {
  struct {
    std::string name;
    Settings options;
    int rounds, drained_at_ms;
    std::string otp25, classic;
  } cases[] = {
      {"stuck", {}, 0, 0, "5000", "5000"},
      {"drained in time", {}, 0, 3'000, "3000", "3000"},
      {"progress in one round", {}, 1, 0, "180000", "10000"},
      {"progress in three rounds", {}, 3, 0, "180000", "20000"},
      {"always progress", {}, 60, 0, "180000", "305000"},
      {"progress, drained at 12 s", {}, 3, 12'000, "12000", "12000"},
      {"stall, drained at 30 s", {}, 1, 30'000, "30000", "10000"},
      {"linger 0", {{"linger", "true/0"}}, 0, 0, "at once", "5000"},
      {"linger 2", {{"linger", "true/2"}}, 0, 0, "2000", "5000"},
      {"linger 7", {{"linger", "true/7"}}, 0, 0, "5000", "5000"},
      {"linger 7 with progress", {{"linger", "true/7"}}, 9, 0, "7000", "50000"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(returns(Profile::otp25, true, c.options, c.rounds, c.drained_at_ms), c.otp25) << c.name;
    EXPECT_EQ(returns(Profile::classic, true, c.options, c.rounds, c.drained_at_ms), c.classic) << c.name;
    EXPECT_EQ(returns(Profile::otp25, false, c.options, c.rounds, c.drained_at_ms), "at once") << c.name;
    EXPECT_EQ(returns(Profile::classic, false, c.options, c.rounds, c.drained_at_ms), c.classic) << c.name;
  }
}

TEST(PortClose, TwoAtTheSameTime) {
  World w(kStuck);
  w.send(1, 10);
  EXPECT_EQ(w.port.close(2), Outcome::pending);
  w.advance(1'000);
  EXPECT_EQ(w.port.close(3), Outcome::pending);
  w.port.subscribe(4);
  w.kernel_takes(10);
  EXPECT_THAT(w.take(), ElementsAre("4 empty_out_q", "3 answer ok", "99 port_gone", "2 answer ok"));
  EXPECT_EQ(w.port.close(3), Outcome::ok);
  w.advance(200'000);
  EXPECT_THAT(w.take(), IsEmpty());
}

TEST(PortClose, LingerZeroResetsAndLosesTheQueue) {
  World w({7, 1}, {{"linger", "true/0"}});
  w.send(1, 17);
  w.port.subscribe(5);
  EXPECT_EQ(w.port.close(2), Outcome::ok);
  EXPECT_TRUE(w.wire.reset_sent());
  EXPECT_EQ(w.port.state().dropped, 10u);
  EXPECT_THAT(w.take(), ElementsAre("99 port_gone"));

  World classic({7, 1}, {{"linger", "true/0"}}, Profile::classic);
  classic.send(1, 17);
  classic.port.close(2);
  classic.advance(5'000);
  EXPECT_TRUE(classic.port.state().limbo);
  classic.kernel_takes(10);
  EXPECT_FALSE(classic.wire.reset_sent());
  EXPECT_EQ(classic.wire.in_kernel(), 17u);
}

// ---- limbo ----

TEST(PortLimbo, TheQueueGoesOnWithoutItsOwner) {
  for (Profile profile : kProfiles) {
    for (bool dies : {false, true}) {
      World w({7, 1}, {}, profile);
      w.send(1, 27);
      w.port.subscribe(5);
      dies ? w.port.caller_dies(kOwner) : w.port.port_close();
      EXPECT_TRUE(w.port.state().limbo && w.port.state().open && w.port.state().gone);
      EXPECT_EQ(w.statistic("send_pend"), 20u);
      EXPECT_EQ(w.send(1, 1), "{error,closed}");
      w.advance(3'600'000);
      w.read(7);
      EXPECT_EQ(w.statistic("send_pend"), 13u);
      EXPECT_THAT(w.take(), IsEmpty());
      w.kernel_takes(1'000);
      EXPECT_EQ(w.wire.in_kernel(), 20u);
      EXPECT_TRUE(w.wire.fin_sent() && w.wire.closed());
      EXPECT_FALSE(w.port.state().limbo);
      w.port.port_close();
      w.port.kill();
      EXPECT_THAT(w.take(), ElementsAre("99 port_gone"));  // once, and nothing to the subscriber
      EXPECT_EQ(w.statistic("send_pend"), ~0ULL);
    }
  }
}

TEST(PortLimbo, EndsWithAKillOrAReset) {
  for (bool reset : {false, true}) {
    World w({7, 1});
    w.send(1, 17);
    w.port.port_close();
    reset ? w.wire.peer_reset() : w.port.kill();
    w.time.settle();
    EXPECT_THAT(w.take(), ElementsAre("99 port_gone"));
    EXPECT_EQ(w.port.state().dropped, 10u);
    EXPECT_EQ(w.wire.in_kernel(), reset ? 0u : 7u);
  }
}

TEST(PortKill, LosesTheQueueButNotWhatTheKernelHas) {
  World w({7, 1});
  w.send(1, 17);
  w.port.subscribe(5);
  w.port.kill();
  w.port.kill();
  EXPECT_THAT(w.take(), ElementsAre("99 port_gone"));
  EXPECT_TRUE(w.wire.fin_sent());
  EXPECT_EQ(w.wire.in_kernel(), 7u);
  EXPECT_EQ(w.port.state().dropped, 10u);
}

// ---- who waits when the port goes ----

TEST(PortClose, WhoWaitsWhenThePortGoes) {
  struct {
    Profile profile;
    int closed_at_ms;
    std::vector<std::string> later;
  } cases[] = {{Profile::otp25, 1'000, {"5000 1 answer {error,closed}"}},
               {Profile::otp25, 7'000, {"7000 1 answer {error,closed}"}},  // its 5 s are over
               {Profile::classic, 1'000, {}}};
  for (const auto& c : cases) {
    World w(kStuck, {{"high", "1"}}, c.profile);
    w.send(9, 10);
    w.send(1, 10);
    w.send(2, 10);
    w.send(3, 10, how(SendKind::command));
    w.send(4, 10, how(SendKind::bang));
    w.port.receive(5, 0, std::nullopt);
    w.advance(c.closed_at_ms);
    w.take();
    w.port.port_close();
    EXPECT_THAT(w.take(), ElementsAre("5 answer {error,closed}", "3 resumed", "3 answer badarg", "4 resumed",
                                      "4 answer ok", "2 resumed", "2 answer {error,einval}"));
    w.advance(3'600'000);
    EXPECT_EQ(w.take_timed(), c.later);
  }
}

TEST(PortClose, ScheduledCommandsAreAborted) {
  World w({100, 1});
  w.port.hold();
  w.send(1, 1, how(SendKind::bang));
  w.send(1, 1);
  w.send(2, 1, how(SendKind::command));
  w.port.port_close();
  w.port.release();
  w.time.settle();
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,einval}", "2 answer badarg", "99 port_gone"));
  EXPECT_EQ(w.wire.in_kernel(), 0u);
}

TEST(PortClose, CallsToAClosedPort) {
  World w({100, 1});
  w.port.port_close();
  w.take();
  EXPECT_EQ(w.port.shutdown(1, SHUT_WR), Outcome::closed);
  EXPECT_EQ(w.port.close(1), Outcome::ok);
  EXPECT_EQ(w.set({{"high", "1"}}), "{error,einval}");
  EXPECT_EQ(w.port.subscribe(1), 0u);
  w.port.receive(1, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,closed}"));
}

}  // namespace
}  // namespace tcpadvisor::port::port_test
