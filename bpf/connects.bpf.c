// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whose attempts to connect fail, where to, and how. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/store.h"

/* By process, destination and reason. The agent reads it, and removes what is over. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TA_CONNECTS);
  __type(key, struct ta_connect_key);
  __type(value, struct ta_connect);
} connects SEC(".maps");

static __always_inline void add_failure(const struct ta_connect_key *key, const struct ta_connect *failure) {
  struct ta_connect *known = bpf_map_lookup_elem(&connects, key);
  if (!known) {
    if (bpf_map_update_elem(&connects, key, failure, BPF_NOEXIST) == 0) return;
    known = bpf_map_lookup_elem(&connects, key); /* another processor was quicker, or there is no room */
  }
  if (!known) {
    count_lost(TA_LOST_CONNECT);
    return;
  }
  if (failure->last_ns - known->last_ns > TA_CONNECT_RUN_NS) known->count = 0; /* another run of failures */
  __sync_fetch_and_add(&known->count, 1);
  known->last_ns = failure->last_ns;
  known->waited_ns = failure->waited_ns;
}

/* The last failure that was counted at a route's lookup: another table may have a route after all. */
struct refused {
  struct ta_connect_key key;
  u32 thread, pad;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct refused);
} last_refused SEC(".maps");

static __always_inline u8 end_of(int error) {
  switch (error) {
    case ECONNREFUSED:
      return TA_CONNECT_REFUSED;
    case ETIMEDOUT:
      return TA_CONNECT_TIMED_OUT;
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return TA_CONNECT_UNREACHABLE;
    default:
      return TA_CONNECT_OTHER;
  }
}

static __always_inline void name_destination(const struct sock_common *skc, struct ta_connect_key *key) {
  if (skc->skc_family == AF_INET6) {
#pragma unroll
    for (int i = 0; i < 4; i++) key->destination[i] = skc->skc_v6_daddr.in6_u.u6_addr32[i];
  } else {
    key->destination[2] = bpf_htonl(0xffff);
    key->destination[3] = skc->skc_daddr;
  }
  key->port = bpf_ntohs(skc->skc_dport);
}

/* CLOSE -> SYN_SENT, by connect(): it found a route, so what was counted for want of one is taken back. */
static __always_inline void connect_begins(const struct sock *sk) {
  u32 zero = 0;
  struct refused *last = bpf_map_lookup_elem(&last_refused, &zero);
  if (!last || !last->thread || last->thread != (u32)bpf_get_current_pid_tgid()) return;
  struct ta_connect_key to = {0};
  name_destination(&sk->__sk_common, &to);
  last->thread = 0;
  if (to.port != last->key.port) return;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (to.destination[i] != last->key.destination[i]) return;
  }
  struct ta_connect *counted = bpf_map_lookup_elem(&connects, &last->key);
  if (counted && counted->count) __sync_fetch_and_add(&counted->count, -1ull);
}

/* SYN_SENT -> CLOSE, in whatever context: the process is the one that called connect(). Without an error it was close()
 * or shutdown(), or connect() itself, which takes the step back when it finds no local port. */
static __always_inline void connect_failed(struct sock *sk, const struct ta_sock *state) {
  struct ta_connect_key key = {0};
  struct ta_connect failure = {.count = 1};
  const struct sock_common *skc = &sk->__sk_common;
  struct socket *socket = sk->sk_socket;
  int error = sk->sk_err;
  if (error)
    key.end = end_of(error);
  else
    key.end = socket && socket->state == SS_UNCONNECTED ? TA_CONNECT_NO_PORT : TA_CONNECT_GIVEN_UP;
  name_destination(skc, &key);
  if (skc->skc_net.net) key.netns = skc->skc_net.net->ns.inum;
  failure.last_ns = bpf_ktime_get_ns();
  if (state) {
    key.tgid = state->tgid;
    __builtin_memcpy(failure.comm, state->comm, sizeof(failure.comm));
    if (state->since_ns) failure.waited_ns = failure.last_ns - state->since_ns;
  }
  add_failure(&key, &failure);
}

/* What connect() refuses before SYN_SENT: there is no route, or one that forbids it. What it refuses later is seen as a
 * change of state. In connect()'s own context. */
static __always_inline void count_refused(struct ta_connect_key *key, u32 netns, int error) {
  struct ta_connect failure = {.count = 1};
  key->end = end_of(error);
  key->netns = netns;
  key->tgid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(failure.comm, sizeof(failure.comm));
  failure.last_ns = bpf_ktime_get_ns();
  add_failure(key, &failure);
}

