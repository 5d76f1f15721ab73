// SPDX-License-Identifier: Apache-2.0
// The local ports that connect() may choose from in one namespace. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

struct PortSpace {
  std::uint64_t low = 0, high = 0;  ///< ip_local_port_range, both included
  std::uint64_t reserved = 0;       ///< of those, in ip_local_reserved_ports
  std::uint64_t listening = 0;  ///< of the rest, those that somebody has bound to listen there: connect() passes them
  std::uint64_t available() const;
  auto operator<=>(const PortSpace&) const = default;
};

/// Nothing if the namespace's range was not read.
std::optional<PortSpace> port_space(const Sample& sample, NetnsId netns);
/// "8080,9148-9150": how many of `low` to `high` it names. What is not a list of ports names none.
std::uint64_t reserved_between(std::string_view list, std::uint64_t low, std::uint64_t high);
/// Ports of one address that bind() chose before connect(), towards whatever destination: it has none, and nobody else
/// of that address can have them, not even in TIME_WAIT.
bool chosen_by_bind(const PortUse& use);
/// "10.0.0.5:5432", or what stands for every destination.
std::string destination_text(const PortUse& use);
/// connect() takes a port again that is in TIME_WAIT towards this destination, after one second: tcp_tw_reuse is 1, or
/// 2, its default, and the addresses are loopback; and there are timestamps.
bool takes_time_wait_again(const Sample& sample, const PortUse& use);
/// The share of the available ports that connect() cannot choose: those in use, without those in TIME_WAIT that it
/// takes again.
double share_of(const Sample& sample, const PortUse& use, const PortSpace& space);

}  // namespace tcpadvisor
