// SPDX-License-Identifier: Apache-2.0
// Who may send, who is refused, who is suspended, and in which order they go on.
#include "agent/port/scheduler.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include "tests/unit/port/world.h"

namespace tcpadvisor::port::scheduler_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr FakeKernel kStuck{.capacity = 0, .writable_at = 1};
constexpr auto kBang = SendKind::bang;
constexpr auto kCommand = SendKind::command;

/// Busy: 20 bytes queued, caller 1 waiting. Resumes when the kernel has taken 15 bytes.
struct Busy : World {
  explicit Busy(std::vector<OptionSetting> more = {}) : World(kStuck, with(std::move(more))) {
    send(98, 10);
    EXPECT_EQ(send(1, 10), "pending");
  }
  static std::vector<OptionSetting> with(std::vector<OptionSetting> more) {
    more.insert(more.begin(), {{"high", "11"}, {"low", "5"}});
    return more;
  }
};

TEST(Scheduler, WhatEachCallReturns) {
  SendOptions bad{.kind = kCommand, .bad_option = true};
  SendOptions forced_nosuspend{.kind = kCommand, .nosuspend = true, .force = true};
  SendOptions noconnect{.kind = kBang, .nosuspend = true, .noconnect = true};
  struct {
    std::string name;
    SendOptions options;
    std::string idle, busy, closed;
    bool replies;  ///< a message {inet_reply,...} follows when idle
  } cases[] = {
      {"send", {}, "ok", "pending", "{error,closed}", false},
      {"send nosuspend", nosuspend(SendKind::send), "ok", "{error,busy}", "{error,einval}", false},
      {"command", how(kCommand), "true", "pending", "badarg", true},
      {"command nosuspend", nosuspend(kCommand), "true", "false", "badarg", true},
      {"command force", forced(), "true", "true", "badarg", true},
      {"command force nosuspend", forced_nosuspend, "true", "true", "badarg", true},
      {"command bad", bad, "badarg", "badarg", "badarg", false},
      {"bang", how(kBang), "ok", "pending", "ok", true},
      {"bang nosuspend", nosuspend(kBang), "ok", "nosuspend", "ok", true},
      {"bang noconnect nosuspend", noconnect, "ok", "nosuspend", "ok", true},
      {"send_nosuspend", how(SendKind::send_nosuspend), "true", "false", "true", true},
  };
  for (const auto& c : cases) {
    World idle({100, 1});
    EXPECT_EQ(idle.send(2, 3, c.options), c.idle) << c.name;
    EXPECT_EQ(idle.take(), c.replies ? std::vector<std::string>{"2 inet_reply ok"} : std::vector<std::string>{})
        << c.name;

    Busy busy;
    EXPECT_EQ(busy.send(2, 3, c.options), c.busy) << c.name;
    bool suspended = c.busy == "pending", appended = c.busy == "true";
    EXPECT_EQ(busy.take(),
              suspended ? std::vector<std::string>({"2 suspended", "2 busy_port"}) : std::vector<std::string>{})
        << c.name;
    EXPECT_EQ(busy.q(), appended ? 23u : 20u) << c.name;
    EXPECT_EQ(busy.statistic("send_cnt"), appended ? 3u : 2u) << c.name;
    EXPECT_EQ(busy.port.state().refused, suspended || appended || c.busy == "badarg" ? 0u : 1u) << c.name;

    World closed({100, 1});
    closed.port.port_close();
    closed.take();
    EXPECT_EQ(closed.send(2, 3, c.options), c.closed) << c.name;
    EXPECT_THAT(closed.take(), IsEmpty()) << c.name;
  }
}

TEST(Scheduler, TheOneThatCrossedWaitsAndTheOthersAreSuspended) {
  Busy w;
  EXPECT_EQ(w.send(2, 1), "pending");
  EXPECT_EQ(w.send(3, 1), "pending");
  EXPECT_EQ(w.send(4, 1), "pending");
  EXPECT_THAT(w.take(),
              ElementsAre("2 suspended", "2 busy_port", "3 suspended", "3 busy_port", "4 suspended", "4 busy_port"));
  EXPECT_EQ(w.port.state().waiting, 1u);
  EXPECT_EQ(w.port.state().suspended, 3u);
  EXPECT_EQ(w.q(), 20u);
  w.kernel_takes(100);
  // The answer first, then from the second on, and the first last.
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok", "3 resumed", "3 answer ok", "4 resumed", "4 answer ok", "2 resumed",
                                    "2 answer ok"));
}

