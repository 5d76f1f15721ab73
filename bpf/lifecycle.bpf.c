// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who closes how, how long each state lasts, what a connection moved in its life. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/networks.h"
#include "bpf/store.h"
/* connect_begins() and connect_failed() are in connects.bpf.c, which comes before this part. */

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TA_COPIES);
  __type(key, u32);
  __type(value, struct ta_life);
} life SEC(".maps");

static __always_inline struct ta_life *totals(u32 copy) {
  return bpf_map_lookup_elem(&life, &copy);
}

static __always_inline bool had_fin(const struct sock *sk) {
  return sk->__sk_common.skc_flags & (1ul << SOCK_DONE); /* tcp_fin() sets it, nothing else on a TCP socket */
}

static __always_inline u32 unread_bytes(struct tcp_sock *tp, const struct sock *sk) {
  return positive(tp->rcv_nxt - tp->copied_seq - (had_fin(sk) ? 1 : 0));
}

static __always_inline u64 calls_in(const u32 *slots) {
  u64 calls = 0;
#pragma unroll
  for (int i = 0; i < TA_SLOTS; i++) calls += slots[i];
  return calls;
}

/* The last look at a connection's counters: at CLOSE they are all still there (at destroy they may be zeroed). */
static __always_inline void last_look(struct sock *sk, struct ta_sock *state, struct ta_life *sum, int old) {
  struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
  if (!tp) return;
  u64 received = tp->bytes_received;
  if (received && had_fin(sk)) received--; /* the FIN counts as one */
  u32 unsent = tp->write_seq - tp->snd_una;
  if (old == TCP_FIN_WAIT1 || old == TCP_LAST_ACK || old == TCP_CLOSING) unsent--; /* our FIN */
  unsent = positive(unsent);
  u32 unread = unread_bytes(tp, sk);
  bool by_error = sk->sk_err != 0; /* reset by the peer or timed out, not an application's close() */

  sum->closed++;
  sum->bytes_sent += tp->bytes_sent - tp->bytes_retrans;
  sum->bytes_received += received;
  if (unread && !by_error && (old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT || old == TCP_SYN_RECV)) {
    sum->unread_at_close++;
    sum->unread_bytes_at_close += unread;
  }
  if (unsent && !by_error) { /* who is reset by its peer has thrown nothing away: often only an ACK was still missing */
    sum->unsent_at_close++;
    sum->unsent_bytes_at_close += unsent;
  }
  if (state) {
    sum->send_calls += calls_in(state->send);
    sum->recv_calls += calls_in(state->recv);
  }
  if (by_error) {
    sum->reset++;
  } else if (state && state->ended_by == TA_ENDED_BY_PEER) {
    sum->closed_by_peer++;
  } else if ((state && state->ended_by == TA_ENDED_BY_US) || old == TCP_ESTABLISHED) {
    sum->closed_by_us++;
  }
}

/* By process, as the first pid namespace numbers it. The agent reads it, and removes what is over. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TA_CLOSERS);
  __type(key, u32);
  __type(value, struct ta_closer);
} closers SEC(".maps");

static const struct ta_closer new_closer_zero SEC(".rodata.zero") = {0};

static __always_inline struct ta_closer *find_or_make_closer(u32 tgid) {
  struct ta_closer *found = bpf_map_lookup_elem(&closers, &tgid);
  if (found) return found;
  bpf_map_update_elem(&closers, &tgid, &new_closer_zero, BPF_NOEXIST);
  found = bpf_map_lookup_elem(&closers, &tgid);
  if (!found) count_lost(TA_LOST_CLOSER);
  return found;
}

/* The agent does the same with a clump that nothing has followed yet (agent/kernel/decode.cc). */
static __always_inline void end_clump(struct ta_closer *all) {
  const struct ta_clump *now = &all->now;
  if (now->closes < TA_CLUMP_LEAST || now->last_ns - now->first_ns > TA_CLUMP_SPAN_NS) return;
  all->clumps++;
  all->gathered += now->closes;
  if (all->largest < now->closes) all->largest = now->closes;
  all->elsewhere += now->elsewhere;
  all->min_age_j += now->min_age_j;
  all->max_age_j += now->max_age_j;
  all->min_quiet_j += now->min_quiet_j;
  all->max_quiet_j += now->max_quiet_j;
  all->quiet_j += now->quiet_j;
  all->used_j += now->used_j;
}

/* To another destination than the last one? */
static __always_inline bool goes_elsewhere(struct ta_closer *all, const struct sock *sk) {
  const struct sock_common *skc = &sk->__sk_common;
  u32 to[4] = {0}, port = bpf_ntohs(skc->skc_dport);
  if (skc->skc_family == AF_INET6) {
#pragma unroll
    for (int i = 0; i < 4; i++) to[i] = skc->skc_v6_daddr.in6_u.u6_addr32[i];
  } else {
    to[2] = bpf_htonl(0xffff);
    to[3] = skc->skc_daddr;
  }
  bool another = all->port != port;
  all->port = port;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    another |= all->destination[i] != to[i];
    all->destination[i] = to[i];
  }
  return another;
}

