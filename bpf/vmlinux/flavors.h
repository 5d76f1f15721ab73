/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One accessor per change of a kernel type that our programs must live with. */
#ifndef TCPADVISOR_FLAVORS_H
#define TCPADVISOR_FLAVORS_H

#include "bpf/vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct tcp_sock___scaling {
  u8 scaling_ratio; /* 6.6+: window = buffer * ratio / 256 */
};
struct tcp_sock___mptcp {
  bool is_mptcp; /* only with CONFIG_MPTCP */
};
struct numa_drop_counters___new {
  atomic_t drops0, drops1;
};
struct sock___drop_counters {
  struct numa_drop_counters___new *sk_drop_counters; /* 6.18+: not used by TCP listeners so far, but added if present */
};
struct file___count {
  struct {
    long counter;
  } f_count; /* before 6.13 */
};
struct file___ref {
  struct {
    struct {
      long counter;
    } refcnt;
  } f_ref; /* since; one less than the number of references */
};
#pragma clang attribute pop

static __always_inline u32 sock_locks(struct sock *sk) {
  /* a 4-bit field of a shared byte before 6.9, a byte of its own since */
  return BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
}

static __always_inline u32 sock_drops(const struct sock *sk) {
  u32 drops = sk->sk_drops.counter;
  const struct sock___drop_counters *newer = (const void *)sk;
  if (bpf_core_field_exists(newer->sk_drop_counters)) {
    struct numa_drop_counters___new *per_node = BPF_CORE_READ(newer, sk_drop_counters);
    if (per_node) drops += BPF_CORE_READ(per_node, drops0.counter) + BPF_CORE_READ(per_node, drops1.counter);
  }
  return drops;
}

/* 0 when this kernel has no such field. */
static __always_inline u8 window_scaling_ratio(const struct tcp_sock *tp) {
  const struct tcp_sock___scaling *newer = (const void *)tp;
  return bpf_core_field_exists(newer->scaling_ratio) ? BPF_CORE_READ(newer, scaling_ratio) : 0;
}

static __always_inline bool is_mptcp_subflow(const struct tcp_sock *tp) {
  const struct tcp_sock___mptcp *with = (const void *)tp;
  return bpf_core_field_exists(with->is_mptcp) ? BPF_CORE_READ(with, is_mptcp) : false;
}

/* Descriptors, ours and other processes', that lead to one open file. */
static __always_inline long references_of(struct file *file) {
  struct file___count *older = (void *)file;
  struct file___ref *newer = (void *)file;
  if (bpf_core_field_exists(older->f_count)) return BPF_CORE_READ(older, f_count.counter);
  if (bpf_core_field_exists(newer->f_ref)) return BPF_CORE_READ(newer, f_ref.refcnt.counter) + 1;
  return 1l << 30; /* not known: take it for shared */
}

/* Before 5.14 the pointer was packed into sk_cgrp_data.val: no group then. */
static __always_inline u64 sock_cgroup_id(struct sock *sk) {
  if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup)) return 0;
  struct cgroup *group = sk->sk_cgrp_data.cgroup;
  return group && group->kn ? group->kn->id : 0;
}

#endif
