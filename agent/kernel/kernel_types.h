// SPDX-License-Identifier: Apache-2.0
// Questions to the running kernel's type information (/sys/kernel/btf/vmlinux).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/base/result.h"

struct btf;

namespace tcpadvisor::kernel {

class KernelTypes {
 public:
  /// `unsupported` when the kernel was built without CONFIG_DEBUG_INFO_BTF.
  static Result<KernelTypes> open();

  /// Number of parameters of a kernel function, or of a tracepoint's `btf_trace_NAME` type (that one counts its first
  /// void*).
  std::optional<int> arguments_of(std::string_view function) const;
  /// The id of a type in the running kernel; nothing if it has none of this name and kind (BTF_KIND_…).
  std::optional<std::uint32_t> id_of(std::string_view name, int kind) const;
  /// value -> name, for example of enum sk_rst_reason; empty when the kernel has no such enum.
  std::map<unsigned, std::string> enum_names(std::string_view enum_name) const;

 private:
  struct Free {
    void operator()(btf* types) const;
  };
  std::unique_ptr<btf, Free> types_;
};

}  // namespace tcpadvisor::kernel