/* Who closes because the peer has, could not have done it before: then the time since the last segment counts, which
 * brought the peer's FIN. */
static __always_inline void add_to_clump(struct ta_closer *all, struct sock *sk, int old, u32 opened_j, u64 now) {
  const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
  if (!tp) return;
  u32 now_j = (u32)bpf_jiffies64();
  u32 age = now_j - opened_j, sent = now_j - tp->lsndtime;
  u32 received = now_j - (old == TCP_CLOSE_WAIT ? tp->rcv_tstamp : tp->inet_conn.icsk_ack.lrcvtime);
  u32 quiet = sent < received ? sent : received;
  if (quiet > age) quiet = age; /* never a byte */
  struct ta_clump *clump = &all->now;
  if (!clump->closes || now - clump->last_ns > TA_CLUMP_GAP_NS) {
    end_clump(all);
    __builtin_memset(clump, 0, sizeof(*clump));
    clump->first_ns = now;
    clump->min_age_j = clump->min_quiet_j = 0xffffffff;
  }
  clump->last_ns = now;
  clump->closes++;
  clump->elsewhere += goes_elsewhere(all, sk);
  if (age < clump->min_age_j) clump->min_age_j = age;
  if (age > clump->max_age_j) clump->max_age_j = age;
  if (quiet < clump->min_quiet_j) clump->min_quiet_j = quiet;
  if (quiet > clump->max_quiet_j) clump->max_quiet_j = quiet;
  clump->quiet_j += quiet;
  clump->used_j += age - quiet;
}

/* A server that accepts in rounds closes what came since the last one all at once, and at all ages: they had waited for
 * accept(). What the program has not forgotten it has read just now, or there never was anything to read. */
static __always_inline bool comes_from_accept(struct sock *sk, u64 now) {
  const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
  if (!tp || !was_accepted(sk)) return false;
  u64 received = tp->bytes_received;
  if (received && had_fin(sk)) received--;
  return (!received && !tp->bytes_sent) || now < tp->tcp_mstamp * 1000 + TA_CLUMP_GAP_NS;
}

/* The steps that only close() and shutdown() make, in their own context. What the end of a process closes comes at
 * once, too, and says nothing about it. */
static __always_inline bool program_closes(const struct sock *sk, int old, int new) {
  if (new == TCP_FIN_WAIT1) return old == TCP_ESTABLISHED;
  if (new == TCP_LAST_ACK) return true;
  return new == TCP_CLOSE && (old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT) && !sk->sk_err; /* by a reset of ours */
}

/* Data that the program has not read resets the connection whatever SO_LINGER says. */
static __always_inline void count_reset_by(struct ta_closer *all, struct sock *sk) {
  struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
  all->resets++;
  if (!tp || unread_bytes(tp, sk)) return;
  u32 unsent = positive(tp->write_seq - tp->snd_una); /* no FIN is among it yet */
  all->lost += unsent != 0;
  all->lost_bytes += unsent;
}

static __always_inline void count_close(struct sock *sk, int old, int new, const struct ta_sock *state) {
  struct task_struct *task = (void *)bpf_get_current_task();
  if (BPF_CORE_READ(task, flags) & PF_EXITING) return;
  struct ta_closer *all = find_or_make_closer(bpf_get_current_pid_tgid() >> 32);
  if (!all) return;
  u64 now = bpf_ktime_get_ns();
  if (now - all->last_ns > TA_CLOSE_RUN_NS) { /* the first one, too */
    __builtin_memset(all, 0, sizeof(*all));
    bpf_get_current_comm(all->comm, sizeof(all->comm));
    all->first_ns = now;
  }
  all->last_ns = now;
  all->closes++;
  if (new == TCP_CLOSE) count_reset_by(all, sk);
  if (sk->__sk_common.skc_net.net) all->netns = sk->__sk_common.skc_net.net->ns.inum;
  if (state && state->opened_j && !comes_from_accept(sk, now)) add_to_clump(all, sk, old, state->opened_j, now);
}

