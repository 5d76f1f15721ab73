// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A program that does nothing, to find out whether a kprobe can be had before the real programs are loaded for it. It
 * reads no kernel type, so loading it takes no type information. */
#include "bpf/vmlinux/vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("kprobe")
int t_kprobe(void *ctx) {
  return 0;
}

SEC("kretprobe")
int t_kretprobe(void *ctx) {
  return 0;
}
