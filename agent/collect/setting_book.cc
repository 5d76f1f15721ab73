// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/setting_book.h"

#include "agent/os/pid_namespace.h"
#include "agent/sources/setting_files.h"

namespace tcpadvisor::collect {

const SettingFiles& SettingBook::files(std::uint64_t now_ms) {
  if (read_ms_ && now_ms - *read_ms_ < kReadAgainAfterMs) return files_;
  files_ = sources::read_setting_files(root_, os::in_first_pid_namespace(root_));
  read_ms_ = now_ms;
  return files_;
}

}  // namespace tcpadvisor::collect
