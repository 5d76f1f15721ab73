/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which sockets matter: those that get a row of their own. One rule for the walks in the kernel (sockets.bpf.c) and for
 * the rows that the agent makes from sock_diag and /proc (agent/kernel/matters.h), compiled into both. */
#ifndef TCPADVISOR_MATTERS_H
#define TCPADVISOR_MATTERS_H

#include "bpf/abi.h"

#ifdef __cplusplus
#define TA_INLINE inline
namespace tcpadvisor::abi {
#else
#define TA_INLINE static __always_inline
#endif

enum { /* include/net/tcp_states.h, where both sides name them differently */
       TA_SYN_SENT = 2,
       TA_FIN_WAIT_1 = 4,
       TA_FIN_WAIT_2 = 5,
       TA_CLOSE_WAIT = 8,
       TA_LAST_ACK = 9,
       TA_LISTEN = 10,
       TA_CLOSING = 11,
};

/* Windows and queues are bytes. */
struct ta_question {
  ta_u32 state;
  ta_u32 locked;        /* the program has set SO_RCVBUF or SO_SNDBUF */
  ta_u32 recently_used; /* carried data within TA_USED_MS, either way */
  ta_u32 rcv_wnd_known, snd_wnd_known;
  ta_u32 rcv_wnd, rcvbuf, snd_wnd;
  ta_u64 recv_q, send_q;
  ta_u64 min_recv_q, min_send_q;
};

enum {
  TA_USED_MS = 2000,
  TA_GROWN = 256 * 1024, /* bytes: twice what tcp_rmem[1] gives a connection at first */
};

TA_INLINE ta_u32 ta_matters(const struct ta_question *q) {
  /* A listener; a connection that does not come about; a program that does not close; a peer that does not. */
  if (q->state == TA_LISTEN || q->state == TA_SYN_SENT || q->state == TA_CLOSE_WAIT || q->state == TA_FIN_WAIT_2)
    return 1;
  if (q->recv_q >= q->min_recv_q || q->send_q >= q->min_send_q) return 1;
  /* A closed window stalls the flow, however little waits. */
  if (q->recv_q && q->rcv_wnd_known && q->rcv_wnd <= q->rcvbuf / 64) return 1;
  if (q->send_q && q->snd_wnd_known && !q->snd_wnd) return 1;
  /* Closed, and the data is not through. */
  if ((q->state == TA_FIN_WAIT_1 || q->state == TA_LAST_ACK || q->state == TA_CLOSING) && q->send_q) return 1;
  /* A buffer that is fixed, or that the kernel has grown for much data, limits only who uses it. */
  return (q->locked || q->rcvbuf >= TA_GROWN) && q->recently_used;
}

#ifdef __cplusplus
}  // namespace tcpadvisor::abi
#endif
#endif
