// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Memory: refusals by kind and cause, and the beginning and end of pressure. */
#include "bpf/store.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct ta_refusals);
} refusals SEC(".maps");

static __always_inline struct ta_refusals *refused(void) {
  u32 zero = 0;
  return bpf_map_lookup_elem(&refusals, &zero);
}

/* kind: 0 send, 1 receive (include/trace/events/sock.h). Below tcp_mem[0] only a memory cgroup can have refused. */
static __always_inline void count_refusal(struct proto *prot, long allocated, int kind) {
  struct ta_refusals *sum = refused();
  if (!sum) return;
  long floor = 0;
  bpf_probe_read_kernel(&floor, sizeof(floor), prot->sysctl_mem);
  if (allocated < floor) {
    if (kind == 0)
      sum->cgroup_send++;
    else
      sum->cgroup_recv++;
  } else {
    if (kind == 0)
      sum->host_send++;
    else
      sum->host_recv++;
  }
}

SEC("tp_btf/sock_exceed_buf_limit")
int BPF_PROG(on_refusal, struct sock *sk, struct proto *prot, long allocated, int kind) {
  if (sk->sk_protocol == IPPROTO_TCP) MEASURED(TA_HOOK_REFUSALS, count_refusal(prot, allocated, kind));
  return 0;
}

/* Called on every allocation above tcp_mem[1], so most calls find pressure already on. */
static __always_inline void pressure_begins(struct sock *sk) {
  unsigned long *flag = BPF_CORE_READ(sk, __sk_common.skc_prot, memory_pressure);
  unsigned long since = 0;
  bpf_probe_read_kernel(&since, sizeof(since), flag);
  struct ta_refusals *sum = refused();
  if (sum && !since) sum->pressure_enters++;
}

static __always_inline void pressure_ends(struct sock *sk) {
  unsigned long *flag = BPF_CORE_READ(sk, __sk_common.skc_prot, memory_pressure);
  unsigned long since = 0;
  bpf_probe_read_kernel(&since, sizeof(since), flag);
  struct ta_refusals *sum = refused();
  if (sum && since) sum->pressure_leaves++;
}

SEC("fentry/tcp_enter_memory_pressure")
int BPF_PROG(e_enter, struct sock *sk) {
  MEASURED(TA_HOOK_PRESSURE, pressure_begins(sk));
  return 0;
}

SEC("fentry/tcp_leave_memory_pressure")
int BPF_PROG(e_leave, struct sock *sk) {
  MEASURED(TA_HOOK_PRESSURE, pressure_ends(sk));
  return 0;
}

SEC("kprobe/tcp_enter_memory_pressure")
int BPF_KPROBE(k_enter, struct sock *sk) {
  MEASURED(TA_HOOK_PRESSURE, pressure_begins(sk));
  return 0;
}

SEC("kprobe/tcp_leave_memory_pressure")
int BPF_KPROBE(k_leave, struct sock *sk) {
  MEASURED(TA_HOOK_PRESSURE, pressure_ends(sk));
  return 0;
}
