/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Local ports in use towards each destination, counted during the walk over all sockets: connect() needs one that no
 * other connection from this address to that address and port has, those in TIME_WAIT included. The four numbers of a
 * connection are unique in a namespace, so its sockets count its ports. */
#ifndef TCPADVISOR_PORT_USE_H
#define TCPADVISOR_PORT_USE_H

#include "bpf/store.h"

struct ta_towards towards;

static u32 last_destination;

/* IPv4 as ::ffff:a.b.c.d: a socket of either family may hold the port. */
static __always_inline void fill_pair(const struct sock_common *skc, struct ta_pair *pair) {
  if (skc->skc_family == AF_INET6) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      pair->source[i] = skc->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
      pair->destination[i] = skc->skc_v6_daddr.in6_u.u6_addr32[i];
    }
  } else {
    pair->source[0] = pair->source[1] = pair->destination[0] = pair->destination[1] = 0;
    pair->source[2] = pair->destination[2] = bpf_htonl(0xffff);
    pair->source[3] = skc->skc_rcv_saddr;
    pair->destination[3] = skc->skc_daddr;
  }
  pair->port = bpf_ntohs(skc->skc_dport);
}

static __always_inline bool is_pair(const struct ta_destination *slot, const struct ta_pair *pair) {
  if (slot->walk != towards.walk || slot->pair.port != pair->port) return false;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (slot->pair.source[i] != pair->source[i] || slot->pair.destination[i] != pair->destination[i]) return false;
  }
  return true;
}

static __always_inline u32 hash_of(const struct ta_pair *pair) {
  u64 hash = pair->port;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    hash = (hash ^ ((u64)pair->source[i] << 32 | pair->destination[i])) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
  }
  return hash >> 32;
}

/* bind() chose the port, before connect(): a bucket of connect() alone has -1 (net/ipv4/inet_hashtables.c). */
static __always_inline bool chosen_by_bind(const struct sock_common *skc, bool timewait) {
  struct inet_bind_bucket *bucket = timewait ? BPF_CORE_READ((struct inet_timewait_sock *)skc, tw_tb)
                                             : BPF_CORE_READ((struct inet_connection_sock *)skc, icsk_bind_hash);
  return bucket && BPF_CORE_READ(bucket, fastreuse) >= 0;
}

/* A connection that arrived at a port on which we listen needs no port of its own, and connect() chooses none outside
 * of the range. Slots of earlier walks are free. */
static __always_inline void add_port_use(const struct sock_common *skc, u8 state, bool timewait) {
  u16 port = skc->skc_num;
  if (port < towards.low || port > towards.high || walk.port_slot[port]) return;
  if (state == TCP_LISTEN || state == TCP_CLOSE || state == TCP_NEW_SYN_RECV) return;
  struct ta_pair pair;
  fill_pair(skc, &pair);
  u32 at = last_destination & (TA_DESTINATIONS - 1);
  if (!is_pair(&towards.slot[at], &pair)) {
    bool found = false;
    at = hash_of(&pair) & (TA_DESTINATIONS - 1);
    for (int probe = 0; probe < 16; probe++) {
      struct ta_destination *slot = &towards.slot[at & (TA_DESTINATIONS - 1)];
      if (slot->walk != towards.walk) {
        slot->pair = pair;
        slot->used = slot->timewait = slot->bound = slot->bound_timewait = 0;
        slot->walk = towards.walk;
        towards.filled[towards.count++ & (TA_DESTINATIONS - 1)] = at;
      }
      found = is_pair(slot, &pair);
      if (found) break;
      at = (at + 1) & (TA_DESTINATIONS - 1);
    }
    if (!found) {
      towards.uncounted++;
      return;
    }
    last_destination = at;
  }
  struct ta_destination *slot = &towards.slot[at & (TA_DESTINATIONS - 1)];
  slot->used++;
  if (state == TCP_TIME_WAIT) slot->timewait++;
  if (chosen_by_bind(skc, timewait)) {
    slot->bound++;
    if (state == TCP_TIME_WAIT) slot->bound_timewait++;
  }
}

#endif
