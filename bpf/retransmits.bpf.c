// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is sent again towards whom, and what made the kernel do it. Nothing runs while nothing is sent again. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/store.h"

/* By address. The agent reads both, and removes what is over. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TA_PEERS);
  __type(key, struct ta_peer_key);
  __type(value, struct ta_retransmits);
} retransmits SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TA_PEERS_SILENT);
  __type(key, struct ta_peer_key);
  __type(value, struct ta_retransmits);
} handshakes SEC(".maps");

static const struct ta_retransmits new_retransmits_zero SEC(".rodata.zero") = {0};

static __always_inline void add_again(void *map, const struct ta_peer_key *key, u32 kind, u32 segments) {
  struct ta_retransmits *sum = bpf_map_lookup_elem(map, key);
  if (!sum) {
    bpf_map_update_elem(map, key, &new_retransmits_zero, BPF_NOEXIST);
    sum = bpf_map_lookup_elem(map, key);
  }
  if (!sum) {
    count_lost(TA_LOST_RETRANSMIT);
    return;
  }
  if (kind >= TA_RETRANSMIT_KINDS) return;
  __sync_fetch_and_add(&sum->segments[kind], segments);
  sum->last_ns = bpf_ktime_get_ns();
}

/* The callers of __tcp_retransmit_skb() are told apart by what they leave in the socket, from 5.10 on alike:
 *   tcp_retransmit_timer()       state Loss, and the timer's handler has just cleared icsk_pending
 *   tcp_xmit_retransmit_queue()  state Recovery, or Loss, with a timer pending for what is on its way
 *   tcp_send_loss_probe()        neither, and icsk_pending is still that of the probe
 *   tcp_simple_retransmit()      state Loss without an undo_marker: the path takes smaller segments only
 *   tcp_rcv_fastopen_synack()    none of these: data of a SYN that the peer did not take */
static __always_inline u32 why_again(const struct sock *sk) {
  const struct inet_connection_sock *icsk = (const void *)sk;
  const struct tcp_sock *tp = (const void *)sk;
  u8 state = sk->__sk_common.skc_state;
  if (state == TCP_SYN_SENT) return TA_RETRANSMIT_SYN;
  if (state == TCP_SYN_RECV) return TA_RETRANSMIT_SYN_ACK; /* both sides connected at once */
  u8 pending = BPF_CORE_READ(icsk, icsk_pending);
  switch (BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state)) {
    case TCP_CA_Recovery:
      return TA_RETRANSMIT_FAST;
    case TCP_CA_Loss:
      if (!pending) return TA_RETRANSMIT_TIMEOUT;
      return BPF_CORE_READ(tp, undo_marker) ? TA_RETRANSMIT_AFTER_TIMEOUT : TA_RETRANSMIT_OTHER;
    default:
      return pending == ICSK_TIME_LOSS_PROBE ? TA_RETRANSMIT_TAIL_PROBE : TA_RETRANSMIT_OTHER;
  }
}

static __always_inline void sent_again(const struct sock *sk, const struct sk_buff *skb) {
  struct ta_peer_key key = {0};
  const struct tcp_skb_cb *cb = (const void *)&skb->cb;
  u32 kind = why_again(sk);
  u32 segments = BPF_CORE_READ(cb, tcp_gso_segs);
  name_peer(&sk->__sk_common, &sk->__sk_common, &key);
  if (kind == TA_RETRANSMIT_SYN || kind == TA_RETRANSMIT_SYN_ACK)
    add_again(&handshakes, &key, kind, 1);
  else
    add_again(&retransmits, &key, kind, segments ? segments : 1);
}

/* `sk` is the listener, or with TCP Fast Open the connection. */
static __always_inline void sent_syn_ack_again(const struct sock *sk, const struct request_sock *request) {
  struct ta_peer_key key = {0};
  name_peer(&request->__req_common, &sk->__sk_common, &key);
  add_again(&handshakes, &key, TA_RETRANSMIT_SYN_ACK, 1);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_again, const struct sock *sk, const struct sk_buff *skb, int error) {
  if (!error) MEASURED(TA_HOOK_RETRANSMITS, sent_again(sk, skb));
  return 0;
}

/* The tracepoint as it was before it told of those that failed, too. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_again3, const struct sock *sk, const struct sk_buff *skb) {
  MEASURED(TA_HOOK_RETRANSMITS, sent_again(sk, skb));
  return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(on_again_syn_ack, const struct sock *sk, const struct request_sock *request) {
  MEASURED(TA_HOOK_RETRANSMITS, sent_syn_ack_again(sk, request));
  return 0;
}
