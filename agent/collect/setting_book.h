// SPDX-License-Identifier: Apache-2.0
// The files that set sysctls, read at the first tick and once a minute.
#pragma once

#include <cstdint>
#include <optional>

#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::collect {

class SettingBook {
 public:
  static constexpr std::uint64_t kReadAgainAfterMs = 60'000;

  explicit SettingBook(const os::ProcRoot& root) : root_(root) {}

  const SettingFiles& files(std::uint64_t now_ms);

 private:
  os::ProcRoot root_;
  SettingFiles files_;
  std::optional<std::uint64_t> read_ms_;
};

}  // namespace tcpadvisor::collect
