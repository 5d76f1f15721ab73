// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/busy_flows.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/unit/builders.h"

namespace tcpadvisor::collect::busy_flows_test {
namespace {

using build::a_socket;

/// A host as the walks see it: each socket has a spot, and a rate of bytes a walk.
class Host {
 public:
  explicit Host(std::uint32_t sockets) : bytes_(sockets, 0), rate_(sockets, 0) {}
  void busy(std::uint32_t socket, std::uint64_t rate) { rate_[socket] = rate; }
  static kernel::Spot spot_of(std::uint32_t socket) { return static_cast<kernel::Spot>(socket * 40'503u >> 4); }

  /// One walk: the sockets that got a row by the look.
  std::set<std::uint32_t> walk(BusyFlows& flows) {
    std::set<std::uint32_t> rows;
    const kernel::Look& look = flows.next(bytes_.size());
    for (std::uint32_t socket = 0; socket < bytes_.size(); ++socket) {
      bytes_[socket] += rate_[socket];
      if (rate_[socket] == 0 || !look.includes(spot_of(socket)) || rows.size() >= look.max_rows) continue;
      rows.insert(socket);
      SocketRow row = a_socket().cookie(socket + 1);
      row.bytes_acked = bytes_[socket];
      flows.saw(row, spot_of(socket));
    }
    flows.end_walk();
    return rows;
  }

 private:
  std::vector<std::uint64_t> bytes_, rate_;
};

TEST(BusyFlows, EachSocketHasItsTurnAndThoseThatCarryTheMostStay) {
  Host host(200'000);
  for (std::uint32_t i = 0; i < 20; ++i) host.busy(i * 9'973, 1'000'000);
  BusyFlows flows;
  std::set<std::uint32_t> ever;
  for (int i = 0; i < 40; ++i) ever.merge(host.walk(flows));
  EXPECT_EQ(ever.size(), 20u);
  EXPECT_EQ(host.walk(flows).size(), 20u) << "all of them in every walk from then on";
}

TEST(BusyFlows, AllInUseAreListedOnceEachHadItsTurnAndThereWasRoom) {
  Host host(200'000);
  for (std::uint32_t i = 0; i < 20; ++i) host.busy(i * 9'973, 1'000'000);
  BusyFlows flows;
  host.walk(flows);
  EXPECT_FALSE(flows.lists_all_in_use()) << "the others have had no turn yet";
  for (int i = 0; i < 31; ++i) host.walk(flows);
  EXPECT_TRUE(flows.lists_all_in_use());
  for (std::uint32_t i = 0; i < 2'000; ++i) host.busy(i * 97, 1'000);
  for (int i = 0; i < 64; ++i) host.walk(flows);
  EXPECT_FALSE(flows.lists_all_in_use()) << "more in use than are followed";
}

TEST(BusyFlows, AWalkThatFailedSomewhereProvesNothing) {
  BusyFlows flows;
  flows.next(1'000);
  flows.end_walk(false);
  EXPECT_FALSE(flows.lists_all_in_use());
  flows.end_walk(true);  // the next best source, in the same tick
  EXPECT_TRUE(flows.lists_all_in_use());
}

TEST(BusyFlows, OnlyTheBusiestAreFollowedWhenThereAreMany) {
  Host host(20'000);
  for (std::uint32_t i = 0; i < 20'000; ++i) host.busy(i, 100 + (i % 100 == 7 ? 1'000'000 : i % 50));
  BusyFlows flows;
  std::set<std::uint32_t> rows;
  for (int i = 0; i < 200; ++i) {
    rows = host.walk(flows);
    EXPECT_LE(rows.size(), BusyFlows::kFollowed + 2 * BusyFlows::kNew);
    EXPECT_LE(flows.followed(), BusyFlows::kFollowed + BusyFlows::kNew);
  }
  std::size_t biggest = 0;
  for (std::uint32_t row : rows) biggest += row % 100 == 7 ? 1 : 0;
  EXPECT_EQ(biggest, 200u) << "of 200";
}

TEST(BusyFlows, WhoFallsSilentIsForgotten) {
  Host host(1'000);
  host.busy(5, 10);
  BusyFlows flows;
  host.walk(flows);
  EXPECT_EQ(flows.followed(), 1u);
  host.busy(5, 0);
  host.walk(flows);
  EXPECT_EQ(flows.followed(), 0u);
}

TEST(LookedAt, OnlySocketsInUse) {
  kernel::Look all;
  SocketRow row = a_socket().cookie(1);
  EXPECT_FALSE(looked_at(row, all));
  row.last_data_sent_ms = 100;
  EXPECT_TRUE(looked_at(row, all));
  row.last_data_sent_ms = 60'000;
  EXPECT_FALSE(looked_at(row, all));
  row.last_data_recv_ms = 100;
  row.state = TcpState::listen;
  EXPECT_FALSE(looked_at(row, all));
}

TEST(LookedAt, APartInTurnAndThoseThatAreFollowed) {
  std::size_t seen = 0;
  kernel::Look part{.mask = 15, .turn = 3};
  std::optional<std::uint64_t> other;
  for (std::uint64_t cookie = 1; cookie <= 16'000; ++cookie) {
    SocketRow row = a_socket().cookie(cookie);
    row.last_data_sent_ms = 1;
    bool included = looked_at(row, part).has_value();
    seen += included ? 1 : 0;
    if (!included) other = cookie;
  }
  EXPECT_NEAR(static_cast<double>(seen), 1'000, 200);
  SocketRow row = a_socket().cookie(*other);
  row.last_data_sent_ms = 1;
  part.follow(*looked_at(row, kernel::Look{}));
  EXPECT_TRUE(looked_at(row, part));
}

}  // namespace
}  // namespace tcpadvisor::collect::busy_flows_test
