// SPDX-License-Identifier: Apache-2.0
// What the hook on dropped packets counted (bpf/drops.bpf.c), with the names of the running kernel's reasons.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "advisor/evidence/sample.h"
#include "bpf/abi.h"

namespace tcpadvisor::kernel {

class DropReasons {
 public:
  /// Number -> the name as the kernel's type information has it.
  explicit DropReasons(const std::map<unsigned, std::string>& names);

  std::string name_of(std::uint32_t reason) const;
  /// Says to the program which reasons count; `marks` has abi::TA_DROP_REASONS of them, or is null.
  void mark_losses(abi::ta_u8* marks) const;

 private:
  std::map<unsigned, std::string> names_;
};

Drops decode_drops(const abi::ta_drop_key& key, const abi::ta_drops& dropped, const DropReasons& reasons,
                   std::uint64_t now_ns);

/// What differs in nothing but the place within a function becomes one; most first.
std::vector<Drops> merged(std::vector<Drops> drops);

/// The entries of both maps, those that are over are removed; nothing if they cannot be read.
std::optional<std::vector<Drops>> read_drops(int connections_fd, int handshakes_fd, const DropReasons& reasons,
                                             std::uint64_t now_ns);

}  // namespace tcpadvisor::kernel
