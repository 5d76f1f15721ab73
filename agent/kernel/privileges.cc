// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/privileges.h"

#include <sys/capability.h>

#include <memory>

#include "agent/kernel/tracer.h"

namespace tcpadvisor::kernel {
namespace {

struct FreeCaps {
  void operator()(cap_t caps) const { cap_free(caps); }
};
using Caps = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCaps>;

bool has(cap_t caps, cap_value_t which) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(caps, which, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
}

}  // namespace

bool have_bpf_capabilities() {
  Caps caps(cap_get_proc());
  return caps && (has(caps.get(), CAP_SYS_ADMIN) || (has(caps.get(), CAP_BPF) && has(caps.get(), CAP_PERFMON)));
}

bool readable_without_capabilities(Tracer& tracer) {
  Caps before(cap_get_proc()), lowered(cap_get_proc());
  if (!before || !lowered) return false;
  cap_clear_flag(lowered.get(), CAP_EFFECTIVE);
  if (cap_set_proc(lowered.get()) != 0) return false;
  bool readable = tracer.still_readable();
  cap_set_proc(before.get());
  return readable;
}

}  // namespace tcpadvisor::kernel
