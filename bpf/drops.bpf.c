// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What TCP packets the kernel throws away on this host, why, and in which of its functions. Nothing runs while nothing
 * is dropped: packets that were received, or sent, are freed in another way. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/store.h"

/* Of connections, and of handshakes. The agent reads both, and removes what is over. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TA_DROPS);
  __type(key, struct ta_drop_key);
  __type(value, struct ta_drops);
} drops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TA_DROPS_HANDSHAKE);
  __type(key, struct ta_drop_key);
  __type(value, struct ta_drops);
} drops_handshake SEC(".maps");

/* By the number of the reason, which is another one in each kernel: not 0 if it is a loss. The agent writes it, after
 * the programs are attached; until then nothing counts. */
volatile ta_u8 is_loss[TA_DROP_REASONS];

enum { DROP_ETH_IP = 0x0800, DROP_ETH_IP6 = 0x86dd, DROP_IPPROTO_TCP = 6 };
enum { DROP_FLAG_SYN = 2, DROP_FLAG_ACK = 16 };

struct drop_ip4 {
  u8 version_ihl, tos;
  __be16 length, id, fragment;
  u8 ttl, protocol;
  __be16 check;
  __be32 from, to;
};
struct drop_ip6 {
  u8 version, flow[3];
  __be16 length;
  u8 next, hops;
  __be32 from[4], to[4];
};
struct drop_tcp {
  __be16 from, to;
  __be32 seq, ack;
  u8 offset, flags;
};

struct drop_packet {
  u32 from[4], to[4];
  u16 from_port, to_port;
  u8 flags;
};

/* Only what lies in the packet's first piece, below `tail`. Options of IPv6 before TCP are rare: such packets are not
 * counted. */
static __always_inline bool read_packet(const struct sk_buff *skb, struct drop_packet *packet) {
  const unsigned char *head = skb->head;
  u32 at = skb->network_header, tail = skb->tail;
  __be16 protocol = skb->protocol;
  struct drop_tcp tcp;
  if (protocol == bpf_htons(DROP_ETH_IP)) {
    struct drop_ip4 ip;
    if (at + sizeof(ip) > tail || bpf_probe_read_kernel(&ip, sizeof(ip), head + at)) return false;
    if (ip.version_ihl >> 4 != 4 || ip.protocol != DROP_IPPROTO_TCP || ip.fragment & bpf_htons(0x1fff)) return false;
    packet->from[2] = packet->to[2] = bpf_htonl(0xffff);
    packet->from[3] = ip.from;
    packet->to[3] = ip.to;
    at += (ip.version_ihl & 15) * 4;
  } else if (protocol == bpf_htons(DROP_ETH_IP6)) {
    struct drop_ip6 ip;
    if (at + sizeof(ip) > tail || bpf_probe_read_kernel(&ip, sizeof(ip), head + at)) return false;
    if (ip.version >> 4 != 6 || ip.next != DROP_IPPROTO_TCP) return false;
    __builtin_memcpy(packet->from, ip.from, sizeof(ip.from));
    __builtin_memcpy(packet->to, ip.to, sizeof(ip.to));
    at += sizeof(ip);
  } else {
    return false;
  }
  if (at + sizeof(tcp) > tail || bpf_probe_read_kernel(&tcp, sizeof(tcp), head + at)) return false;
  packet->from_port = bpf_ntohs(tcp.from);
  packet->to_port = bpf_ntohs(tcp.to);
  packet->flags = tcp.flags;
  return true;
}

static __always_inline bool is_inet(const struct sock *sk) {
  return sk && (sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6);
}

static __always_inline bool is_mini(const struct sock *sk) {
  return sk->__sk_common.skc_state == TCP_TIME_WAIT || sk->__sk_common.skc_state == TCP_NEW_SYN_RECV;
}

static __always_inline bool is_listening(const struct sock *sk) {
  return sk->__sk_common.skc_state == TCP_LISTEN || sk->__sk_common.skc_state == TCP_NEW_SYN_RECV;
}

/* A packet that is sent belongs to its socket until it is delivered, also where it goes into another namespace. What
 * arrives may belong to a socket already, too: then that has the port that the packet goes to. */
static __always_inline bool is_sent_by(const struct sock *sk, const struct drop_packet *packet) {
  u16 port = sk->__sk_common.skc_num;
  if (port != packet->to_port) return true;
  return port == packet->from_port && sk->__sk_common.skc_family == AF_INET &&
         sk->__sk_common.skc_rcv_saddr == packet->from[3];
}

