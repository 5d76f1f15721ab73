// SPDX-License-Identifier: Apache-2.0
#include "agent/os/privileges.h"

#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

namespace tcpadvisor::os {
namespace {

struct FreeCaps {
  void operator()(void* caps) const { cap_free(caps); }
};
using Caps = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCaps>;

bool is_set(cap_t caps, cap_value_t which, cap_flag_t set) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(caps, which, set, &value) == 0 && value == CAP_SET;
}

/// "0000000000280000" -> its bits; 0 for anything else.
std::uint64_t parse_mask(std::string_view text) {
  std::uint64_t mask = 0;
  std::from_chars(text.data(), text.data() + text.size(), mask, 16);
  return mask;
}

std::vector<std::string> names_of(std::uint64_t mask) {
  std::vector<std::string> names;
  for (cap_value_t which = 0; which < 64; ++which) {
    if ((mask >> which & 1) == 0) continue;
    std::unique_ptr<char, FreeCaps> name(cap_to_name(which));
    names.emplace_back(name ? name.get() : std::to_string(which));
  }
  return names;
}

}  // namespace

Status keep_only(std::span<const int> wanted) {
  Caps now(cap_get_proc()), next(cap_init());
  if (!now || !next) return fail_errno("cannot read our capabilities", errno);
  for (cap_value_t which : wanted) {
    if (!is_set(now.get(), which, CAP_PERMITTED)) continue;
    cap_set_flag(next.get(), CAP_PERMITTED, 1, &which, CAP_SET);
    cap_set_flag(next.get(), CAP_EFFECTIVE, 1, &which, CAP_SET);
  }
  if (cap_set_proc(next.get()) != 0) return fail_errno("cannot drop capabilities", errno);
  return {};
}

Status gain_nothing_more() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("cannot set no_new_privs", errno);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // The rest needs CAP_SETPCAP. Who lacks it is not uid 0 with everything, and gains nothing by exec any more.
  for (int which = 0; prctl(PR_CAPBSET_READ, which) >= 0; ++which) {
    if (prctl(PR_CAPBSET_DROP, which) != 0) return {};
  }
  if (prctl(PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0) != 0)
    return fail_errno("cannot set the securebits", errno);
  return {};
}

ThreadPrivileges parse_thread_status(std::string_view status) {
  ThreadPrivileges thread;
  while (!status.empty()) {
    std::string_view line = status.substr(0, status.find('\n'));
    status.remove_prefix(std::min(line.size() + 1, status.size()));
    std::size_t colon = line.find(":\t");
    if (colon == std::string_view::npos) continue;
    std::string_view key = line.substr(0, colon), value = line.substr(colon + 2);
    if (key == "Name") thread.name = value;
    if (key == "CapPrm") thread.capabilities = names_of(parse_mask(value));
    if (key == "CapBnd") thread.bounding_set_empty = parse_mask(value) == 0;
    if (key == "NoNewPrivs") thread.no_new_privs = value == "1";
    if (key == "Seccomp") thread.filtered = value == "2";
  }
  return thread;
}

std::vector<ThreadPrivileges> threads_of(const ProcRoot& root, const std::string& process) {
  std::vector<ThreadPrivileges> threads;
  auto ids = root.list("/proc/" + process + "/task");
  if (!ids) return threads;
  for (const std::string& id : *ids) {
    auto status = root.read("/proc/" + process + "/task/" + id + "/status");
    if (status) threads.push_back(parse_thread_status(*status));
  }
  return threads;
}

}  // namespace tcpadvisor::os
