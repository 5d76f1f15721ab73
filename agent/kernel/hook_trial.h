// SPDX-License-Identifier: Apache-2.0
// Asks the kernel for a hook with a program that does nothing. Loading the real programs costs tens of milliseconds,
// most of it for reading the kernel's types once more; what the kernel does not grant is found out here for far less.
#pragma once

#include <memory>
#include <string_view>

#include "advisor/base/result.h"
#include "agent/kernel/kernel_types.h"

namespace tcpadvisor::kernel {

class HookTrial {
 public:
  explicit HookTrial(const KernelTypes& types);
  HookTrial(HookTrial&&) noexcept;
  ~HookTrial();

  /// `section` is that of a program: "fentry/tcp_close", "tp_btf/…", "iter/tcp", "kprobe/tcp_close". An Error is the
  /// kernel's refusal. Success does not mean that the real program loads and attaches: only doing it does.
  Status ask(std::string_view section);

 private:
  Status load_nothing(int attach_type, std::string_view name, int types_kind);
  Status attach_kprobe(std::string_view program, std::string_view function, bool at_return);

  struct Parts;
  const KernelTypes& types_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tcpadvisor::kernel
