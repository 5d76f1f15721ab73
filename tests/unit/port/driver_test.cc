// SPDX-License-Identifier: Apache-2.0
// The driver's rules as they were measured on real Erlang; through a Port, because callers are its callers.
#include "agent/port/driver.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include "tests/unit/port/world.h"

namespace tcpadvisor::port::driver_test {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Settings = std::vector<OptionSetting>;

constexpr FakeKernel kStuck{.capacity = 0, .writable_at = 1};
constexpr FakeKernel kHungry{.capacity = 1 << 30, .writable_at = 1};

// ---- the send path ----

TEST(Driver, StoryOfTheSeventhByte) {
  World w({5, 3}, {{"high", "2"}, {"low", "1"}});
  for (CallerId caller = 1; caller <= 6; ++caller) EXPECT_EQ(w.send(caller, 1), "ok");
  EXPECT_EQ(w.q(), 1u);
  EXPECT_EQ(w.send(7, 1), "pending");
  EXPECT_EQ(w.q(), 2u);
  w.read(1);
  w.read(1);
  EXPECT_THAT(w.take(), IsEmpty());
  w.read(1);
  EXPECT_EQ(w.q(), 0u);
  EXPECT_THAT(w.take(), ElementsAre("7 answer ok"));
}

TEST(Driver, HowManySendsReturnBeforeOneWaits) {
  struct {
    int high, size, ok;
  } cases[] = {{0, 1, 7},   {1, 1, 7},     {2, 1, 7},  {3, 1, 8},  {5, 1, 10},
               {10, 1, 15}, {100, 1, 105}, {10, 4, 8}, {12, 4, 8}, {13, 4, 9}};
  for (const auto& c : cases) {
    auto size = static_cast<std::size_t>(c.size);
    World w({6 * size, 1}, {{"high", std::to_string(c.high)}, {"low", "0"}});
    int ok = 0;
    while (w.send(static_cast<CallerId>(ok + 1), size) == "ok") ++ok;
    EXPECT_EQ(ok, c.ok) << c.high << "/" << c.size;
    EXPECT_EQ(w.q(), size * static_cast<std::size_t>(c.ok - 6 + 1));
  }
}

TEST(Driver, BusyOnAppendAtHighOrMore) {
  struct {
    Settings options;
    std::size_t first, second;
    std::string expected;
    std::uint64_t q;
  } cases[] = {
      {{{"high", "109"}}, 100, 10, "pending", 110},
      {{{"high", "110"}}, 100, 10, "pending", 110},
      {{{"high", "111"}}, 100, 10, "ok", 110},
      {{{"high", "115"}, {"packet", "4"}}, 96, 10, "ok", 114},  // headers count
      {{{"high", "114"}, {"packet", "4"}}, 96, 10, "pending", 114},
      {{{"high", "100"}}, 100, 0, "pending", 100},
      {{{"high", "101"}}, 100, 0, "ok", 100},
      {{}, 20'000'000, 1, "pending", 20'000'001},  // the first enqueue is never checked
  };
  for (const auto& c : cases) {
    World w(kStuck, c.options);
    EXPECT_EQ(w.send(1, c.first), "ok");
    EXPECT_FALSE(w.busy());
    EXPECT_EQ(w.send(2, c.second), c.expected) << c.q;
    EXPECT_EQ(w.q(), c.q);
    EXPECT_EQ(w.busy(), c.expected == "pending");
  }
}

TEST(Driver, IdleAtLowOrLess) {
  struct {
    int low, high;
    std::uint64_t not_yet, more;
  } cases[] = {{50, 110, 59, 1}, {0, 3, 109, 1}, {109, 110, 0, 1}};
  for (const auto& c : cases) {
    World w(kStuck, {{"high", std::to_string(c.high)}, {"low", std::to_string(c.low)}});
    w.send(1, 100);
    EXPECT_EQ(w.send(2, 10), "pending");
    w.kernel_takes(c.not_yet);
    EXPECT_THAT(w.take(), IsEmpty()) << c.low;
    EXPECT_TRUE(w.busy());
    w.kernel_takes(c.more);
    EXPECT_THAT(w.take(), ElementsAre("2 answer ok")) << c.low;
    EXPECT_EQ(w.q(), static_cast<std::uint64_t>(c.low));
  }
}

TEST(Driver, ChangedMarksDoNotEndBusyByThemselves) {
  World w(kStuck, {{"high", "10"}, {"low", "5"}});
  w.send(1, 100);
  EXPECT_EQ(w.send(2, 1), "pending");
  EXPECT_EQ(w.set({{"low", "1000"}, {"high", "100000"}}), "ok");
  EXPECT_TRUE(w.busy());
  EXPECT_THAT(w.take(), IsEmpty());
  w.kernel_takes(1);  // the next write finds q below the new low
  EXPECT_THAT(w.take(), ElementsAre("2 answer ok"));
}

TEST(Driver, EmptySends) {
  World w(kStuck, {{"high", "10"}});
  EXPECT_EQ(w.send(1, 0), "ok");
  EXPECT_EQ(w.statistic("send_cnt"), 1u);
  EXPECT_EQ(w.port.write_calls(), 0u);

  World classic(kStuck, {{"high", "10"}}, Profile::classic);
  classic.send(1, 10);
  EXPECT_EQ(classic.send(2, 0), "ok");
  EXPECT_EQ(classic.statistic("send_cnt"), 1u);
  EXPECT_EQ(classic.send(2, 1), "pending");
}

TEST(Driver, AForcedCrossingTakesTheReplyOfTheOneBefore) {
  World w(kStuck, {{"high", "10"}, {"low", "2"}});
  w.send(1, 20);
  EXPECT_EQ(w.send(2, 1), "pending");
  EXPECT_EQ(w.send(3, 2, forced()), "true");
  EXPECT_EQ(w.send(4, 3, forced()), "true");
  EXPECT_EQ(w.q(), 26u);
  EXPECT_EQ(w.port.state().bypassed, 5u);
  w.kernel_takes(100);
  EXPECT_THAT(w.take(), ElementsAre("4 inet_reply ok"));
  EXPECT_EQ(w.port.call_state(2), Call::State::waiting);
  w.advance(600'000);
  w.port.port_close();  // its reply wait has long been over
  w.advance(0);
  EXPECT_THAT(w.take(), ElementsAre("99 port_gone", "2 answer {error,closed}"));
}

TEST(Driver, BytesArriveInOrderWithHeaders) {
  World w({7, 2}, {{"packet", "2"}, {"high", "1000000"}});
  std::string sent, got;
  for (std::size_t i = 0; i < 60; ++i) {
    std::string data(i, static_cast<char>('a' + i % 26));
    EXPECT_EQ(w.port.send(1, {}, data), Outcome::ok);
    sent += packet_header(2, i) + data;
    got += w.wire.peer_read(5);
    w.time.settle();
  }
  while (w.wire.in_kernel() > 0) {
    got += w.wire.peer_read(3);
    w.time.settle();
  }
  EXPECT_EQ(got, sent);
}

// ---- delay_send ----

TEST(Driver, DelaySendOfOldQueuesFirstAndWritesInTheNextTurn) {
  World w(kHungry, {{"delay_send", "true"}, {"high", "100"}, {"low", "50"}}, Profile::classic);
  EXPECT_EQ(w.send(1, 40), "ok");
  EXPECT_EQ(w.send(2, 40), "ok");
  EXPECT_EQ(w.send(3, 40), "pending");
  EXPECT_EQ(w.q(), 120u);
  w.time.settle();
  EXPECT_THAT(w.wire.write_sizes(), ElementsAre(120));
  EXPECT_THAT(w.take(), ElementsAre("3 answer ok"));
}

TEST(Driver, DelaySendOfOldBatches) {
  World w(kHungry, {{"delay_send", "true"}, {"high", "1000000"}}, Profile::classic);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(w.send(1, 100), "ok");
  w.time.settle();
  EXPECT_EQ(w.wire.write_sizes().size(), 13u);  // 16 entries a writev in the old days
  EXPECT_EQ(w.wire.in_kernel(), 20'000u);
}

TEST(Driver, DelaySendTimersDoNotOutliveThePort) {
  VirtualTime time;
  struct Deaf final : EventSink {
    void on_event(const Event&) override {}
  } deaf;
  {
    FakeWire wire(time, {0, 1});
    PortSetup setup;
    port::apply(setup.options, Settings{{"delay_send", "true"}, {"high", "1"}, {"exit_on_close", "false"}});
    Port port(setup, wire.take_near(), time, deaf);
    port.send(1, {}, "a");
    port.send(2, {}, "b");  // busy, with the flush still to come
    wire.peer_shutdown();
    port.receive(3, 0, std::nullopt);  // the FIN empties the queue
    EXPECT_EQ(port.state().dropped, 2u);
    port.send(4, {}, "c");  // a second flush
  }
  EXPECT_TRUE(time.advance(milliseconds(1)));
}

// ---- empty_out_q ----

TEST(Driver, SubscribersAreToldOnceTheFirstFirstAndTheRestBackwards) {
  World w(kStuck);
  EXPECT_EQ(w.port.subscribe(1), 0u);
  w.send(9, 10);
  for (CallerId caller : {1, 2, 3, 4, 4}) EXPECT_EQ(w.port.subscribe(caller), 10u);
  w.kernel_takes(9);
  EXPECT_THAT(w.take(), IsEmpty());
  w.kernel_takes(1);
  EXPECT_THAT(w.take(),
              ElementsAre("1 empty_out_q", "4 empty_out_q", "4 empty_out_q", "3 empty_out_q", "2 empty_out_q"));
  w.send(9, 10);
  w.kernel_takes(10);
  EXPECT_THAT(w.take(), IsEmpty());
}

TEST(Driver, SubscribersHearAfterTheResumedCaller) {
  World w(kStuck, {{"high", "10"}});
  w.send(1, 10);
  w.send(2, 10);
  w.port.subscribe(3);
  w.kernel_takes(20);
  EXPECT_THAT(w.take(), ElementsAre("2 answer ok", "3 empty_out_q"));
}

// ---- send_timeout ----

TEST(Driver, SendTimeoutKeepsTheData) {
  World w(kStuck, {{"high", "110"}, {"low", "50"}, {"send_timeout", "300"}});
  w.send(1, 100);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(w.send(2, 10), "pending");
    w.advance(299);
    EXPECT_THAT(w.take(), IsEmpty());
    w.advance(1);
    EXPECT_THAT(w.take(), ElementsAre("2 answer {error,timeout}"));
    EXPECT_FALSE(w.busy());
    EXPECT_EQ(w.q(), 100u + static_cast<std::uint64_t>(i) * 10);
  }
  EXPECT_EQ(w.port.state().bypassed, 30u);
  w.kernel_takes(1'000);
  EXPECT_EQ(w.wire.in_kernel(), 130u);
  EXPECT_EQ(w.send(2, 10), "ok");
}

TEST(Driver, SendTimeoutRunsFromTheCrossingNotFromTheCall) {
  World w(kStuck, {{"high", "1"}, {"send_timeout", "1000"}});
  w.send(9, 10);
  for (CallerId caller : {1, 2, 3}) {
    w.send(caller, 10);
    w.advance(caller == 3 ? 0 : 100);
  }
  w.take_timed();
  w.advance(4'000);
  std::vector<std::string> answers;
  for (const std::string& line : w.take_timed()) {
    if (line.find("answer") != std::string::npos) answers.push_back(line);
  }
  EXPECT_THAT(answers, ElementsAre("1000 1 answer {error,timeout}", "2000 3 answer {error,timeout}",
                                   "3000 2 answer {error,timeout}"));
}

TEST(Driver, SendTimeoutZero) {
  World w(kStuck, {{"high", "110"}, {"send_timeout", "0"}, {"send_timeout_close", "true"}});
  w.send(1, 100);
  EXPECT_EQ(w.send(2, 3), "ok");
  EXPECT_EQ(w.send(2, 10), "{error,timeout}");
  EXPECT_EQ(w.send(2, 0), "{error,timeout}");
  EXPECT_FALSE(w.busy());
  EXPECT_TRUE(w.port.state().open);
  EXPECT_EQ(w.q(), 113u);
  EXPECT_EQ(w.port.state().bypassed, 10u);

  World classic(kStuck, {{"high", "110"}, {"send_timeout", "0"}, {"send_timeout_close", "true"}}, Profile::classic);
  classic.send(1, 100);
  EXPECT_EQ(classic.send(2, 10), "pending");
  classic.advance(0);
  EXPECT_THAT(classic.take_timed(), ElementsAre("0 2 answer {error,timeout}"));
  EXPECT_FALSE(classic.port.state().open);
}

TEST(Driver, SendTimeoutClose) {
  for (Profile profile : {Profile::otp25, Profile::classic}) {
    World w({7, 1}, {{"high", "1"}, {"send_timeout", "300"}, {"send_timeout_close", "true"}}, profile);
    w.send(1, 10);
    w.port.subscribe(5);
    EXPECT_EQ(w.send(2, 10), "pending");
    w.advance(300);
    if (profile == Profile::otp25) {
      EXPECT_THAT(w.take(), ElementsAre("2 answer {error,timeout}", "5 empty_out_q"));
    } else {
      EXPECT_THAT(w.take(), ElementsAre("2 answer {error,timeout}"));
    }
    EXPECT_EQ(w.q(), 0u);
    EXPECT_EQ(w.port.state().dropped, 13u);
    EXPECT_TRUE(w.wire.fin_sent());  // what the kernel had is delivered
    EXPECT_EQ(w.wire.peer_read(100).size(), 7u);
    EXPECT_EQ(w.send(2, 1), "{error,enotconn}");
    EXPECT_EQ(w.port.shutdown(2, SHUT_WR), Outcome::enotconn);
    w.port.receive(2, 0, std::nullopt);
    EXPECT_THAT(w.take(),
                ElementsAre(profile == Profile::otp25 ? "2 answer {error,enotconn}" : "2 answer {error,closed}"));
  }
}

// ---- the ends of the connection ----

TEST(Driver, AFinIsOnlySeenByReading) {
  World w(kStuck, {{"high", "1"}});
  w.send(1, 10);
  EXPECT_EQ(w.send(2, 10), "pending");
  w.port.subscribe(3);
  w.wire.peer_shutdown();
  w.advance(60'000);
  EXPECT_THAT(w.take(), IsEmpty());
  w.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("3 empty_out_q", "2 answer {error,closed}", "4 answer {error,closed}"));
  EXPECT_EQ(w.q(), 0u);
  EXPECT_FALSE(w.port.state().open);
  w.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("4 answer {error,enotconn}"));
  EXPECT_EQ(w.send(2, 1), "{error,enotconn}");
}

TEST(Driver, AFinWithNobodyBlockedIsToldToTheNextSendOnce) {
  World w(kStuck);
  w.send(1, 10);
  w.wire.peer_shutdown();
  w.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("4 answer {error,closed}"));
  EXPECT_EQ(w.send(2, 1), "{error,closed}");
  EXPECT_EQ(w.send(2, 1), "{error,enotconn}");
}

TEST(Driver, HalfOpen) {
  World w({5, 1}, {{"exit_on_close", "false"}, {"high", "1"}, {"low", "0"}});
  w.send(1, 20);
  w.wire.peer_shutdown();
  w.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("4 answer {error,closed}"));
  EXPECT_EQ(w.q(), 15u);
  w.read(5);
  w.wire.set_kernel({100, 1});
  w.time.settle();
  EXPECT_EQ(w.wire.in_kernel(), 15u);
  EXPECT_EQ(w.send(1, 5), "ok");

  // Every later read sees the FIN again, with all that follows from it.
  w.wire.set_kernel({0, 1});
  w.send(1, 7);
  EXPECT_EQ(w.send(2, 1), "pending");
  w.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("2 answer {error,closed}", "4 answer {error,closed}"));
  EXPECT_EQ(w.q(), 0u);
  EXPECT_TRUE(w.port.state().open);
  w.set({{"active", "true"}});
  EXPECT_THAT(w.take(), ElementsAre("99 tcp_closed"));
}

