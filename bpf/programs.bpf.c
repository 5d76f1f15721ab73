// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* All parts as one object. libbpf reads and parses the kernel's type information once for each object that it loads
 * (5 MB, some 20 ms), so one object starts in a fraction of the time of five, and maps need not be passed around. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/store.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "bpf/connects.bpf.c"
#include "bpf/drops.bpf.c"
#include "bpf/flows.bpf.c"
#include "bpf/lifecycle.bpf.c"
#include "bpf/listen.bpf.c"
#include "bpf/pressure.bpf.c"
#include "bpf/retransmits.bpf.c"
#include "bpf/sockets.bpf.c"
