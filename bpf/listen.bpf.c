// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Accept queues: how high they rose between two looks. */
#include "bpf/store.h"

/* Both hooks run with the listener, for IPv4 and IPv6 alike, just before a child is queued; where one calls the other,
 * the second sees the same length. */
static __always_inline void child_queued(void *listener, u32 queued_before) {
  struct ta_sock *state = find_or_make_sock(listener);
  if (!state) return;
  if (queued_before + 1 > state->accept_peak) state->accept_peak = queued_before + 1;
}

/* The usual way in: the last ACK of a handshake. Compilers inline queue_add into it. */
SEC("fentry/inet_csk_complete_hashdance")
int BPF_PROG(e_hashdance, struct sock *sk) {
  MEASURED(TA_HOOK_ACCEPT, child_queued(sk, sk->sk_ack_backlog));
  return 0;
}

/* The way in by SYN cookie and by fast open. */
SEC("fentry/inet_csk_reqsk_queue_add")
int BPF_PROG(e_queue_add, struct sock *sk) {
  MEASURED(TA_HOOK_ACCEPT, child_queued(sk, sk->sk_ack_backlog));
  return 0;
}

SEC("kprobe/inet_csk_complete_hashdance")
int BPF_KPROBE(k_hashdance, struct sock *sk) {
  MEASURED(TA_HOOK_ACCEPT, child_queued(sk, BPF_CORE_READ(sk, sk_ack_backlog)));
  return 0;
}

SEC("kprobe/inet_csk_reqsk_queue_add")
int BPF_KPROBE(k_queue_add, struct sock *sk) {
  MEASURED(TA_HOOK_ACCEPT, child_queued(sk, BPF_CORE_READ(sk, sk_ack_backlog)));
  return 0;
}