TEST(Driver, FinInActiveMode) {
  for (bool exit : {true, false}) {
    World w({5, 1}, {{"active", "true"}, {"exit_on_close", exit ? "true" : "false"}});
    w.send(1, 20);
    w.wire.peer_shutdown();
    w.time.settle();
    EXPECT_THAT(w.take(), ElementsAre("99 tcp_closed"));
    EXPECT_EQ(w.port.state().gone, exit);
    EXPECT_EQ(w.q(), 15u);  // an exit flushes
    w.kernel_takes(100);
    EXPECT_EQ(w.wire.in_kernel(), 20u);
    EXPECT_EQ(w.take(), exit ? std::vector<std::string>{"99 port_gone"} : std::vector<std::string>{});
  }
}

TEST(Driver, AResetIsSeenByWriting) {
  struct {
    bool blocked, show;
    std::vector<std::string> at_once, receives;
    std::string send;
  } cases[] = {
      {true, false, {"2 answer {error,closed}"}, {"4 answer {error,closed}", "4 answer {error,enotconn}"}, "enotconn"},
      {true,
       true,
       {"2 answer {error,econnreset}"},
       {"4 answer {error,econnreset}", "4 answer {error,enotconn}"},
       "enotconn"},
      {false, false, {}, {"4 answer {error,closed}", "4 answer {error,enotconn}"}, "enotconn"},
      {false, true, {}, {"4 answer {error,econnreset}", "4 answer {error,enotconn}"}, "enotconn"},
  };
  for (const auto& c : cases) {
    World w(kStuck, {{"high", "1"}, {"show_econnreset", c.show ? "true" : "false"}});
    w.send(1, 10);
    if (c.blocked) w.send(2, 10);
    w.wire.peer_reset();
    w.time.settle();
    EXPECT_EQ(w.take(), c.at_once);
    EXPECT_EQ(w.q(), 0u);
    w.port.receive(4, 0, std::nullopt);
    w.port.receive(4, 0, std::nullopt);
    EXPECT_EQ(w.take(), c.receives);
    EXPECT_EQ(w.send(2, 1), "{error," + c.send + "}");
  }
  for (bool show : {false, true}) {
    World w(kStuck, {{"show_econnreset", show ? "true" : "false"}});
    w.send(1, 10);
    w.wire.peer_reset();
    w.time.settle();
    EXPECT_EQ(w.send(2, 1), show ? "{error,econnreset}" : "{error,closed}");  // nobody has heard of it yet
    EXPECT_EQ(w.send(2, 1), "{error,enotconn}");
  }
}

