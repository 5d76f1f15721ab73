// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who closes how, how long each state lasts, what a connection moved in its life. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/store.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct ta_life);
} life SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, u32);
  __type(value, struct ta_closed);
} by_pid SEC(".maps");

static __always_inline struct ta_life *totals(void) {
  u32 zero = 0;
  return bpf_map_lookup_elem(&life, &zero);
}

static __always_inline bool had_fin(const struct sock *sk) {
  return sk->__sk_common.skc_flags & (1ul << SOCK_DONE); /* tcp_fin() sets it, nothing else on a TCP socket */
}

static __always_inline u32 positive(u32 difference) {
  return (int)difference > 0 ? difference : 0;
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

static __always_inline void add_by_pid(u32 tgid, const struct ta_closed *add) {
  struct ta_closed *sum = bpf_map_lookup_elem(&by_pid, &tgid);
  if (!sum) {
    struct ta_closed none = {0};
    bpf_map_update_elem(&by_pid, &tgid, &none, BPF_NOEXIST);
    sum = bpf_map_lookup_elem(&by_pid, &tgid);
    if (!sum) {
      count_lost(TA_LOST_BY_PID);
      return;
    }
  }
  __sync_fetch_and_add(&sum->closed, add->closed);
  __sync_fetch_and_add(&sum->bytes_sent, add->bytes_sent);
  __sync_fetch_and_add(&sum->bytes_received, add->bytes_received);
  __sync_fetch_and_add(&sum->send_calls, add->send_calls);
  __sync_fetch_and_add(&sum->recv_calls, add->recv_calls);
}

/* The last look at a connection's counters: at CLOSE they are all still there (at destroy they may be zeroed). */
static __always_inline void last_look(struct sock *sk, struct ta_sock *state, struct ta_life *sum, int old) {
  struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
  if (!tp) return;
  struct ta_closed mine = {.closed = 1};
  mine.bytes_sent = tp->bytes_sent - tp->bytes_retrans;
  mine.bytes_received = tp->bytes_received;
  if (mine.bytes_received && had_fin(sk)) mine.bytes_received--; /* the FIN counts as one */
  u32 unsent = tp->write_seq - tp->snd_una;
  if (old == TCP_FIN_WAIT1 || old == TCP_LAST_ACK || old == TCP_CLOSING) unsent--; /* our FIN */
  unsent = positive(unsent);
  u32 unread = unread_bytes(tp, sk);
  bool by_error = sk->sk_err != 0; /* reset by the peer or timed out, not an application's close() */

  sum->closed++;
  sum->bytes_sent += mine.bytes_sent;
  sum->bytes_received += mine.bytes_received;
  if (unread && !by_error && (old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT || old == TCP_SYN_RECV)) {
    sum->unread_at_close++;
    sum->unread_bytes_at_close += unread;
  }
  if (unsent) {
    sum->unsent_at_close++;
    sum->unsent_bytes_at_close += unsent;
  }
  u32 tgid = 0;
  if (state) {
    tgid = state->tgid;
    mine.send_calls = calls_in(state->send);
    mine.recv_calls = calls_in(state->recv);
    sum->send_calls += mine.send_calls;
    sum->recv_calls += mine.recv_calls;
  }
  if (by_error) {
    sum->reset++;
  } else if (state && state->ended_by == TA_ENDED_BY_PEER) {
    sum->closed_by_peer++;
  } else if ((state && state->ended_by == TA_ENDED_BY_US) || old == TCP_ESTABLISHED) {
    sum->closed_by_us++;
  }
  /* Straight from here to CLOSE without an error: only close() does that (unread data, or linger 0), in its own
   * context. */
  if (!tgid && !by_error && (old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT)) tgid = bpf_get_current_pid_tgid() >> 32;
  add_by_pid(tgid, &mine);
}

/* Fires before the new state is stored; for CLOSE after the socket was unhashed. MPTCP and others pass here too. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old, int new) {
  if (sk->sk_protocol != IPPROTO_TCP) return 0;
  if (new == TCP_LISTEN || old == TCP_LISTEN || new == TCP_SYN_RECV) return 0;
  struct ta_life *sum = totals();
  if (!sum) return 0;
  struct ta_sock *state;
  if (new == TCP_CLOSE)
    state = find_sock(sk);
  else
    state = find_or_make_sock(sk);

  if (state) {
    u64 now = bpf_ktime_get_ns();
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
  if (new == TCP_ESTABLISHED) sum->opened++;
  if (new == TCP_CLOSE) {
    if (old != TCP_SYN_SENT && old != TCP_SYN_RECV && old != TCP_CLOSE && old != TCP_NEW_SYN_RECV)
      last_look(sk, state, sum, old);
    if (cfg.in_hash) {
      u64 key = (u64)sk;
      bpf_map_delete_elem(&flows, &key);
    }
  }
  return 0;
}

/* The owner of a connection that never made a call we saw, also where no state change happens in close()'s context. */
static __always_inline void app_closes(void *sk) {
  struct ta_sock *state = find_sock(sk);
  if (state && !state->tgid) note_owner(state);
}

SEC("fentry/tcp_close")
int BPF_PROG(e_close, struct sock *sk, long timeout) {
  app_closes(sk);
  return 0;
}

SEC("kprobe/tcp_close")
int BPF_KPROBE(k_close, struct sock *sk, long timeout) {
  app_closes(sk);
  return 0;
}

static __always_inline void count_reset(u32 reason) {
  struct ta_life *sum = totals();
  if (sum) sum->resets_sent[reason & (TA_RESET_REASONS - 1)]++;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset, const struct sock *sk, const void *skb, int reason) {
  count_reset(reason);
  return 0;
}

/* Before 6.10 there is no reason. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset2, const struct sock *sk, const void *skb) {
  count_reset(0);
  return 0;
}
