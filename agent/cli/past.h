// SPDX-License-Identifier: Apache-2.0
// What `--from FILE` needs: the recording, opened, and this process without rights that it does not need.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "advisor/base/result.h"
#include "agent/cli/moment.h"
#include "agent/store/recording.h"

namespace tcpadvisor::cli {

/// `output`: the file that will be written, empty if none.
Result<std::unique_ptr<store::Recording>> open_past(const std::string& path, const std::string& output);

/// The tick of that moment; the last one if there is none.
Result<std::size_t> tick_of(const store::Recording& recording, const std::optional<MomentOf>& moment);

/// One line for when nothing that was asked for could be read.
Error nothing_left(const store::Recording& recording, const std::string& path, const Error& why);

/// "host box, Linux 6.1, 2026-11-30 14:00:00 to 14:10:00 …", for people.
std::string origin_text(const store::Recording& recording, const std::string& path);

}  // namespace tcpadvisor::cli