TEST(Driver, AResetIsSeenByReading) {
  World w(kStuck);
  w.port.receive(4, 0, std::nullopt);
  w.wire.peer_reset();
  w.time.settle();
  w.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("4 answer {error,closed}", "4 answer {error,enotconn}"));
  EXPECT_EQ(w.send(2, 1), "{error,closed}");
  EXPECT_EQ(w.send(2, 1), "{error,enotconn}");

  World shown(kStuck, {{"show_econnreset", "true"}});
  shown.port.receive(4, 0, std::nullopt);
  shown.wire.peer_reset();
  shown.time.settle();
  shown.port.receive(4, 0, std::nullopt);
  EXPECT_THAT(shown.take(), ElementsAre("4 answer {error,econnreset}", "4 answer {error,enotconn}"));
  EXPECT_EQ(shown.send(2, 1), "{error,enotconn}");
}

TEST(Driver, ResetInActiveModeIsToldBeforeTheReply) {
  for (bool show : {false, true}) {
    World w(kStuck, {{"high", "1"}, {"active", "true"}, {"show_econnreset", show ? "true" : "false"}});
    w.send(1, 10);
    w.send(2, 10);
    w.wire.peer_reset();
    w.time.settle();
    if (show) {
      EXPECT_THAT(w.take(),
                  ElementsAre("99 tcp_error", "99 tcp_closed", "2 answer {error,econnreset}", "99 port_gone"));
    } else {
      EXPECT_THAT(w.take(), ElementsAre("99 tcp_closed", "2 answer {error,closed}", "99 port_gone"));
    }
  }
}