static __always_inline void connect_refused(const struct sock *sk, const void *address, bool v6, int error) {
  struct ta_connect_key key = {0};
  if (error != ENETUNREACH && error != EHOSTUNREACH && error != ENETDOWN && error != EHOSTDOWN && error != EACCES &&
      error != EPERM && error != EINVAL)
    return;
  struct {
    u16 family, port;
    u32 words[5];
  } to = {0};
  bpf_probe_read_kernel(&to, v6 ? 24 : 8, address);
  if (v6) {
    if (to.family != AF_INET6) return;
    if (!to.words[1] && !to.words[2] && to.words[3] == bpf_htonl(0xffff)) return; /* goes on to the IPv4 function */
#pragma unroll
    for (int i = 0; i < 4; i++) key.destination[i] = to.words[i + 1];
  } else {
    if (to.family != AF_INET) return;
    key.destination[2] = bpf_htonl(0xffff);
    key.destination[3] = to.words[0];
  }
  key.port = bpf_ntohs(to.port);
  count_refused(&key, sk->__sk_common.skc_net.net ? sk->__sk_common.skc_net.net->ns.inum : 0, error);
}

SEC("fexit/tcp_v4_connect")
int BPF_PROG(x_connect4, struct sock *sk, void *address, int length, int result) {
  if (result < 0) MEASURED(TA_HOOK_CONNECTS, connect_refused(sk, address, false, -result));
  return 0;
}

SEC("fexit/tcp_v6_connect")
int BPF_PROG(x_connect6, struct sock *sk, void *address, int length, int result) {
  if (result < 0) MEASURED(TA_HOOK_CONNECTS, connect_refused(sk, address, true, -result));
  return 0;
}

/* The same where no function can be entered: the lookup of a route that fails. It is connect()'s if it is for an
 * outgoing TCP packet whose local port is not chosen yet; an answer, in a softirq, has one. */
static __always_inline bool is_connect(const struct flowi_common *flow, __be16 local_port, __be16 port) {
  return flow->flowic_proto == IPPROTO_TCP && flow->flowic_iif == LOOPBACK_IFINDEX && !flow->flowic_oif &&
         !local_port && port;
}

static __always_inline void no_route(struct ta_connect_key *key, u32 netns, int error) {
  u32 zero = 0;
  count_refused(key, netns, error);
  struct refused *last = bpf_map_lookup_elem(&last_refused, &zero);
  if (!last) return;
  last->key = *key;
  last->thread = bpf_get_current_pid_tgid();
}

static __always_inline void no_route4(u32 table, const struct flowi4 *flow, int error) {
  if (!is_connect(&flow->__fl_common, flow->uli.ports.sport, flow->uli.ports.dport)) return;
  if (error == EAGAIN && table != RT_TABLE_MAIN) return; /* the next table is asked */
  struct ta_connect_key key = {0};
  key.destination[2] = bpf_htonl(0xffff);
  key.destination[3] = flow->daddr;
  key.port = bpf_ntohs(flow->uli.ports.dport);
  struct task_struct *task = (void *)bpf_get_current_task();
  no_route(&key, BPF_CORE_READ(task, nsproxy, net_ns, ns.inum), error == EAGAIN ? ENETUNREACH : error);
}

/* The lookup of the source address comes first; with one, the same is looked up again. */
static __always_inline void no_route6(const struct net *net, u8 type, u32 table, const struct flowi6 *flow) {
  if (!is_connect(&flow->__fl_common, flow->uli.ports.sport, flow->uli.ports.dport) || table != RT_TABLE_MAIN) return;
  struct ta_connect_key key = {0};
  u32 source = 0;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    source |= flow->saddr.in6_u.u6_addr32[i];
    key.destination[i] = flow->daddr.in6_u.u6_addr32[i];
  }
  if (source) return;
  key.port = bpf_ntohs(flow->uli.ports.dport);
  no_route(&key, net->ns.inum, type == RTN_UNREACHABLE ? ENETUNREACH : EACCES);
}

SEC("tp_btf/fib_table_lookup")
int BPF_PROG(on_no_route4, u32 table, const struct flowi4 *flow, const void *next_hop, int result) {
  if (result < 0) MEASURED(TA_HOOK_CONNECTS, no_route4(table, flow, -result));
  return 0;
}

SEC("tp_btf/fib6_table_lookup")
int BPF_PROG(on_no_route6, const struct net *net, const struct fib6_result *found, const struct fib6_table *table,
             const struct flowi6 *flow) {
  u8 type = found->fib6_type;
  if (type == RTN_UNREACHABLE || type == RTN_BLACKHOLE || type == RTN_PROHIBIT)
    MEASURED(TA_HOOK_CONNECTS, no_route6(net, type, table->tb6_id, flow));
  return 0;
}
