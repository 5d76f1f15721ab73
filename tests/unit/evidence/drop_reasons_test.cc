// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/drop_reasons.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tcpadvisor::drop_reasons_test {
namespace {

DropPlace place(const char* reason, const char* function = "") {
  Drops drops;
  drops.reason = reason;
  drops.function = function;
  return place_of(drops);
}

TEST(DropReasons, what_was_received_before_or_is_answered_is_no_loss) {
  for (const char* reason : {"SKB_CONSUMED", "NO_SOCKET", "TCP_OLD_ACK", "TCP_OLD_DATA", "TCP_OFOMERGE", "TCP_RESET",
                             "OTHERHOST", "SOCKET_RCVBUFF", "QUEUE_PURGE"})
    EXPECT_FALSE(is_loss(reason)) << reason;
  for (const char* reason : {"NETFILTER_DROP", "SOCKET_FILTER", "TCP_ZEROWINDOW", "TCP_OVERWINDOW", "NOT_SPECIFIED",
                             "A_REASON_OF_A_LATER_KERNEL"})
    EXPECT_TRUE(is_loss(reason)) << reason;
}

TEST(DropReasons, the_place_follows_from_the_reason) {
  EXPECT_EQ(place("NETFILTER_DROP"), DropPlace::filter);
  EXPECT_EQ(place("TC_INGRESS"), DropPlace::filter);
  EXPECT_EQ(place("TCP_LISTEN_OVERFLOW"), DropPlace::tcp);
  EXPECT_EQ(place("QDISC_OVERLIMIT"), DropPlace::qdisc);
  EXPECT_EQ(place("FQ_FLOW_LIMIT"), DropPlace::qdisc);
  EXPECT_EQ(place("CPU_BACKLOG"), DropPlace::cpu_queue);
  EXPECT_EQ(place("SOCKET_BACKLOG"), DropPlace::socket);
  EXPECT_EQ(place("IP_RPFILTER"), DropPlace::route);
  EXPECT_EQ(place("NEIGH_FAILED"), DropPlace::route);
  EXPECT_EQ(place("IP_INHDR"), DropPlace::ip);
  EXPECT_EQ(place("PKT_TOO_BIG"), DropPlace::ip);
  EXPECT_EQ(place("FULL_RING"), DropPlace::device);
}

TEST(DropReasons, without_a_reason_from_the_function) {
  EXPECT_EQ(place("NOT_SPECIFIED", "veth_xmit"), DropPlace::device);
  EXPECT_EQ(place("NOT_SPECIFIED", "nf_hook_slow"), DropPlace::filter);
  EXPECT_EQ(place("NOT_SPECIFIED", "tcp_v4_rcv"), DropPlace::tcp);
  EXPECT_EQ(place("NOT_SPECIFIED", "something_else"), DropPlace::unknown);
  EXPECT_EQ(place("3:1"), DropPlace::unknown);
}

TEST(DropReasons, without_a_reason_what_a_closed_socket_frees_is_no_loss) {
  auto freed = [](std::string reason, std::string function) {
    Drops drops;
    drops.reason = std::move(reason);
    drops.function = std::move(function);
    return is_loss(drops);
  };
  EXPECT_FALSE(freed("NOT_SPECIFIED", "sk_stream_kill_queues"));
  EXPECT_FALSE(freed("NOT_SPECIFIED", "tcp_write_queue_purge"));
  EXPECT_TRUE(freed("NOT_SPECIFIED", "nf_hook_slow"));
  EXPECT_TRUE(freed("NOT_SPECIFIED", "__dev_queue_xmit"));
  EXPECT_TRUE(freed("SOCKET_BACKLOG", "tcp_add_backlog"));
  EXPECT_FALSE(freed("TCP_OLD_ACK", "tcp_ack"));
}

}  // namespace
}  // namespace tcpadvisor::drop_reasons_test
