// SPDX-License-Identifier: Apache-2.0
// /proc/net/softnet_stat: the queue of packets in front of TCP of each processor. The same in every namespace.
#pragma once

#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// One line of hexadecimal numbers for each processor that is on line. Which one it is, kernels say from 5.10 on; of
/// older ones the lines are counted.
Result<std::vector<Softnet>> parse_softnet(std::string_view text);
Result<std::vector<Softnet>> read_softnet(const os::ProcRoot& root, std::string_view net_dir = "/proc/thread-self/net");

}  // namespace tcpadvisor::sources
