// SPDX-License-Identifier: Apache-2.0
// The channel against docs/distribution.md: each test names the row that it repeats.
#include "agent/port/channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "agent/port/fake.h"

namespace tcpadvisor::port::channel_test {
namespace {

using namespace std::chrono_literals;

struct Heard final : EventSink {
  std::vector<Event> events;
  void on_event(const Event& event) override { events.push_back(event); }
  std::vector<CallerId> callers(EventKind kind) const {
    std::vector<CallerId> found;
    for (const Event& event : events) {
      if (event.kind == kind) found.push_back(event.caller);
    }
    return found;
  }
};

/// A channel whose far node is stopped: the kernel takes 12 KiB and no more.
class ChannelTest : public testing::Test {
 protected:
  void connect(std::uint64_t capacity = 12'288) {
    wire_ = std::make_unique<FakeWire>(time_, FakeKernel{capacity, 1});
    channel_.up(wire_->take_near());
  }
  Outcome plain(CallerId caller, std::size_t bytes) {
    return channel_.send(caller, Signal::message, {}, std::string(bytes, 'm'));
  }
  Outcome nosuspend(std::size_t bytes) {
    SendOptions options;
    options.nosuspend = true;
    return channel_.send(1, Signal::message, options, std::string(bytes, 'n'));
  }
  /// Plain messages of `bytes` until one is suspended; the callers are 1, 2, …  Returns how many calls there were.
  CallerId fill(std::size_t bytes) {
    for (CallerId caller = 1; caller < 100'000; ++caller) {
      if (plain(caller, bytes) == Outcome::pending) return caller;
    }
    return 0;
  }
  void drain() {
    while (wire_->in_kernel() > 0) {
      read_ += wire_->peer_read(1 << 20).size();
      time_.settle();
    }
  }