/* Of the device that the packet is at. TCP takes it away: then by the socket, or by the way that the packet came. */
static __always_inline u32 where_dropped(const struct sk_buff *skb, const struct sock *receiver,
                                         const struct sock *sender) {
  u32 netns = 0;
  if (receiver) return BPF_CORE_READ(receiver, __sk_common.skc_net.net, ns.inum);
  struct net_device *dev = BPF_CORE_READ(skb, dev);
  if (dev) netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
  if (!netns && sender) netns = BPF_CORE_READ(sender, __sk_common.skc_net.net, ns.inum);
  struct dst_entry *route = (void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1ul);
  if (!netns && route) netns = BPF_CORE_READ(route, dev, nd_net.net, ns.inum);
  return netns;
}

static __always_inline u32 segments_of(const struct sk_buff *skb) {
  const struct skb_shared_info *shared = (const void *)(skb->head + skb->end);
  u32 segments = BPF_CORE_READ(shared, gso_segs);
  return segments ? segments : 1;
}

static const struct ta_drops new_drops_zero SEC(".rodata.zero") = {0};

static __always_inline void add_drop(void *map, const struct ta_drop_key *key, u32 segments) {
  struct ta_drops *sum = bpf_map_lookup_elem(map, key);
  if (!sum) {
    bpf_map_update_elem(map, key, &new_drops_zero, BPF_NOEXIST);
    sum = bpf_map_lookup_elem(map, key);
  }
  if (!sum) {
    count_lost(TA_LOST_DROP);
    return;
  }
  /* Once; the kernel finds the name, and no right to read its list of symbols is needed. */
  if (!sum->function[0]) BPF_SNPRINTF(sum->function, sizeof(sum->function), "%ps", (void *)key->location);
  __sync_fetch_and_add(&sum->segments, segments);
  sum->last_ns = bpf_ktime_get_ns();
}

static __always_inline void dropped(const struct sk_buff *skb, u64 location, u32 reason, const struct sock *receiver) {
  /* A part of the kernel with reasons of its own has its number in the upper half. */
  u32 slot = reason < TA_DROP_REASONS ? reason : TA_DROP_REASONS - 1;
  barrier_var(slot); /* or the compiler takes the mask away, which the verifier wants to see */
  if (!is_loss[slot & (TA_DROP_REASONS - 1)]) return;

  struct drop_packet packet = {0};
  struct ta_drop_key key = {.location = location, .reason = reason};
  const struct sock *sk = skb->sk, *sender = NULL;
  if (!is_inet(sk)) sk = NULL;
  if (!is_inet(receiver)) receiver = NULL;
  if (read_packet(skb, &packet)) {
    if (sk && is_sent_by(sk, &packet)) {
      sender = sk;
    } else if (sk && !receiver) {
      receiver = sk;
    }
    bool listener = packet.flags & DROP_FLAG_SYN && !(packet.flags & DROP_FLAG_ACK);
    if (receiver && is_listening(receiver)) listener = true;
    if (!sender && listener)
      key.port = packet.to_port;
    else
      __builtin_memcpy(key.peer, sender ? packet.to : packet.from, sizeof(key.peer));
  } else if (sk && !is_mini(sk) && !skb->protocol && sk->sk_protocol == DROP_IPPROTO_TCP) {
    sender = sk; /* no way was found to send it: it has no header yet */
    struct ta_peer_key to = {0};
    name_peer(&sk->__sk_common, &sk->__sk_common, &to);
    __builtin_memcpy(key.peer, to.address, sizeof(key.peer));
  } else {
    return;
  }
  key.outgoing = sender != NULL;
  key.netns = where_dropped(skb, receiver, sender);
  if (packet.flags & DROP_FLAG_SYN || key.port)
    add_drop(&drops_handshake, &key, segments_of(skb));
  else
    add_drop(&drops, &key, segments_of(skb));
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_drop, const struct sk_buff *skb, void *location, u32 reason, const struct sock *receiver) {
  MEASURED(TA_HOOK_DROPS, dropped(skb, (u64)location, reason, receiver));
  return 0;
}

/* The tracepoint as it was before it told whose packet it was. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(on_drop3, const struct sk_buff *skb, void *location, u32 reason) {
  MEASURED(TA_HOOK_DROPS, dropped(skb, (u64)location, reason, NULL));
  return 0;
}
