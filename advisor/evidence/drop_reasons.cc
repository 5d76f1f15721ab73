// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/drop_reasons.h"

#include <algorithm>

namespace tcpadvisor {
namespace {

constexpr std::array kNoLosses = std::to_array<std::string_view>({
    // Not dropped at all.
    "SKB_NOT_DROPPED_YET",
    "SKB_CONSUMED",
    // Not for this host, or only a copy for a packet socket, a raw socket or a user of a tap.
    "OTHERHOST",
    "UNICAST_IN_L2_MULTICAST",
    "PACKET_SOCK_ERROR",
    "SOCKET_RCVBUFF",
    "TAP_FILTER",
    "TAP_TXFILTER",
    "DUP_FRAG",
    "UNHANDLED_PROTO",
    // Answered with a reset, or a reset itself that was obeyed: the sender knows.
    "NO_SOCKET",
    "TCP_RESET",
    "TCP_ABORT_ON_DATA",
    // What a socket that is closed had, or gets: nobody waits for it.
    "SOCKET_CLOSE",
    "TCP_CLOSE",
    "QUEUE_PURGE",
    // All of it was received before.
    "TCP_OLD_DATA",
    "TCP_OLD_SEQUENCE",
    "TCP_OLD_ACK",
    "TCP_TOO_OLD_ACK",
    "TCP_OFOMERGE",
    "TCP_RFC7323_PAWS_ACK",
    // Of a handshake with data that was taken all the same.
    "TCP_FASTOPEN",
});

constexpr std::string_view kNoReason = "NOT_SPECIFIED";
constexpr std::array kEmptiesQueues =
    std::to_array<std::string_view>({"tcp_", "__tcp_", "sk_", "__sk_", "inet_", "skb_", "__skb_"});

struct PrefixOf {
  std::string_view prefix;
  DropPlace place;
};
/// The first that fits.
constexpr std::array kByReason = std::to_array<PrefixOf>({
    {"NETFILTER_DROP", DropPlace::filter},
    {"BPF_CGROUP_EGRESS", DropPlace::filter},
    {"TC_", DropPlace::filter},
    {"XDP", DropPlace::filter},
    {"SECURITY_HOOK", DropPlace::filter},
    {"XFRM_POLICY", DropPlace::filter},
    {"QDISC_", DropPlace::qdisc},
    {"CAKE_", DropPlace::qdisc},
    {"FQ_", DropPlace::qdisc},
    {"DUALPI2_", DropPlace::qdisc},
    {"CPU_BACKLOG", DropPlace::cpu_queue},
    {"IP_OUTNOROUTES", DropPlace::route},
    {"IP_INNOROUTES", DropPlace::route},
    {"IP_RPFILTER", DropPlace::route},
    {"IP_INADDRERRORS", DropPlace::route},
    {"IP_LOCAL", DropPlace::route},
    {"IP_INVALID_", DropPlace::route},
    {"IPV6DISABLED", DropPlace::route},
    {"NEIGH_", DropPlace::route},
    {"SOCKET_", DropPlace::socket},
    {"PROTO_MEM", DropPlace::socket},
    {"TCP_", DropPlace::tcp},
    {"IP_TUNNEL_", DropPlace::device},
    {"IP", DropPlace::ip},
    {"PKT_", DropPlace::ip},
    {"FRAG_", DropPlace::ip},
    {"FULL_RING", DropPlace::device},
    {"NOMEM", DropPlace::device},
    {"HDR_TRUNC", DropPlace::device},
    {"DEV_", DropPlace::device},
    {"SKB_", DropPlace::device},
    {"VXLAN_", DropPlace::device},
    {"MAC_", DropPlace::device},
    {"LOCAL_MAC", DropPlace::device},
    {"BRIDGE_", DropPlace::device},
    {"NO_TX_TARGET", DropPlace::device},
    {"TUNNEL_", DropPlace::device},
    {"PFMEMALLOC", DropPlace::device},
    {"RECURSION_LIMIT", DropPlace::device},
});
constexpr std::array kByFunction = std::to_array<PrefixOf>({
    {"nf_", DropPlace::filter},
    {"nft_", DropPlace::filter},
    {"sk_filter", DropPlace::socket},
    {"tcp_", DropPlace::tcp},
    {"inet_", DropPlace::tcp},
    {"inet6_", DropPlace::route},
    {"neigh_", DropPlace::route},
    {"arp_", DropPlace::route},
    {"enqueue_to_backlog", DropPlace::cpu_queue},
    {"ip_", DropPlace::ip},
    {"ip6_", DropPlace::ip},
    {"__ip_", DropPlace::ip},
    {"__dev_xmit_skb", DropPlace::qdisc},
    {"dev_", DropPlace::device},
    {"__dev_", DropPlace::device},
    {"netif_", DropPlace::device},
    {"__netif_", DropPlace::device},
    {"veth_", DropPlace::device},
    {"tun_", DropPlace::device},
    {"br_", DropPlace::device},
});

template <std::size_t N>
DropPlace first_that_fits(const std::array<PrefixOf, N>& table, std::string_view name) {
  auto at = std::ranges::find_if(table, [&](const PrefixOf& one) { return name.starts_with(one.prefix); });
  return at == table.end() ? DropPlace::unknown : at->place;
}

}  // namespace

bool is_loss(std::string_view reason) {
  return std::ranges::find(kNoLosses, reason) == kNoLosses.end();
}

bool is_loss(const Drops& drops) {
  if (!is_loss(std::string_view(drops.reason))) return false;
  return drops.reason != kNoReason || std::ranges::none_of(kEmptiesQueues, [&](std::string_view prefix) {
           return drops.function.starts_with(prefix);
         });
}

DropPlace place_of(const Drops& drops) {
  DropPlace place = first_that_fits(kByReason, drops.reason);
  return place == DropPlace::unknown ? first_that_fits(kByFunction, drops.function) : place;
}

}  // namespace tcpadvisor
