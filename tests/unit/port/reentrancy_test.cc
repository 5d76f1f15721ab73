// SPDX-License-Identifier: Apache-2.0
// Whoever hears an event may call the port from there, or destroy it.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <functional>
#include <memory>

#include "agent/port/fake.h"
#include "agent/port/port.h"

namespace tcpadvisor::port::reentrancy_test {
namespace {

using std::chrono::milliseconds;

/// A port whose listener does something of its own in each event.
class Lively final : public EventSink {
 public:
  Lively(FakeKernel kernel, const std::vector<OptionSetting>& options) : wire(time, kernel) {
    PortSetup setup{.owner = 99};
    port::apply(setup.options, options);
    port = std::make_unique<Port>(setup, wire.take_near(), time, *this);
  }
  void on_event(const Event& event) override {
    EXPECT_FALSE(std::exchange(inside_, true)) << "events come one after the other";
    ++events;
    if (react) react(event);
    inside_ = false;
  }

  VirtualTime time;
  FakeWire wire;
  std::unique_ptr<Port> port;
  std::function<void(const Event&)> react;
  int events = 0;

 private:
  bool inside_ = false;
};

TEST(Reentrancy, ASubscriberSendsAndSubscribesAgain) {
  Lively w({10, 1}, {});
  int rounds = 0;
  std::string sent;
  auto send = [&] {
    std::string data(25, static_cast<char>('a' + rounds++));
    EXPECT_EQ(w.port->send(1, {}, data), Outcome::ok);
    sent += data;
    EXPECT_EQ(w.port->subscribe(1), 15u);
  };
  w.react = [&](const Event& event) {
    if (event.kind == EventKind::empty_out_q && rounds < 20) {
      w.wire.peer_read(0);
      w.wire.set_kernel({w.wire.in_kernel() + 10, 1});
      send();
    }
  };
  send();
  for (int i = 0; i < 20; ++i) {
    w.wire.set_kernel({w.wire.in_kernel() + 15, 1});
    w.time.settle();
  }
  EXPECT_EQ(rounds, 20);
  EXPECT_EQ(w.wire.peer_read(1'000), sent);
}

TEST(Reentrancy, AnAnsweredCallerSendsAtOnce) {
  Lively w({100, 1}, {{"high", "150"}, {"low", "50"}});
  std::string sent, got;
  int left = 500;
  auto send = [&](CallerId caller) {
    while (left > 0) {
      --left;
      std::string data(30, static_cast<char>('a' + left % 26));
      Outcome outcome = w.port->send(caller, {}, data);
      // One caller only, and whatever is pending went in or will go in before its next send.
      sent += data;
      if (outcome == Outcome::pending) return;
      ASSERT_EQ(outcome, Outcome::ok);
    }
  };
  w.react = [&](const Event& event) {
    if (event.kind == EventKind::answer) send(event.caller);
  };
  send(1);
  for (int i = 0; i < 1'000; ++i) {
    got += w.wire.peer_read(37);
    w.time.settle();
  }
  EXPECT_EQ(left, 0);
  EXPECT_EQ(got, sent);
}

TEST(Reentrancy, EveryCallFromEveryEvent) {
  const std::vector<std::function<void(Port&)>> calls{
      [](Port& port) { port.send(50, {}, "abc"); },
      [](Port& port) { port.send(51, {.kind = SendKind::command, .force = true}, "abc"); },
      [](Port& port) { port.send(52, {.kind = SendKind::bang}, "abc"); },
      [](Port& port) { port.close(53); },
      [](Port& port) { port.shutdown(54, SHUT_WR); },
      [](Port& port) { port.subscribe(55); },
      [](Port& port) { port.receive(56, 0, milliseconds(1)); },
      [](Port& port) { port.port_close(); },
      [](Port& port) { port.kill(); },
      [](Port& port) { port.caller_dies(2); },
      [](Port& port) { port.caller_dies(99); },
      [](Port& port) {
        port.set_options(std::vector<OptionSetting>{{"active", "once"}, {"low", "0"}, {"mq_low", "1"}});
      },
      [](Port& port) { port.hold(), port.send(57, {}, "abc"), port.release(); },
  };
  for (const auto& call : calls) {
    for (int at = 1; at <= 12; ++at) {
      Lively w({5, 1}, {{"high", "10"}, {"low", "5"}, {"send_timeout", "500"}, {"active", "true"}});
      w.react = [&](const Event&) {
        if (w.events == at) call(*w.port);
      };
      w.port->send(1, {}, "0123456789");
      w.port->subscribe(9);
      for (CallerId caller : {1, 2, 3, 4}) w.port->send(caller, {}, "0123456789");
      w.wire.peer_write("hello");
      w.time.advance(milliseconds(600));
      w.wire.peer_read(5);
      w.time.advance(milliseconds(1'000));
      w.wire.set_kernel({1'000, 1});
      w.wire.peer_shutdown();
      w.time.advance(milliseconds(200'000));
      PortState state = w.port->state();
      EXPECT_EQ(state.accepted, state.written + state.dropped + state.queued);
      EXPECT_EQ(state.suspended, 0u) << at;
      EXPECT_EQ(state.waiting, 0u) << at;
    }
  }
}

TEST(Reentrancy, ThePortIsDestroyedInAnyOfItsEvents) {
  int events = 0;
  for (int at = 0; at <= events; ++at) {
    Lively w({5, 1}, {{"high", "10"}, {"low", "5"}, {"delay_send", "true"}, {"active", "true"}});
    w.react = [&](const Event&) {
      if (w.events == at) w.port.reset();
    };
    auto step = [&](auto&& what) {
      if (w.port) what(*w.port);
    };
    step([](Port& port) { port.send(1, {}, "0123456789"); });
    step([](Port& port) { port.subscribe(9); });
    for (CallerId caller : {1, 2, 3}) step([&](Port& port) { port.send(caller, {}, "0123456789"); });
    w.wire.peer_write("hello");
    w.time.settle();
    w.wire.set_kernel({20, 1});
    w.time.settle();
    step([](Port& port) { port.close(4); });
    w.wire.peer_read(10);
    w.time.advance(milliseconds(5'000));
    w.wire.set_kernel({1'000, 1});
    w.time.advance(milliseconds(200'000));
    if (at == 0) events = w.events;  // the whole story, undisturbed
    w.port.reset();
    EXPECT_TRUE(w.time.idle()) << "a timer has outlived the port destroyed in event " << at;
  }
  EXPECT_GT(events, 12);
}

}  // namespace
}  // namespace tcpadvisor::port::reentrancy_test
