// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/privileges.h"

#include <fmt/format.h>
#include <sys/capability.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace tcpadvisor::cli {

std::string privileges_text() {
  static constexpr std::array kUseful = {
      std::pair{CAP_BPF, "cap_bpf"},
      std::pair{CAP_PERFMON, "cap_perfmon"},
      std::pair{CAP_NET_ADMIN, "cap_net_admin"},
      std::pair{CAP_SYS_ADMIN, "cap_sys_admin"},
      std::pair{CAP_SYS_PTRACE, "cap_sys_ptrace"},
      std::pair{CAP_DAC_READ_SEARCH, "cap_dac_read_search"},
  };
  std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> caps(cap_get_proc(), cap_free);
  std::string held, missing;
  for (const auto& [which, name] : kUseful) {
    cap_flag_value_t value = CAP_CLEAR;
    if (caps) cap_get_flag(caps.get(), which, CAP_EFFECTIVE, &value);
    std::string& list = value == CAP_SET ? held : missing;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  return fmt::format("uid {}; holds {}; lacks {}", geteuid(), held.empty() ? "no capability of use here" : held,
                     missing.empty() ? "nothing of use" : missing);
}

}  // namespace tcpadvisor::cli