TEST(Driver, AForcedSendIntoAPendingShutdownEndsTheBlockedOne) {
  World w(kStuck, {{"high", "1"}});
  w.send(1, 10);
  EXPECT_EQ(w.send(2, 10), "pending");
  EXPECT_EQ(w.port.shutdown(3, SHUT_WR), Outcome::ok);
  EXPECT_EQ(w.send(4, 1, forced()), "true");
  EXPECT_THAT(w.take(), ElementsAre("2 answer {error,closed}"));  // and caller 4 never hears
  EXPECT_EQ(w.statistic("send_cnt"), 2u);
  EXPECT_EQ(w.port.state().dropped, 20u);
}

// ---- receiving and statistics ----

TEST(Driver, Receive) {
  World w(kHungry);
  w.port.receive(1, 3, std::nullopt);
  w.port.receive(2, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("2 answer {error,ealready}"));
  w.wire.peer_write("ab");
  w.time.settle();
  EXPECT_THAT(w.take(), IsEmpty());
  w.wire.peer_write("cdef");
  w.time.settle();
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok abc"));
  w.port.receive(1, 0, milliseconds(0));  // takes at once what the kernel has
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok def"));
  w.port.receive(1, 0, milliseconds(0));
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,timeout}"));
  w.port.receive(1, 4, milliseconds(10));
  w.wire.peer_write("gh");
  w.advance(10);
  EXPECT_THAT(w.take_timed(), ElementsAre("10 1 answer {error,timeout}"));
  w.wire.peer_write("ij");
  w.port.receive(1, 4, std::nullopt);  // what came before the time-out is kept
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok ghij"));
  w.set({{"packet", "2"}});
  w.port.receive(1, 4, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,einval}"));
}