  VirtualTime time_;
  Heard heard_;
  std::unique_ptr<FakeWire> wire_;
  Channel channel_{{}, time_, heard_};
  std::uint64_t read_ = 0;
};

TEST_F(ChannelTest, boundary_busy_when_the_queue_reaches_the_limit) {
  connect(0);
  // The driver's first append is not checked and its second one makes it busy: from then on the channel queues.
  ASSERT_EQ(nosuspend(8'192), Outcome::ok);
  ASSERT_EQ(nosuspend(1), Outcome::ok);
  ASSERT_TRUE(channel_.state().driver_busy);
  const std::uint64_t limit = 1 << 20;
  while (channel_.state().queued + 2 * (1'000 + Channel::overhead(1'000)) < limit) nosuspend(1'000);
  std::uint64_t room = limit - channel_.state().queued;
  ASSERT_EQ(nosuspend(room - 1 - Channel::overhead(room)), Outcome::ok);
  ASSERT_EQ(channel_.state().queued, limit - 1);
  EXPECT_FALSE(channel_.state().busy);
  EXPECT_EQ(nosuspend(1), Outcome::ok) << "limit-1: accepted";
  EXPECT_TRUE(channel_.state().busy);
  EXPECT_EQ(nosuspend(1), Outcome::nosuspend) << "at or above the limit: refused";
  EXPECT_EQ(channel_.state().refused, 1u);
}

TEST_F(ChannelTest, blocked_the_crossing_message_is_in_and_its_sender_held) {
  connect();
  CallerId crossing = fill(10'000);
  auto before = channel_.state();
  EXPECT_EQ(before.accepted, crossing * 10'000u);
  EXPECT_GE(before.queued, 1u << 20);
  EXPECT_EQ(plain(crossing + 1, 10'000), Outcome::pending);
  EXPECT_EQ(channel_.state().queued, before.queued) << "busy: the next one waits with its message in its own hands";
  EXPECT_EQ(heard_.callers(EventKind::busy_dist_port), (std::vector<CallerId>{crossing, crossing + 1}));
  EXPECT_EQ(nosuspend(5), Outcome::nosuspend);
  EXPECT_EQ(channel_.send(7, Signal::send_nosuspend, {}, "x"), Outcome::no);
  EXPECT_EQ(heard_.callers(EventKind::busy_dist_port).size(), 2u) << "none for a refused call";
}

TEST_F(ChannelTest, calls_control_signals_enter_while_busy) {
  connect();
  CallerId crossing = fill(10'000);
  std::uint64_t queued = channel_.state().queued;
  EXPECT_EQ(channel_.send(crossing + 1, Signal::control, {}, "link"), Outcome::pending);
  EXPECT_EQ(channel_.send(crossing + 2, Signal::death, {}, "exit"), Outcome::ok);
  EXPECT_EQ(channel_.state().queued, queued + 2 * (4 + Channel::overhead(4)));
  EXPECT_EQ(channel_.state().bypassed, 8u);
  EXPECT_EQ(channel_.state().suspended, 2u);
}

TEST_F(ChannelTest, large_plain_goes_in_by_fragments_nosuspend_whole) {
  connect();
  EXPECT_EQ(plain(1, 10'000'000), Outcome::pending);
  EXPECT_LT(channel_.state().queued, (1u << 20) + Channel::kFragment + Channel::overhead(1 << 16));

  Heard heard;
  Channel other({}, time_, heard);
  FakeWire wire(time_, {12'288, 1});
  other.up(wire.take_near());
  SendOptions options;
  options.nosuspend = true;
  EXPECT_EQ(other.send(1, Signal::message, options, std::string(10'000'000, 'x')), Outcome::ok);
  EXPECT_GT(other.state().queued, 9'000'000u);
}

TEST_F(ChannelTest, resume_only_when_empty_and_in_order) {
  connect();
  CallerId crossing = fill(10'000);
  for (CallerId caller = crossing + 1; caller < crossing + 5; ++caller) plain(caller, 10);
  ASSERT_EQ(channel_.state().suspended, 5u);
  while (channel_.state().queued > 0) {
    EXPECT_TRUE(heard_.callers(EventKind::answer).empty()) << "with " << channel_.state().queued << " bytes queued";
    EXPECT_EQ(nosuspend(1), Outcome::nosuspend);
    wire_->peer_read(2'000);
    time_.settle();
  }
  drain();
  std::vector<CallerId> expected;
  for (CallerId caller = crossing; caller < crossing + 5; ++caller) expected.push_back(caller);
  EXPECT_EQ(heard_.callers(EventKind::answer), expected);
  auto state = channel_.state();
  EXPECT_EQ(state.written, state.accepted + 4 * (crossing + 4)) << "each message once, with a packet header";
}

TEST_F(ChannelTest, order_of_many_holding_large_messages) {
  connect();
  CallerId crossing = fill(10'000);
  for (CallerId caller = crossing + 1; caller <= crossing + 300; ++caller) plain(caller, 10'000);
  drain();
  std::vector<CallerId> answers = heard_.callers(EventKind::answer);
  EXPECT_EQ(answers.size(), 301u);
  EXPECT_TRUE(std::ranges::is_sorted(answers));
  EXPECT_GT(heard_.callers(EventKind::busy_dist_port).size(), 400u) << "most are suspended once more";
}

TEST_F(ChannelTest, broken_connection_drops_the_queue_and_lets_everybody_go) {
  connect();
  CallerId crossing = fill(10'000);
  plain(crossing + 1, 10'000);
  wire_->peer_reset();
  time_.settle();
  EXPECT_EQ(heard_.callers(EventKind::answer), (std::vector<CallerId>{crossing, crossing + 1}));
  EXPECT_EQ(heard_.callers(EventKind::nodedown).size(), 1u);
  auto state = channel_.state();
  EXPECT_EQ(state.queued + state.driver_queued, 0u);
  EXPECT_FALSE(state.connected || state.busy);
  EXPECT_EQ(state.accepted, (crossing + 1) * 10'000u);
}

TEST_F(ChannelTest, killed_while_suspended_leaves_its_message) {
  connect();
  CallerId crossing = fill(10'000);
  std::uint64_t queued = channel_.state().queued;
  channel_.caller_dies(crossing);
  EXPECT_EQ(channel_.state().queued, queued);
  EXPECT_EQ(channel_.state().suspended, 0u);
  drain();
  EXPECT_TRUE(heard_.callers(EventKind::answer).empty());
}

TEST_F(ChannelTest, pending_connection_queues_and_gives_up_after_7_s) {
  int asked = 0;
  SendOptions noconnect;
  noconnect.noconnect = true;
  EXPECT_EQ(channel_.send(1, Signal::message, noconnect, "x"), Outcome::noconnect);
  channel_.on_connect([&] { ++asked; });
  EXPECT_EQ(channel_.send(1, Signal::message, noconnect, "x"), Outcome::noconnect) << "never begins a connection";
  EXPECT_EQ(nosuspend(100), Outcome::ok);
  EXPECT_EQ(asked, 1);
  CallerId crossing = fill(10'000);
  EXPECT_EQ(channel_.send(999, Signal::message, noconnect, "x"), Outcome::pending);
  time_.advance(6'999ms);
  EXPECT_TRUE(heard_.callers(EventKind::nodedown).empty());
  time_.advance(1ms);
  EXPECT_EQ(heard_.callers(EventKind::nodedown).size(), 1u);
  EXPECT_EQ(heard_.callers(EventKind::answer), (std::vector<CallerId>{crossing, 999}));
  EXPECT_EQ(channel_.state().queued, 0u);
}

}  // namespace
}  // namespace tcpadvisor::port::channel_test
