// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/senders.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "agent/port/fake.h"

namespace tcpadvisor::port::load::senders_test {
namespace {

using namespace std::chrono_literals;

constexpr Time kSlice = 20ms;

/// Senders with ports on fake wires; the test is the peer of all of them.
class SendersTest : public testing::Test {
 protected:
  Senders& make(const SenderOptions& options, std::size_t ports, FakeKernel kernel = {1 << 20, 1}) {
    senders_ = std::make_unique<Senders>(time_, options);
    for (std::size_t i = 0; i < ports; ++i) {
      wires_.push_back(std::make_unique<FakeWire>(time_, kernel));
      senders_->add(wires_.back()->take_near());
    }
    senders_->on_end([this](std::size_t number) { ends_.push_back(number); });
    return *senders_;
  }
  void turn() {
    senders_->send_freely(kSlice);
    time_.settle();
  }

  VirtualTime time_;
  std::vector<std::unique_ptr<FakeWire>> wires_;
  std::unique_ptr<Senders> senders_;
  std::vector<std::size_t> ends_;
};

TEST_F(SendersTest, a_rate_is_shared_out_one_call_each_in_turn) {
  Senders& senders = make({.producers = 2, .size = 10}, 3);
  senders.send_due(13, kSlice);
  EXPECT_EQ(senders.totals().sent, 13u);
  EXPECT_EQ(wires_[0]->in_kernel() / 10, 5u);
  EXPECT_EQ(wires_[1]->in_kernel() / 10, 4u);
  EXPECT_EQ(wires_[2]->in_kernel() / 10, 4u);
  senders.send_due(13, kSlice);
  EXPECT_EQ(senders.totals().sent, 13u) << "no more is due";
}

TEST_F(SendersTest, a_producer_that_waits_makes_no_call_until_its_own_has_returned) {
  SenderOptions options{.size = 100};
  options.port.high = 300;
  options.port.low = 100;
  Senders& senders = make(options, 1, {1'000, 1});
  for (int i = 0; i < 5; ++i) turn();
  std::uint64_t calls = senders.totals().calls;
  EXPECT_EQ(senders.totals().waits, 1u);
  EXPECT_EQ(senders.totals().sent + 1, calls);
  EXPECT_FALSE(senders.all_flushed());
  wires_[0]->peer_read(1'000);
  time_.settle();
  EXPECT_EQ(senders.totals().sent, calls) << "it has returned";
  EXPECT_TRUE(senders.all_flushed());
}

TEST_F(SendersTest, a_limited_rate_ends_its_turn_when_everybody_waits) {
  SenderOptions options{.producers = 3, .size = 100};
  options.port.high = 300;
  options.port.low = 100;
  Senders& senders = make(options, 2, {1'000, 1});
  senders.send_due(1'000'000, kSlice);
  EXPECT_EQ(senders.totals().waits, 6u);
}

// A dead peer: every producer is told once, then nobody calls any more.
TEST_F(SendersTest, a_peer_that_resets_ends_its_port_only) {
  Senders& senders = make({.producers = 3, .size = 10}, 2);
  turn();
  std::uint64_t sent = senders.totals().sent;
  time_.advance(700ms);
  wires_[1]->peer_reset();
  turn();
  for (int i = 0; i < 100; ++i) turn();
  ASSERT_TRUE(senders.ended(1));
  EXPECT_EQ(senders.ended(1)->at, 700ms);
  EXPECT_TRUE(senders.ended(1)->by_peer);
  EXPECT_EQ(senders.totals().errors, 1u);
  EXPECT_FALSE(senders.ended(0));
  EXPECT_GT(senders.totals().sent, sent) << "the other one goes on";
  EXPECT_FALSE(senders.all_ended());
  EXPECT_EQ(ends_, std::vector<std::size_t>{1});
}

TEST_F(SendersTest, those_who_wait_are_told_that_the_peer_is_gone) {
  SenderOptions options{.producers = 4, .size = 100};
  options.port.high = 200;
  options.port.low = 0;
  Senders& senders = make(options, 1, {1'000, 1});
  turn();
  EXPECT_EQ(senders.totals().waits, 4u);
  wires_[0]->peer_reset();
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_TRUE(senders.all_ended());
  EXPECT_EQ(senders.totals().errors, 4u);
  EXPECT_GT(senders.port(0).state().dropped, 0u);
}

TEST_F(SendersTest, messages_that_return_at_once_are_not_counted_for_ever) {
  for (SendKind kind : {SendKind::command, SendKind::bang}) {
    SCOPED_TRACE(to_text(kind));
    wires_.clear();
    Senders& senders = make({.size = 10, .kind = kind}, 1);
    turn();
    wires_[0]->peer_reset();
    for (int i = 0; i < 3; ++i) turn();
    EXPECT_TRUE(senders.all_ended());
    std::uint64_t calls = senders.totals().calls;
    for (int i = 0; i < 100; ++i) turn();
    EXPECT_EQ(senders.totals().calls, calls);
  }
}

TEST_F(SendersTest, an_end_that_was_seen_before_a_call_failed_counts_from_then) {
  Senders& senders = make({.size = 10}, 1);
  time_.advance(1s);
  senders.peer_hung_up(0);
  time_.advance(1s);
  turn();
  EXPECT_FALSE(senders.ended(0)) << "a peer may shut its own side and go on reading";
  wires_[0]->peer_reset();
  turn();
  ASSERT_TRUE(senders.ended(0));
  EXPECT_EQ(senders.ended(0)->at, 1s);
}

TEST_F(SendersTest, an_active_port_hears_the_fin_itself) {
  SenderOptions options{.size = 10};
  options.port.active = {Active::Mode::on, 0};
  Senders& senders = make(options, 1);
  time_.advance(3s);
  wires_[0]->peer_shutdown();
  turn();
  turn();
  ASSERT_TRUE(senders.ended(0));
  EXPECT_EQ(senders.ended(0)->at, 3s);
}

TEST_F(SendersTest, a_port_that_its_own_timeout_closes_is_not_the_peers_fault) {
  SenderOptions options{.size = 100};
  options.port.high = 200;
  options.port.low = 0;
  options.port.send_timeout = 300ms;
  options.port.send_timeout_close = true;
  Senders& senders = make(options, 1, {1'000, 1});
  turn();
  time_.advance(1s);
  ASSERT_TRUE(senders.ended(0));
  EXPECT_FALSE(senders.ended(0)->by_peer);
  EXPECT_EQ(senders.ended(0)->at, 300ms);
  EXPECT_EQ(senders.totals().timeouts, 1u);
}

TEST_F(SendersTest, may_be_told_by_somebody_who_looks) {
  Senders& senders = make({}, 2);
  time_.advance(2s);
  senders.end(1);
  senders.end(1);
  EXPECT_EQ(ends_, std::vector<std::size_t>{1});
  turn();
  EXPECT_EQ(wires_[1]->in_kernel(), 0u);
}

}  // namespace
}  // namespace tcpadvisor::port::load::senders_test
