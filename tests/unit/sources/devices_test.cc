// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/devices.h"

#include <gtest/gtest.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <string>
#include <vector>

namespace tcpadvisor::sources::devices_test {
namespace {

using Payload = std::vector<std::byte>;

template <typename T>
Payload bytes_of(const T& value) {
  auto* first = reinterpret_cast<const std::byte*>(&value);
  return {first, first + sizeof value};
}

Payload text(const std::string& value) {
  auto* first = reinterpret_cast<const std::byte*>(value.c_str());
  return {first, first + value.size() + 1};
}

void put(Payload& out, std::uint16_t type, const Payload& value) {
  nlattr head{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), .nla_type = type};
  Payload bytes = bytes_of(head);
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.insert(out.end(), value.begin(), value.end());
  out.resize(NLA_ALIGN(out.size()));
}

Payload link(int index, const std::string& name, std::uint64_t tx_dropped) {
  ifinfomsg head{};
  head.ifi_index = index;
  rtnl_link_stats64 stats{};
  stats.tx_packets = 1'000;
  stats.tx_dropped = tx_dropped;
  stats.rx_dropped = 3;
  Payload out = bytes_of(head);
  put(out, IFLA_IFNAME, text(name));
  put(out, IFLA_MTU, bytes_of(std::uint32_t{1'500}));
  put(out, IFLA_QDISC, text("fq_codel"));
  put(out, IFLA_STATS64, bytes_of(stats));
  return out;
}

Payload qdisc(int index, std::uint32_t parent, std::uint32_t drops) {
  tcmsg head{};
  head.tcm_ifindex = index;
  head.tcm_parent = parent;
  gnet_stats_queue queue{};
  queue.drops = drops;
  queue.overlimits = 7;
  queue.backlog = 9'000;
  Payload stats;
  put(stats, TCA_STATS_QUEUE, bytes_of(queue));
  Payload out = bytes_of(head);
  put(out, TCA_KIND, text("tbf"));
  put(out, TCA_STATS2 | NLA_F_NESTED, stats);
  return out;
}

TEST(Devices, a_link_and_its_root_queue_are_one_device) {
  DevicesByIndex devices;
  add_link(link(2, "eth0", 5), devices);
  add_qdisc(qdisc(2, TC_H_ROOT, 40), devices);
  ASSERT_TRUE(devices.contains(2));
  const Device& eth0 = devices[2];
  EXPECT_EQ(eth0.name, "eth0");
  EXPECT_EQ(eth0.mtu, 1'500u);
  EXPECT_EQ(eth0.qdisc, "tbf");
  EXPECT_EQ(eth0.qdisc_drops, 40u);
  EXPECT_EQ(eth0.qdisc_overlimits, 7u);
  EXPECT_EQ(eth0.qdisc_backlog, 9'000u);
  EXPECT_EQ(eth0.tx_packets, 1'000u);
  EXPECT_EQ(eth0.tx_dropped, 5u);
  EXPECT_EQ(eth0.rx_dropped, 3u);
  Counters counters;
  count_drops({eth0, Device{.name = "lo"}}, counters);
  EXPECT_EQ(counters, (Counters{{"Device.eth0.dropped", 45}}));
}

TEST(Devices, a_child_of_a_queue_or_one_of_an_unknown_device_counts_nothing) {
  DevicesByIndex devices;
  add_link(link(2, "eth0", 0), devices);
  add_qdisc(qdisc(2, 0x10000, 40), devices);
  add_qdisc(qdisc(3, TC_H_ROOT, 40), devices);
  EXPECT_EQ(devices.size(), 1u);
  EXPECT_FALSE(devices[2].qdisc_drops);
}

TEST(Devices, what_is_cut_short_or_lies_about_its_length_adds_no_more_than_it_has) {
  const Payload whole = link(2, "eth0", 5), queue = qdisc(2, TC_H_ROOT, 40);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    DevicesByIndex devices;
    add_link(std::span(whole).first(size), devices);
    EXPECT_LE(devices.size(), 1u);
  }
  for (std::size_t size = 0; size < queue.size(); ++size) {
    DevicesByIndex devices{{2, Device{.name = "eth0"}}};
    add_qdisc(std::span(queue).first(size), devices);
    EXPECT_LE(devices[2].qdisc_drops.value_or(40), 40u);
  }
  Payload lying = whole;
  lying[sizeof(ifinfomsg)] = std::byte{0xff};  // nla_len of the first attribute
  lying[sizeof(ifinfomsg) + 1] = std::byte{0xff};
  DevicesByIndex devices;
  add_link(lying, devices);
  EXPECT_TRUE(devices.empty());
}

}  // namespace
}  // namespace tcpadvisor::sources::devices_test
