// SPDX-License-Identifier: Apache-2.0
// The network devices of a namespace and the queueing disciplines in front of them, over route netlink.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor::sources {

using DevicesByIndex = std::map<std::int32_t, Device>;

/// The payload of RTM_NEWLINK: name, MTU, qdisc and counts of one device. What makes no sense adds nothing.
void add_link(std::span<const std::byte> payload, DevicesByIndex& devices);
/// The payload of RTM_NEWQDISC: what one queueing discipline dropped. Only the root's count, which has its children's.
void add_qdisc(std::span<const std::byte> payload, DevicesByIndex& devices);

/// Of the calling thread's own network namespace; at most kMaxDevices, those that dropped most first.
Result<std::vector<Device>> read_devices();
inline constexpr std::size_t kMaxDevices = 64;

/// "Device.eth0.dropped" for each that has dropped anything.
void count_drops(const std::vector<Device>& devices, Counters& counters);

}  // namespace tcpadvisor::sources
