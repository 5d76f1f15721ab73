// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/past.h"

#include <gtest/gtest.h>

#include "tests/unit/builders.h"

namespace tcpadvisor::past_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_sample;
using build::a_socket;
using build::a_user_queue;

struct Item {
  std::uint64_t key = 0, value = 0;
  bool operator==(const Item&) const = default;
};

/// Keys with well mixed bits, as hashes have them.
std::vector<Item> items(std::uint64_t count) {
  std::vector<Item> out;
  for (std::uint64_t i = 1; i <= count; ++i) out.push_back({.key = i * 0x9e3779b97f4a7c15ull, .value = i});
  return out;
}

TEST(Maybe, reads_as_an_optional_and_saturates) {
  EXPECT_FALSE(Maybe<std::uint32_t>());
  EXPECT_FALSE(Maybe<std::uint32_t>(std::optional<std::uint64_t>()));
  EXPECT_EQ(*Maybe<std::uint32_t>(0u), 0u);
  EXPECT_EQ(Maybe<std::uint32_t>().value_or(7), 7u);
  EXPECT_EQ(*Maybe<std::uint32_t>(std::uint64_t{1} << 40), UINT32_MAX - 1) << "too large is not nothing";
  EXPECT_EQ(*Maybe<std::uint64_t>(UINT64_MAX), UINT64_MAX - 1);
  EXPECT_EQ(sizeof(Maybe<std::uint64_t>), 8u);
}

TEST(SharedTable, finds_each_item_whatever_the_size) {
  for (std::uint64_t count : {0u, 1u, 7u, 8u, 9u, 1000u}) {
    std::vector<Item> all = items(count);
    SharedTable<Item> table(all, {});
    EXPECT_EQ(table.size(), count);
    for (const Item& item : all) {
      ASSERT_NE(table.find(item.key), nullptr);
      EXPECT_EQ(table.find(item.key)->value, item.value);
    }
    EXPECT_EQ(table.find(12345), nullptr);
    std::uint64_t visited = 0, last = 0;
    table.for_each([&](const Item& item) {
      ++visited;
      EXPECT_GE(item.key, last);
      last = item.key;
    });
    EXPECT_EQ(visited, count);
  }
  EXPECT_EQ(SharedTable<Item>().find(1), nullptr);
}

TEST(SharedTable, shares_what_did_not_change) {
  std::vector<Item> all = items(4096);
  SharedTable<Item> first(all, {}), same(all, first);
  std::size_t whole = first.bytes_beside({});
  EXPECT_GE(whole, 4096 * sizeof(Item));
  EXPECT_EQ(same.bytes_beside(first), 0u);
  EXPECT_EQ(same.find(all[5].key), first.find(all[5].key)) << "it is the same memory";

  all[5].value = 99;
  SharedTable<Item> changed(all, same);
  EXPECT_EQ(changed.find(all[5].key)->value, 99u);
  EXPECT_EQ(same.find(all[5].key)->value, 6u) << "a table never changes";
  EXPECT_LT(changed.bytes_beside(same), whole / 8);

  all.erase(all.begin() + 5);
  SharedTable<Item> smaller(all, changed);
  EXPECT_EQ(smaller.find(6 * 0x9e3779b97f4a7c15ull), nullptr);
  EXPECT_EQ(smaller.find(all[5].key), changed.find(all[5].key));
}

TEST(SharedTable, finds_the_same_beside_what_the_table_before_has) {
  std::vector<SharedTable<Item>> tables = {{}};
  auto next = [&](const std::vector<Item>& all) { tables.emplace_back(all, SharedTable<Item>(tables.back())); };
  std::vector<Item> all = items(1000);
  next(all);
  next(all);
  all[5].value = 99;
  next(all);
  all.erase(all.begin() + 5);
  next(all);
  next({all.begin(), all.begin() + 10});  // so few that the buckets are others
  next({});
  next(items(1000));
  for (const Item& item : items(1001)) {
    const Item* then = nullptr;
    for (std::size_t i = 1; i < tables.size(); ++i) {
      then = tables[i].find(item.key, tables[i - 1], then);
      ASSERT_EQ(then, tables[i].find(item.key)) << item.value << " in table " << i;
    }
  }
}

TEST(SharedTable, keeps_items_with_one_key) {
  SharedTable<Item> table({{.key = 3, .value = 1}, {.key = 3, .value = 2}}, {});
  EXPECT_EQ(table.find(3)->value, 1u) << "the first";
  EXPECT_EQ(table.size(), 2u);
}

TEST(Past, a_row_is_about_a_hundred_bytes) {
  EXPECT_LE(sizeof(PastRow), 144u);
  EXPECT_LE(sizeof(PastOwner), 80u);
}

TEST(Past, keeps_what_series_need) {
  SamplePtr sample = a_sample()
                         .counter("Tcp.OutSegs", 5)
                         .count(TcpState::close_wait, 3)
                         .add(a_process(7, "api").close_wait(2, 1))
                         .add(3, a_socket().close_wait().pid(7, "api"))
                         .add(a_socket().cookie(9).recv_q(1ull << 40).rcvbuf(5, 6).holder(Holder::unknown))
                         .add(a_user_queue().queued(11, 22));
  PastTick tick = past_of(*sample, nullptr);
  EXPECT_EQ(tick.find_netns(build::kHostNetns)->counter("Tcp.OutSegs"), 5u);
  EXPECT_FALSE(tick.find_netns(build::kHostNetns)->counter("Tcp.NoSuch"));
  EXPECT_EQ(tick.find_netns(1), nullptr);
  EXPECT_EQ(tick.states[index_of(TcpState::close_wait)], 3u);
  EXPECT_EQ(tick.held[index_of(TcpState::close_wait)], 2u);
  EXPECT_EQ(tick.find(sample->owners[0])->sockets[index_of(TcpState::close_wait)], 2u);
  EXPECT_EQ(tick.count_of({.pid = 7, .netns = 0}, TcpState::close_wait), 3u);
  EXPECT_EQ(tick.count_of({.pid = 8, .netns = 0}, TcpState::close_wait), 0u);
  EXPECT_EQ(tick.find(sample->sockets[3])->recv_q, UINT32_MAX - 1);
  EXPECT_EQ(*tick.find(sample->sockets[3])->rcvbuf, 5u);
  EXPECT_EQ(tick.queues.find(past_key(sample->user_queues[0]))->queued, 11u);
}

TEST(Past, an_idle_host_costs_its_bytes_once) {
  auto quiet = [](std::chrono::milliseconds at) {
    SocketRow resting = a_socket().established().set(
        [&](SocketRow& r) { r.last_data_sent_ms = 70'000 + static_cast<std::uint32_t>(at.count()); });
    return SamplePtr(a_sample().at(at).add(4000, resting).add(a_process(7, "api")));
  };
  PastTick first = past_of(*quiet(0s), nullptr), second = past_of(*quiet(1s), &first);
  EXPECT_GT(bytes_beside(first, nullptr), 4000 * sizeof(PastRow));
  EXPECT_LT(bytes_beside(second, &first), 1024u);
  EXPECT_EQ(second.netns[0].names, first.netns[0].names);
  EXPECT_EQ(second.netns[0].values, first.netns[0].values);
}

}  // namespace
}  // namespace tcpadvisor::past_test
