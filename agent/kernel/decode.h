// SPDX-License-Identifier: Apache-2.0
// Records of the BPF walks -> evidence. Pure: bytes in, rows out.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "agent/kernel/tracer.h"
#include "bpf/abi.h"

namespace tcpadvisor::kernel {

/// Jiffies per second. The kernel does not say; it follows from jiffies64 and the monotonic clock, because jiffies
/// start at -300 s (INITIAL_JIFFIES) and only a few rates exist. Returns the one that fits best.
unsigned jiffies_per_second(std::uint64_t jiffies64, std::uint64_t monotonic_ns);

SocketRow decode_row(const abi::ta_row& row, unsigned hz);
OwnerTotals decode_owner(const abi::ta_owner& owner);
os::Descriptor decode_held(const abi::ta_held& held);
PortTotals decode_port(const abi::ta_port& port);
CgroupTotals decode_cgroup(const abi::ta_cgroup& group);
StateTotals decode_sums(const abi::ta_sums& sums);
PortUse decode_destination(const abi::ta_destination& destination);
/// Of the slots that this walk filled the `most` with the most ports, most first.
std::vector<PortUse> decode_towards(const abi::ta_towards& towards, std::size_t most);
NetworkTotals decode_network(const abi::ta_network& network, unsigned hz);
/// Of the slots that this walk filled.
std::vector<NetworkTotals> decode_networks(const abi::ta_networks& networks, unsigned hz);
FailedConnects decode_connect(const abi::ta_connect_key& key, const abi::ta_connect& failed, std::uint64_t now_ns);
Retransmits decode_retransmits(const abi::ta_peer_key& key, const abi::ta_retransmits& sent, std::uint64_t now_ns);
/// A clump that nothing has followed for as long as ends one is added to the sums.
Closes decode_closer(std::uint32_t tgid, abi::ta_closer closer, std::uint64_t now_ns, unsigned hz);
/// memory_allocated may be below zero for a moment, because each processor keeps a reserve of its own
/// (include/net/sock.h, sk_memory_allocated_add); the kernel itself shows that as 0, and so do we.
TcpMemory decode_memory(const abi::ta_walk& walk, std::uint64_t page_size, unsigned hz);

/// Hands over the rows in bytes of a walk; an error, and no row, if they are not whole records.
Status decode_rows(std::span<const std::byte> bytes, unsigned hz, const TakeRow& take);

/// What the walk over descriptors wrote; the numbers of the walk itself are not in it. Several records of one process
/// become one.
Result<OwnerWalk> decode_files(std::span<const std::byte> bytes);

}  // namespace tcpadvisor::kernel