TEST(Driver, ReceiveOfMoreThanOneReadTakes) {
  World w(kHungry);
  w.wire.peer_write(std::string(300'000, 'x'));
  w.port.receive(1, 300'000, milliseconds(0));
  auto heard = w.take();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].size(), std::string("1 answer ok ").size() + 300'000);
}

TEST(Driver, WithoutReceiveNothingIsRead) {
  World w(kHungry);
  w.wire.peer_write("abc");
  w.advance(1'000);
  w.port.port_close();
  EXPECT_TRUE(w.wire.reset_sent());  // unread bytes
}

TEST(Driver, ActiveModes) {
  World w(kHungry, {{"active", "once"}, {"packet", "1"}});
  auto message = [&](std::string_view text) { w.wire.peer_write(packet_header(1, text.size()) + std::string(text)); };
  message("a");
  message("b");
  message("c");
  message("d");
  w.time.settle();
  EXPECT_THAT(w.take(), ElementsAre("99 tcp a"));
  w.set({{"active", "2"}});
  EXPECT_THAT(w.take(), ElementsAre("99 tcp b", "99 tcp c", "99 tcp_passive"));
  w.port.receive(1, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("1 answer ok d"));
  w.set({{"active", "true"}});
  w.port.receive(1, 0, std::nullopt);
  EXPECT_THAT(w.take(), ElementsAre("1 answer {error,einval}"));
  message("e");
  w.time.settle();
  EXPECT_THAT(w.take(), ElementsAre("99 tcp e"));
}

TEST(Driver, UsedUpBudgetsAreTold) {
  struct {
    Settings settings;
    std::string outcome, active;
    bool told;
  } cases[] = {
      {{{"active", "40000"}}, "{error,einval}", "false", false},
      {{{"active", "-5"}}, "ok", "false", true},
      {{{"active", "false"}, {"active", "-5"}}, "ok", "false", true},
      {{{"active", "3"}, {"active", "true"}}, "ok", "3", false},
      {{{"active", "false"}, {"active", "3"}}, "ok", "false", false},
      {{{"high", "x"}, {"active", "-5"}}, "{error,einval}", "false", false},
  };
  for (const auto& c : cases) {
    World w(kHungry);
    EXPECT_EQ(w.set(c.settings), c.outcome);
    EXPECT_EQ(option_text(w.port.options(), "active"), c.active);
    EXPECT_EQ(w.take().size(), c.told ? 1u : 0u) << c.settings[0].value;
  }
}

TEST(Driver, Statistics) {
  struct {
    Settings options;
    std::vector<std::size_t> sends;
    std::vector<std::uint64_t> expected;
  } cases[] = {{{}, {3, 7, 0}, {3, 10, 7, 3}}, {{{"packet", "4"}}, {3, 0}, {2, 11, 7, 5}}};
  for (const auto& c : cases) {
    World w(kHungry, c.options);
    for (std::size_t bytes : c.sends) w.send(1, bytes);
    EXPECT_EQ((std::vector{w.statistic("send_cnt"), w.statistic("send_oct"), w.statistic("send_max"),
                           w.statistic("send_avg")}),
              c.expected);
    std::uint64_t value = 0;
    EXPECT_EQ(w.port.statistic("recv_cnt", value), Outcome::einval);
  }
}

}  // namespace
}  // namespace tcpadvisor::port::driver_test