TEST(Scheduler, ResumedCallersMayBeSuspendedAgain) {
  Busy w;
  for (CallerId caller : {2, 3, 4}) w.send(caller, 10);
  w.take();
  w.kernel_takes(15);  // q 5, so caller 3 crosses again
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok", "3 resumed", "4 resumed", "4 suspended", "4 busy_port", "2 resumed",
                                    "2 suspended", "2 busy_port"));
  EXPECT_EQ(w.port.state().suspended, 2u);
  EXPECT_EQ(w.q(), 15u);
}

TEST(Scheduler, OneCallAtATime) {
  Busy w;
  EXPECT_EQ(w.send(1, 1), "badarg");
  w.send(2, 1);
  EXPECT_EQ(w.send(2, 1), "badarg");
  EXPECT_EQ(w.port.close(2), Outcome::badarg);
  EXPECT_EQ(w.port.shutdown(1, SHUT_WR), Outcome::badarg);
  w.port.receive(3, 0, std::nullopt);
  EXPECT_EQ(w.send(3, 1), "badarg");
  EXPECT_EQ(w.port.close(4), Outcome::pending);
  EXPECT_EQ(w.port.close(4), Outcome::badarg);
  w.advance(6'000);
}

TEST(Scheduler, MessageQueueIsBusyAboveHigh) {
  struct {
    int mq_high;
    int accepted;
  } cases[] = {{99, 10}, {100, 11}, {101, 11}, {109, 11}, {110, 12}, {1, 1}, {5, 1}};
  for (const auto& c : cases) {
    World w({100'000, 1}, {{"mq_high", std::to_string(c.mq_high)}});
    w.port.hold();
    int accepted = 0;
    while (w.send(1, 10, nosuspend(kBang)) == "ok") ++accepted;
    EXPECT_EQ(accepted, c.accepted) << c.mq_high;
    EXPECT_TRUE(w.port.state().message_busy);
    EXPECT_FALSE(w.busy());
    EXPECT_EQ(w.send(1, 0, nosuspend(kBang)), "nosuspend");
    w.port.release();
    w.time.settle();
    EXPECT_EQ(w.wire.in_kernel(), static_cast<std::uint64_t>(accepted) * 10);
    EXPECT_FALSE(w.port.state().message_busy);
  }
}

/// Both flags on: 27 commands of 10 bytes parked behind a busy port, and two callers suspended.
struct BothBusy : World {
  explicit BothBusy(const std::string& mq_low = "200")
      : World(kStuck, {{"high", "20"}, {"low", "5"}, {"mq_high", "279"}, {"mq_low", mq_low}}) {
    send(98, 10);
    port.hold();
    for (int i = 0; i < 28; ++i) EXPECT_EQ(send(97, 10, how(kBang)), "ok");
    port.release();
    time.settle();
    EXPECT_EQ(port.state().message_queue, 270u);
    EXPECT_TRUE(busy());
    send(1, 1);
    send(2, 1);
    take();
  }
};

TEST(Scheduler, MessageQueueIsIdleBelowLow) {
  EXPECT_TRUE(BothBusy("270").port.state().message_busy);  // after the one command that was executed
  EXPECT_FALSE(BothBusy("271").port.state().message_busy);
  BothBusy w;
  for (auto [low, still_busy] : {std::pair("270", true), std::pair("271", false)}) {
    w.set({{"mq_low", low}});
    w.time.settle();
    EXPECT_EQ(w.port.state().message_busy, still_busy) << low;
  }
  w.set({{"mq_high", "269"}});  // and a lower high is looked at, too
  EXPECT_TRUE(w.port.state().message_busy);
}

TEST(Scheduler, ResumesOnlyWhenBothFlagsAreOff) {
  {
    BothBusy w;
    w.set({{"mq_low", "271"}});
    w.time.settle();
    EXPECT_FALSE(w.port.state().message_busy);
    EXPECT_THAT(w.take(), IsEmpty());
    w.kernel_takes(1'000);
    auto heard = w.take();
    std::erase_if(heard, [](const std::string& line) { return line.starts_with("97"); });
    EXPECT_THAT(heard, ElementsAre("2 resumed", "1 resumed", "2 answer ok", "1 answer ok"));
  }
  {
    BothBusy w;
    w.port.hold();
    w.kernel_takes(1'000);
    EXPECT_FALSE(w.busy());
    EXPECT_TRUE(w.port.state().message_busy);
    EXPECT_THAT(w.take(), ElementsAre("97 inet_reply ok"));
    w.port.release();
    w.time.settle();
    auto heard = w.take();
    std::erase_if(heard, [](const std::string& line) { return line.starts_with("97"); });
    EXPECT_THAT(heard, ElementsAre("2 resumed", "1 resumed", "2 answer ok", "1 answer ok"));
    EXPECT_EQ(w.wire.in_kernel(), 10u + 280u + 2u);
  }
}

TEST(Scheduler, ParallelismIsForCallsWithoutAReference) {
  World w({100, 1}, {{"parallelism", "true"}, {"mq_high", "1"}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(w.send(1, 10, nosuspend(kCommand)), "true");
  EXPECT_EQ(w.send(1, 10, nosuspend(kBang)), "ok");
  EXPECT_EQ(w.send(1, 10, nosuspend(kBang)), "nosuspend");
  EXPECT_EQ(w.send(1, 10, how(SendKind::send_nosuspend)), "false");
  w.time.settle();
  EXPECT_EQ(w.wire.in_kernel(), 40u);
}

TEST(Scheduler, TwelveTasksATurn) {
  World w({1'000, 1}, {{"mq_high", "100000"}});
  w.port.hold();
  for (int i = 0; i < 30; ++i) w.send(1, 10, how(kBang));
  w.port.release();
  for (std::uint64_t left : {180u, 60u, 0u}) {
    w.time.settle(1);
    EXPECT_EQ(w.port.state().message_queue, left);
  }
}

TEST(Scheduler, ScheduledCallsAreAnsweredByTheirOwnTask) {
  World w({1'000, 1}, {{"high", "5"}});
  w.port.hold();
  EXPECT_EQ(w.send(1, 1, how(kBang)), "ok");
  EXPECT_EQ(w.send(1, 1, how(kBang)), "ok");
  EXPECT_EQ(w.send(1, 1), "pending");
  EXPECT_EQ(w.send(2, 1, nosuspend(kCommand)), "pending");
  EXPECT_EQ(w.port.call_state(1), Call::State::scheduled);
  w.port.release();
  w.time.settle();
  EXPECT_THAT(w.take(),
              ElementsAre("1 inet_reply ok", "1 inet_reply ok", "1 answer ok", "2 inet_reply ok", "2 answer true"));
}

TEST(Scheduler, ABusyPortParksWhoMayWaitAndKeepsEachCallersOrder) {
  World w(kStuck, {{"high", "11"}, {"low", "5"}});
  w.send(98, 10);
  w.port.hold();
  auto command = [&](CallerId caller, std::string_view data, const SendOptions& options) {
    w.port.send(caller, options, data);
  };
  command(1, "a", how(kBang));        // crosses
  command(2, "b", how(kBang));        // parked
  command(3, "c", forced());          // runs
  command(2, "d", nosuspend(kBang));  // would run, but is behind b
  command(4, "e", nosuspend(kBang));  // runs
  command(5, "f", how(kCommand));     // parked
  w.port.release();
  w.time.settle();
  EXPECT_THAT(w.take(), ElementsAre("3 answer true"));
  EXPECT_EQ(w.q(), 13u);
  EXPECT_EQ(w.port.state().message_queue, 3u);
  EXPECT_EQ(w.send(6, 1), "pending");
  EXPECT_EQ(w.port.call_state(6), Call::State::suspended);
  w.kernel_takes(100);
  EXPECT_EQ(w.wire.peer_read(100), "xxxxxxxxxxacebdfx");
  EXPECT_THAT(w.take(), ElementsAre("6 suspended", "6 busy_port", "4 inet_reply ok", "2 inet_reply ok",
                                    "2 inet_reply ok", "5 inet_reply ok", "5 answer true", "6 resumed", "6 answer ok"));
}

TEST(Scheduler, ABusyPortTakesBackCommandsThatMustNotWait) {
  World w(kStuck, {{"high", "11"}, {"low", "5"}});
  w.send(98, 10);
  w.port.hold();
  w.send(1, 1, how(kBang));
  EXPECT_EQ(w.send(2, 2, nosuspend(kCommand)), "pending");
  EXPECT_EQ(w.send(3, 3, {.kind = kCommand, .nosuspend = true, .force = true}), "pending");
  EXPECT_EQ(w.send(4, 4, nosuspend(SendKind::send)), "pending");
  EXPECT_EQ(w.send(5, 5, nosuspend(kBang)), "ok");
  w.port.release();
  w.time.settle();
  EXPECT_THAT(w.take(), ElementsAre("2 answer false", "4 answer {error,busy}", "3 answer true"));
  EXPECT_EQ(w.q(), 10u + 1u + 3u + 5u);
  EXPECT_EQ(w.port.state().message_queue, 0u);
  EXPECT_EQ(w.port.state().refused, 2u);
}

TEST(Scheduler, ControlCallsKeepTheirPlaceBehindCommands) {
  World w({100'000, 1}, {{"parallelism", "true"}});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(w.send(1, 10, how(kBang)), "ok");
  EXPECT_EQ(w.wire.in_kernel(), 0u);
  EXPECT_EQ(w.port.close(1), Outcome::ok);
  EXPECT_EQ(w.wire.in_kernel(), 1'000u);
}

// ---- delay_send: the flush is a task of the port, too. All numbers are those of OTP 25.2.3 with one scheduler
// (strace) ----

/// The kernel takes everything.
struct Delayed : World {
  explicit Delayed(std::vector<OptionSetting> more = {}) : World({1'000'000, 1}, with(std::move(more))) {}
  static std::vector<OptionSetting> with(std::vector<OptionSetting> more) {
    more.insert(more.end(), {{"delay_send", "true"}, {"high", "100"}, {"low", "50"}});
    return more;
  }
  std::vector<std::size_t> settled() {
    time.settle();
    return wire.write_sizes();
  }
};

TEST(Scheduler, DelayedSendsOfOneCallerAreNotGathered) {
  Delayed w;
  for (int i = 0; i < 200; ++i) EXPECT_EQ(w.send(1, 40), "ok");
  EXPECT_EQ(w.settled(), std::vector<std::size_t>(200, 40));
  EXPECT_THAT(w.take(), IsEmpty());
}

TEST(Scheduler, DelayedSendsOfCallersThatWaitAreNotGathered) {
  Delayed w;
  for (CallerId caller : {1, 2, 3}) EXPECT_EQ(w.send(caller, 40), "ok") << caller;
  EXPECT_THAT(w.settled(), ElementsAre(40, 40, 40));
  EXPECT_THAT(w.take(), IsEmpty());
}

TEST(Scheduler, DelayedPortCommandsAreNotGathered) {
  Delayed w;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(w.send(1, 40, how(kCommand)), "true");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(w.send(1, 40, nosuspend(kCommand)), "true");
  EXPECT_EQ(w.settled(), std::vector<std::size_t>(6, 40));
}

TEST(Scheduler, DelayedMessagesOfOneCallerAreGathered) {
  Delayed w;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(w.send(1, 40, how(kBang)), "ok");
  EXPECT_THAT(w.settled(), ElementsAre(40, 120, 80));  // the fourth crosses `high`, so the last two wait for the flush
  Delayed more;
  for (int i = 0; i < 30; ++i) more.send(1, 40, how(kBang));
  EXPECT_THAT(more.settled(), ElementsAre(40, 120, 120, 120, 120, 120, 120, 120, 120, 120, 80));
}

TEST(Scheduler, DelayedMessagesThatMustNotWaitAreGatheredAboveHigh) {
  Delayed w;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(w.send(1, 40, nosuspend(kBang)), "ok");
  EXPECT_THAT(w.settled(), ElementsAre(40, 200));
}

TEST(Scheduler, DelayedMessagesOfManyCallersAreNotGathered) {
  Delayed w;
  for (CallerId caller : {1, 2, 3, 4, 5, 6}) EXPECT_EQ(w.send(caller, 40, how(kBang)), "ok");
  EXPECT_EQ(w.settled(), std::vector<std::size_t>(6, 40));  // each is a process, and the port has a turn between two
}

TEST(Scheduler, OtherCallsComeBehindTheFlushThatWasThereBeforeThem) {
  Delayed one;
  EXPECT_EQ(one.send(1, 40), "ok");
  EXPECT_EQ(one.port.subscribe(1), 0u);
  Delayed two;
  two.send(1, 40, how(kBang));
  two.send(1, 40, how(kBang));
  EXPECT_EQ(two.port.subscribe(1), 40u);  // the first is written; the flush of the second comes behind this call
  EXPECT_THAT(two.settled(), ElementsAre(40, 40));
  EXPECT_THAT(two.take(), ElementsAre("1 inet_reply ok", "1 inet_reply ok", "1 empty_out_q"));
}

TEST(Scheduler, ClosingComesBehindTheFlush) {
  Delayed w;
  w.wire.set_kernel({10, 1});
  w.send(1, 40);
  w.port.port_close();  // the kernel is asked first and takes 10; so the rest is flushed and not dropped
  EXPECT_TRUE(w.port.state().limbo);
  w.wire.set_kernel({1'000, 1});
  EXPECT_THAT(w.settled(), ElementsAre(10, 30));
}

TEST(Scheduler, ABusyPortLetsGoOnWhatOnlyKeptItsOrder) {
  World w(kStuck, {{"high", "11"}, {"low", "5"}});
  w.send(98, 10);
  w.port.hold();
  w.send(1, 1, how(kBang));        // crosses
  w.send(2, 6, how(kBang));        // parked
  w.send(2, 4, nosuspend(kBang));  // behind it
  w.send(3, 8, how(kBang));        // parked
  w.port.release();
  w.time.settle();
  EXPECT_EQ(w.q(), 11u);
  EXPECT_EQ(w.port.state().message_queue, 18u);
  w.kernel_takes(6);
  EXPECT_EQ(w.q(), 5u + 6u + 4u);  // 6 cross again; 4 need not wait for that
  EXPECT_EQ(w.port.state().message_queue, 8u);
  w.kernel_takes(100);
  EXPECT_EQ(w.wire.in_kernel(), 29u);
}

TEST(Scheduler, TheDeadAreForgotten) {
  Busy w;
  w.send(2, 1);
  w.send(3, 1);
  w.take();
  w.port.caller_dies(2);
  EXPECT_EQ(w.port.state().suspended, 1u);
  w.port.hold();
  w.kernel_takes(100);
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok", "3 resumed"));
  EXPECT_EQ(w.port.call_state(3), Call::State::scheduled);
  w.port.caller_dies(3);  // but what it sent stays sent
  w.port.release();
  w.time.settle();
  EXPECT_EQ(w.wire.in_kernel(), 21u);
  EXPECT_THAT(w.take(), IsEmpty());
  EXPECT_EQ(w.port.state().waiting, 0u);
}

TEST(Scheduler, TenThousandSuspendedCallers) {
  Busy w;
  constexpr CallerId kCallers = 10'000;
  for (CallerId caller = 100; caller < 100 + kCallers; ++caller) w.send(caller, 1);
  EXPECT_EQ(w.port.state().suspended, kCallers);
  w.set({{"high", "100000"}});
  w.kernel_takes(1'000'000);
  EXPECT_EQ(w.port.state().suspended, 0u);
  EXPECT_EQ(w.wire.in_kernel(), 20u + kCallers);
}

}  // namespace
}  // namespace tcpadvisor::port::scheduler_test
