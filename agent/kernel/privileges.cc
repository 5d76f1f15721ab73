// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/privileges.h"

#include <sys/capability.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

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

/// Sets exactly `wanted` (as far as we hold them) in all three sets of this thread.
Status hold_only(const std::vector<cap_value_t>& wanted) {
  Caps now(cap_get_proc());
  Caps next(cap_init());
  for (cap_value_t which : wanted) {
    if (!now || !has(now.get(), which)) continue;
    cap_set_flag(next.get(), CAP_PERMITTED, 1, &which, CAP_SET);
    cap_set_flag(next.get(), CAP_EFFECTIVE, 1, &which, CAP_SET);
  }
  if (cap_set_proc(next.get()) != 0) {
    return fail(ErrorCode::failed, std::string("dropping capabilities: ") + std::strerror(errno), errno);
  }
  return {};
}

/// Lowers the effective set only, so that what turns out to be needed can be raised again.
void lower_effective(const std::vector<cap_value_t>& wanted) {
  Caps caps(cap_get_proc());
  if (!caps) return;
  cap_clear_flag(caps.get(), CAP_EFFECTIVE);
  Caps full(cap_get_proc());
  for (cap_value_t which : wanted) {
    if (has(full.get(), which)) cap_set_flag(caps.get(), CAP_EFFECTIVE, 1, &which, CAP_SET);
  }
  cap_set_proc(caps.get());
}

void raise_effective() {
  Caps caps(cap_get_proc());
  for (cap_value_t which = 0; caps && which <= CAP_LAST_CAP; ++which) {
    cap_flag_value_t permitted = CAP_CLEAR;
    if (cap_get_flag(caps.get(), which, CAP_PERMITTED, &permitted) == 0)
      cap_set_flag(caps.get(), CAP_EFFECTIVE, 1, &which, permitted);
  }
  if (caps) cap_set_proc(caps.get());
}

}  // namespace

bool have_bpf_capabilities() {
  Caps caps(cap_get_proc());
  return caps && (has(caps.get(), CAP_SYS_ADMIN) || (has(caps.get(), CAP_BPF) && has(caps.get(), CAP_PERFMON)));
}

Result<std::string> drop_privileges(Tracer& tracer, bool keep_netns) {
  std::vector<cap_value_t> wanted;
  if (keep_netns) wanted.insert(wanted.end(), {CAP_SYS_ADMIN, CAP_SYS_PTRACE});
  if (!tracer.can_walk_owners()) wanted.insert(wanted.end(), {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE});  // for /proc/*/fd

  // Kernels before 5.19 let nobody read a map without CAP_BPF, not even through a descriptor held since before.
  lower_effective(wanted);
  bool reads_still_work = tracer.still_readable();
  raise_effective();
  if (!reads_still_work) wanted.push_back(CAP_BPF);

  if (Status dropped = hold_only(wanted); !dropped) return std::unexpected(dropped.error());
  Caps left(cap_get_proc());
  char* words = left ? cap_to_text(left.get(), nullptr) : nullptr;
  std::string result = words != nullptr ? words : "";
  cap_free(words);
  return result.empty() || result == "=" ? "none" : result;
}

}  // namespace tcpadvisor::kernel
