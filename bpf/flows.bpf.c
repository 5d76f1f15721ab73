// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who moves how much, who waits for how long: one event per send and receive call, and per wait for send memory.
 * Bytes are not counted here (retries, splice, kTLS and io_uring would escape): they come from tcp_sock in the walk. */
#include "bpf/store.h"

static __always_inline u32 slot_of(long result) {
  if (result > 0) {
    u32 slot = 3 + log2_u32((u32)result);
    return slot < TA_SLOTS ? slot : TA_SLOTS - 1;
  }
  return result == 0 ? 2 : result == -EAGAIN ? 1 : 0;
}

static __always_inline void on_send(void *sk, long result) {
  struct ta_sock *state = find_or_make_sock(sk);
  if (!state) return;
  u32 slot = slot_of(result);
  if (slot < TA_SLOTS) __sync_fetch_and_add(&state->send[slot], 1); /* several threads may send on one socket */
  state->last_send_j = (u32)bpf_jiffies64();
  note_owner(state);
  if (result > 0) state->small_run = result < TA_SMALL_WRITE ? state->small_run + 1 : 0;
}

static __always_inline void on_receive(void *sk, long result) {
  struct ta_sock *state = find_or_make_sock(sk);
  if (!state) return;
  u32 slot = slot_of(result);
  if (slot < TA_SLOTS) __sync_fetch_and_add(&state->recv[slot], 1);
  state->last_recv_j = (u32)bpf_jiffies64();
  /* Who only reads is noted once; asking on each read costs as much as the count. */
  if (!state->tgid) note_owner(state);
  if (state->small_run) { /* write, write, read: what Nagle and delayed ACKs turn into a stall */
    if (state->small_run > 1) state->small_runs++;
    state->small_run = 0;
  }
}

/* The result and the right process, at one trampoline per call. */
SEC("fexit/tcp_sendmsg")
int BPF_PROG(x_sendmsg, struct sock *sk, void *msg, unsigned long size, int result) {
  MEASURED(TA_HOOK_CALLS, on_send(sk, result));
  return 0;
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(x_recvmsg, struct sock *sk, void *msg, unsigned long size, int flags, void *addr_len, int result) {
  MEASURED(TA_HOOK_CALLS, on_receive(sk, result));
  return 0;
}

/* The same since the function lost `addr_len` (seen in 6.18). */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(x_recvmsg4, struct sock *sk, void *msg, unsigned long size, int flags, int result) {
  MEASURED(TA_HOOK_CALLS, on_receive(sk, result));
  return 0;
}

/* The same before 5.19, when the function still had `nonblock`. */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(x_recvmsg6, struct sock *sk, void *msg, unsigned long size, int nonblock, int flags, void *addr_len,
             int result) {
  MEASURED(TA_HOOK_CALLS, on_receive(sk, result));
  return 0;
}

static __always_inline bool is_tcp(const struct sock *sk) {
  u16 family = sk->__sk_common.skc_family;
  return sk->sk_protocol == IPPROTO_TCP && (family == AF_INET || family == AF_INET6);
}

/* Where trampolines are refused: fires for every socket family, not for splice() out of a socket. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(t_send, struct sock *sk, int result, int flags) {
  if (is_tcp(sk)) MEASURED(TA_HOOK_CALLS, on_send(sk, result));
  return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(t_recv, struct sock *sk, int result, int flags) {
  if (is_tcp(sk)) MEASURED(TA_HOOK_CALLS, on_receive(sk, result));
  return 0;
}

/* Kprobes see the call, not its result (a return probe would cost as much again and miss sleepers): the size is what
 * was asked for, cut to what lies ready for a read; EAGAIN is what a non-blocking read of an empty queue must become.
 */
SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(k_sendmsg, struct sock *sk, void *msg, unsigned long size) {
  MEASURED(TA_HOOK_CALLS, on_send(sk, size > 0x7fffffff ? 0x7fffffff : (long)size));
  return 0;
}

SEC("kprobe/tcp_recvmsg")
int BPF_KPROBE(k_recvmsg, struct sock *sk, void *msg, unsigned long size, int flags) {
  struct tcp_sock *tp = (struct tcp_sock *)sk;
  u32 ready = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);
  u32 nonblock = flags & MSG_DONTWAIT; /* before 5.19 the fourth argument is `nonblock`, which is the same bit */
  MEASURED(TA_HOOK_CALLS, on_receive(sk, ready == 0 && nonblock ? -EAGAIN
                                         : ready < size         ? (long)ready
                                                                : (long)(u32)size));
  return 0;
}

/* Waiting for send memory. A call with no time left to wait (EAGAIN) is not a wait. */
static __always_inline void wait_begins(void *sk) {
  struct ta_sock *state = find_or_make_sock(sk);
  if (!state) return;
  if (__sync_fetch_and_add(&state->waiters, 1) == 0) state->blocked_since_ns = bpf_ktime_get_ns();
  __sync_fetch_and_add(&state->blocked_count, 1);
}

static __always_inline void wait_ends(struct ta_sock *state) {
  u64 since = state->blocked_since_ns;
  u64 now = bpf_ktime_get_ns();
  if (!since) return; /* the wait began before we were attached */
  __sync_fetch_and_add(&state->blocked_ns, now - since);
  __sync_fetch_and_add(&state->waiters, -1);
  state->blocked_since_ns = state->waiters ? now : 0;
}

SEC("fentry/sk_stream_wait_memory")
int BPF_PROG(e_wait, struct sock *sk, long *timeo) {
  long left = 0;
  bpf_probe_read_kernel(&left, sizeof(left), timeo);
  if (left && is_tcp(sk)) MEASURED(TA_HOOK_WAITING, wait_begins(sk));
  return 0;
}

SEC("fexit/sk_stream_wait_memory")
int BPF_PROG(x_wait, struct sock *sk, long *timeo, int result) {
  struct ta_sock *state = find_sock(sk);
  if (state) MEASURED(TA_HOOK_WAITING, wait_ends(state));
  return 0;
}

/* Thread -> socket, because a return probe does not see the arguments. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, u32);
  __type(value, u64);
} waiting SEC(".maps");

SEC("kprobe/sk_stream_wait_memory")
int BPF_KPROBE(k_wait, struct sock *sk, long *timeo) {
  long left = 0;
  bpf_probe_read_kernel(&left, sizeof(left), timeo);
  if (!left || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP) return 0;
  u32 thread = (u32)bpf_get_current_pid_tgid();
  u64 address = (u64)sk;
  if (bpf_map_update_elem(&waiting, &thread, &address, BPF_ANY)) {
    count_lost(TA_LOST_WAIT);
    return 0;
  }
  MEASURED(TA_HOOK_WAITING, wait_begins(sk));
  return 0;
}

SEC("kretprobe/sk_stream_wait_memory")
int BPF_KRETPROBE(r_wait) {
  u32 thread = (u32)bpf_get_current_pid_tgid();
  u64 *address = bpf_map_lookup_elem(&waiting, &thread);
  if (!address) return 0;
  struct ta_sock *state = find_sock((void *)*address);
  if (state) MEASURED(TA_HOOK_WAITING, wait_ends(state));
  bpf_map_delete_elem(&waiting, &thread);
  return 0;
}
