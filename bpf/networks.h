/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections of each process by the network of their peers, counted during the walk over descriptors, where the
 * process is known: so quiet connections without a row are still told of. What lies in cache lines that the walk reads
 * anyhow is added up for all of them, the rest for those that are looked at (struct ta_look). */
#ifndef TCPADVISOR_NETWORKS_H
#define TCPADVISOR_NETWORKS_H

#include "bpf/store.h"

struct ta_networks networks;

struct chronographs {
  u32 busy_j, rwnd_j, sndbuf_j;
};

/* The one that runs now has not added its current interval yet (tcp_get_info_chrono_stats). The kernel keeps them
 * apart; tcpi_busy_time is their sum. */
static __always_inline struct chronographs chronographs_of(struct tcp_sock *tp, u32 now_j) {
  u32 running = BPF_CORE_READ_BITFIELD_PROBED(tp, chrono_type);
  u32 since = now_j - tp->chrono_start;
  u32 busy = tp->chrono_stat[0], rwnd = tp->chrono_stat[1], sndbuf = tp->chrono_stat[2];
  if (running == 1) busy += since;
  if (running == 2) rwnd += since;
  if (running == 3) sndbuf += since;
  struct chronographs out = {.busy_j = busy + rwnd + sndbuf, .rwnd_j = rwnd, .sndbuf_j = sndbuf};
  return out;
}

/* What accept() gives was copied from its listener, with the limit of its queue; nothing else sets that. A listener
 * with the limit 0 looks like none. */
static __always_inline bool was_accepted(const struct sock *sk) {
  return sk->sk_max_ack_backlog != 0;
}

static __always_inline void name_network(const struct sock *sk, u32 pid, struct ta_network_key *key) {
  const struct sock_common *skc = &sk->__sk_common;
  key->pid = pid;
  key->netns = skc->skc_net.net->ns.inum;
  key->accepted = was_accepted(sk);
  key->port = key->accepted ? skc->skc_num : bpf_ntohs(skc->skc_dport);
  key->width = TA_NETWORK_V4;
  key->prefix[1] = 0;
  u32 ipv4 = skc->skc_daddr;
  if (skc->skc_family == AF_INET6) {
    const u32 *there = skc->skc_v6_daddr.in6_u.u6_addr32;
    ipv4 = there[3];
    if (there[0] || there[1] || there[2] != bpf_htonl(0xffff)) {
      key->width = TA_NETWORK_V6;
      key->prefix[0] = there[0];
      key->prefix[1] = there[1];
      return;
    }
  }
  key->prefix[0] = ipv4 & bpf_htonl(0xffffff00);
}

static __always_inline bool is_network(const struct ta_network *slot, const struct ta_network_key *key) {
  return slot->walk == networks.walk && slot->key.pid == key->pid && slot->key.netns == key->netns &&
         slot->key.prefix[0] == key->prefix[0] && slot->key.prefix[1] == key->prefix[1] &&
         slot->key.port == key->port && slot->key.accepted == key->accepted && slot->key.width == key->width;
}

static __always_inline u32 hash_of_network(const struct ta_network_key *key) {
  u64 hash = ((u64)key->pid << 32 | key->netns) * 0x9e3779b97f4a7c15ull;
  hash ^= (u64)key->prefix[0] << 32 | key->prefix[1];
  hash *= 0x9e3779b97f4a7c15ull;
  hash ^= (u64)key->port << 16 | key->accepted << 8 | key->width;
  return hash * 0x9e3779b97f4a7c15ull >> 40;
}

/* Null if there is no room. Slots of earlier walks are free, `most` of all may be filled. */
static __always_inline struct ta_network *find_network(const struct ta_network_key *key, u32 most) {
  u32 at = hash_of_network(key);
  for (int probe = 0; probe < 16; probe++, at++) {
    struct ta_network *slot = &networks.slot[at & (TA_NETWORKS - 1)];
    if (is_network(slot, key)) return slot;
    if (slot->walk == networks.walk) continue;
    if (networks.count >= most) return NULL;
    __builtin_memset(slot, 0, sizeof(*slot));
    slot->key = *key;
    slot->walk = networks.walk;
    networks.filled[networks.count++ & (TA_NETWORKS - 1)] = at & (TA_NETWORKS - 1);
    return slot;
  }
  return NULL;
}

/* Null if the socket has no peer, or if there is no room: that is counted. */
static __always_inline struct ta_network *add_to_network(const struct sock *sk, u32 pid, u8 state) {
  if (state == TCP_LISTEN || state == TCP_CLOSE || state >= TA_STATES) return NULL;
  struct ta_network_key key = {};
  name_network(sk, pid, &key);
  struct ta_network *network = find_network(&key, TA_NETWORKS - TA_NETWORKS_WIDE);
  if (!network) {
    key.width = TA_NETWORK_ANY;
    key.prefix[0] = key.prefix[1] = 0;
    network = find_network(&key, TA_NETWORKS);
    if (!network) {
      networks.uncounted++;
      return NULL;
    }
    networks.widened++;
  }
  network->sockets[state]++;
  return network;
}

static __always_inline void look_at_connection(struct ta_network *network, struct sock *sk, struct tcp_sock *tp,
                                               u32 idle_slot, bool has_data, u64 charged, u32 now_j) {
  bool keepalive = (sk->__sk_common.skc_flags >> SOCK_KEEPOPEN) & 1;
  network->looked++;
  if (keepalive) network->keepalive++;
  if (BPF_CORE_READ_BITFIELD_PROBED(tp, nonagle) & 1) network->nodelay++;
  if (idle_slot < TA_IDLE_SLOTS) {
    network->idle[idle_slot]++;
    if (!keepalive) network->silent[idle_slot]++;
  }
  u64 forward = sk->sk_forward_alloc > 0 ? sk->sk_forward_alloc : 0;
  network->fwd_alloc += forward;
  network->bytes_sent += tp->bytes_sent;
  network->bytes_received += tp->bytes_received;
  struct chronographs limited = chronographs_of(tp, now_j);
  network->busy_j += limited.busy_j;
  network->rwnd_j += limited.rwnd_j;
  network->sndbuf_j += limited.sndbuf_j;
  if (idle_slot < TA_RESTS_FROM || has_data || !(charged + forward)) return;
  network->resting_bytes += charged + forward;
  network->resting_rcvbuf += sk->sk_rcvbuf;
}

#endif
