/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps and accessors that several parts share: per-socket state, losses, what our hooks cost. */
#ifndef TCPADVISOR_STORE_H
#define TCPADVISOR_STORE_H

#include "bpf/vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/abi.h"

const volatile struct ta_config cfg SEC(".rodata.cfg") = {0};

/* State of a socket that is freed with it: no leak, no reuse of addresses, no size to guess. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct ta_sock);
} socks SEC(".maps");

/* The same where socket storage is out of reach (kprobes; kernels before 5.11). Keyed by address, removed at CLOSE. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __type(key, u64);
  __type(value, struct ta_sock);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TA_LOST_KINDS);
  __type(key, u32);
  __type(value, u64);
} lost SEC(".maps");

static __always_inline void count_lost(u32 kind) {
  u64 *counter = bpf_map_lookup_elem(&lost, &kind);
  if (counter) __sync_fetch_and_add(counter, 1); /* a program may interrupt another one here */
}

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TA_HOOKS);
  __type(key, u32);
  __type(value, struct ta_cost);
} costs SEC(".maps");

volatile u32 measuring; /* the agent writes it, through its mapping of our variables */

static __always_inline u64 measure_from(void) {
  return measuring ? bpf_ktime_get_ns() : 0;
}

static __always_inline void measure_to(u32 hook, u64 since) {
  if (!since) return;
  struct ta_cost *cost = bpf_map_lookup_elem(&costs, &hook);
  if (!cost) return;
  __sync_fetch_and_add(&cost->runs, 1);
  __sync_fetch_and_add(&cost->ns, bpf_ktime_get_ns() - since);
}

/* The body of every hook (not of the iterators: their time is the agent's own). */
#define MEASURED(hook, work)    \
  do {                          \
    u64 since = measure_from(); \
    work;                       \
    measure_to(hook, since);    \
  } while (0)

/* Whole addresses, also of IPv6: what is on one network may still be reached, or not, one by one. */
static __always_inline void name_peer(const struct sock_common *to, const struct sock_common *of,
                                      struct ta_peer_key *key) {
  if (to->skc_family == AF_INET6) {
#pragma unroll
    for (int i = 0; i < 4; i++) key->address[i] = to->skc_v6_daddr.in6_u.u6_addr32[i];
  } else {
    key->address[2] = bpf_htonl(0xffff);
    key->address[3] = to->skc_daddr;
  }
  if (of->skc_net.net) key->netns = of->skc_net.net->ns.inum;
}

/* A difference of two sequence numbers that may be behind each other. */
static __always_inline u32 positive(u32 difference) {
  return (int)difference > 0 ? difference : 0;
}

/* `sk` must be a BTF pointer where cfg.in_hash is 0 (fentry, fexit, tp_btf, iterators). */
static __always_inline struct ta_sock *find_sock(void *sk) {
  if (cfg.in_hash) {
    u64 key = (u64)sk;
    return bpf_map_lookup_elem(&flows, &key);
  }
  return bpf_sk_storage_get(&socks, sk, 0, 0);
}

static const struct ta_sock new_sock_zero SEC(".rodata.zero") = {0};

static __always_inline struct ta_sock *find_or_make_sock(void *sk) {
  struct ta_sock *found = find_sock(sk);
  if (found) return found;
  if (cfg.in_hash) {
    u64 key = (u64)sk;
    bpf_map_update_elem(&flows, &key, &new_sock_zero, BPF_NOEXIST);
    found = bpf_map_lookup_elem(&flows, &key);
  } else {
    found = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  }
  if (!found) count_lost(TA_LOST_SOCK);
  return found;
}

/* Who runs now. Only to be called in process context of the socket's own user. */
static __always_inline void note_owner(struct ta_sock *state) {
  u32 tgid = bpf_get_current_pid_tgid() >> 32;
  if (state->tgid == tgid) return;
  state->tgid = tgid;
  bpf_get_current_comm(state->comm, sizeof(state->comm));
}

/* A tree of comparisons with constants: half the instructions of shifting, on a path that every call takes. 0 and 1
 * give 0. */
static __always_inline u32 log2_u32(u32 value) {
  if (value < 1 << 8) {
    if (value < 1 << 4) return value < 1 << 2 ? value >> 1 : value < 1 << 3 ? 2 : 3;
    if (value < 1 << 6) return value < 1 << 5 ? 4 : 5;
    return value < 1 << 7 ? 6 : 7;
  }
  if (value < 1 << 16) {
    if (value < 1 << 12) {
      if (value < 1 << 10) return value < 1 << 9 ? 8 : 9;
      return value < 1 << 11 ? 10 : 11;
    }
    if (value < 1 << 14) return value < 1 << 13 ? 12 : 13;
    return value < 1 << 15 ? 14 : 15;
  }
  u32 log = 16;
  value >>= 16;
  if (value >> 8) {
    value >>= 8;
    log += 8;
  }
  if (value >> 4) {
    value >>= 4;
    log += 4;
  }
  if (value >> 2) {
    value >>= 2;
    log += 2;
  }
  return log + (value >> 1);
}

#endif