static __always_inline void state_changes(struct sock *sk, int old, int new, struct ta_life *sum) {
  if (sk->sk_protocol != IPPROTO_TCP) return; /* MPTCP and others pass here too */
  if (new == TCP_LISTEN || old == TCP_LISTEN || new == TCP_SYN_RECV) return;
  struct ta_sock *state;
  if (new == TCP_CLOSE)
    state = find_sock(sk);
  else
    state = find_or_make_sock(sk);

  if (old == TCP_SYN_SENT && new == TCP_CLOSE) connect_failed(sk, state);
  if (state) {
    u64 now = bpf_ktime_get_ns();
    if (new == TCP_SYN_SENT) { /* only connect() makes this step, and sendmsg() in its place */
      note_owner(state);
      connect_begins(sk);
    }
    if (state->since_ns) {
      u64 ms = (now - state->since_ns) / 1000000;
      u32 slot = ms >> 32 ? TA_DWELL_SLOTS - 1 : log2_u32((u32)ms);
      sum->dwell[old & (TA_DWELL_STATES - 1)][slot & (TA_DWELL_SLOTS - 1)]++;
    }
    state->since_ns = now;
    /* Only tcp_close_state() makes these two steps, in the context of close() or shutdown(): the current task is the
     * owner. */
    if ((new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK) && !state->tgid) note_owner(state);
    if (new == TCP_FIN_WAIT1 && state->ended_by == TA_ENDED_UNKNOWN) state->ended_by = TA_ENDED_BY_US;
    if (new == TCP_CLOSE_WAIT && state->ended_by == TA_ENDED_UNKNOWN) state->ended_by = TA_ENDED_BY_PEER;
  }
  if (new == TCP_ESTABLISHED) {
    sum->opened++;
    if (state) state->opened_j = (u32)bpf_jiffies64() ?: 1;
  }
  if (program_closes(sk, old, new)) count_close(sk, old, new, state);
  if (new == TCP_CLOSE) {
    if (old != TCP_SYN_SENT && old != TCP_SYN_RECV && old != TCP_CLOSE && old != TCP_NEW_SYN_RECV)
      last_look(sk, state, sum, old);
    if (cfg.in_hash) {
      u64 key = (u64)sk;
      bpf_map_delete_elem(&flows, &key);
    }
  }
}

/* The kernel does not run a program that already runs on this processor: a state change in a softirq that interrupts
 * the program would be lost. So there are two copies. The first, which the kernel calls first because it is attached
 * first, leaves a mark for the second; where the second finds none, the first did not run, and it takes over. Each
 * copy has totals of its own, because one may interrupt the other in the middle of an addition. The first leaves no
 * mark when it interrupts the second, which then does not run for it; a mark that stays behind all the same waits here
 * to be overwritten. */
enum { MARKS = 4 };
struct marks {
  struct {
    u64 sk, change;
  } of[MARKS];
  u32 next;
  volatile u32 second_runs;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct marks);
} marks SEC(".maps");

static __always_inline struct marks *own_marks(void) {
  u32 zero = 0;
  return bpf_map_lookup_elem(&marks, &zero);
}

static __always_inline void leave_mark(const struct sock *sk, int old, int new) {
  struct marks *here = own_marks();
  if (!here || here->second_runs) return;
  u32 at = MARKS;
#pragma unroll
  for (u32 i = 0; i < MARKS; i++) {
    if (here->of[i].sk == (u64)sk) here->of[i].sk = 0; /* of an earlier event: one at a time per socket */
    if (at == MARKS && !here->of[i].sk) at = i;
  }
  if (at == MARKS) at = here->next++;
  at &= MARKS - 1;
  here->of[at].change = (u64)(u32)old << 32 | (u32) new;
  here->of[at].sk = (u64)sk;
}

static __always_inline bool take_mark(struct marks *here, const struct sock *sk, int old, int new) {
#pragma unroll
  for (u32 i = 0; i < MARKS; i++) {
    if (here->of[i].sk == (u64)sk && here->of[i].change == ((u64)(u32)old << 32 | (u32) new)) {
      here->of[i].sk = 0;
      return true;
    }
  }
  return false;
}

/* Fires before the new state is stored; for CLOSE after the socket was unhashed. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old, int new) {
  leave_mark(sk, old, new);
  struct ta_life *sum = totals(0);
  if (sum) MEASURED(TA_HOOK_STATES, state_changes(sk, old, new, sum));
  return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state2, struct sock *sk, int old, int new) {
  struct marks *here = own_marks();
  if (!here) return 0;
  here->second_runs = 1;
  struct ta_life *sum = take_mark(here, sk, old, new) ? NULL : totals(1);
  if (sum) {
    sum->taken_over++;
    MEASURED(TA_HOOK_STATES, state_changes(sk, old, new, sum));
  }
  here->second_runs = 0;
  return 0;
}

/* The owner of a connection that never made a call we saw, also where no state change happens in close()'s context. */
static __always_inline void app_closes(void *sk) {
  struct ta_sock *state = find_sock(sk);
  if (state && !state->tgid) note_owner(state);
}

SEC("fentry/tcp_close")
int BPF_PROG(e_close, struct sock *sk, long timeout) {
  MEASURED(TA_HOOK_CLOSE, app_closes(sk));
  return 0;
}

SEC("kprobe/tcp_close")
int BPF_KPROBE(k_close, struct sock *sk, long timeout) {
  MEASURED(TA_HOOK_CLOSE, app_closes(sk));
  return 0;
}

static __always_inline void count_reset(u32 reason) {
  struct ta_life *sum = totals(0);
  if (sum) sum->resets_sent[reason & (TA_RESET_REASONS - 1)]++;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset, const struct sock *sk, const void *skb, int reason) {
  MEASURED(TA_HOOK_RESETS, count_reset(reason));
  return 0;
}

/* Before 6.10 there is no reason. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset2, const struct sock *sk, const void *skb) {
  MEASURED(TA_HOOK_RESETS, count_reset(0));
  return 0;
}
