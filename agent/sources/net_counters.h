// SPDX-License-Identifier: Apache-2.0
// /proc/net/{netstat,snmp,sockstat,sockstat6,protocols}: counters and memory of one network namespace.
#pragma once

#include <optional>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// Pairs of lines "TcpExt: A B" / "TcpExt: 1 2" -> {"TcpExt.A": 1, …}. Only the groups Ip, IpExt, Icmp, Tcp and TcpExt,
/// and no value below zero (Tcp.MaxConn is -1: it is not a counter). `file` is for errors, which say file:line.
Status parse_counters(std::string_view text, std::string_view file, Counters& into);

/// `sockstat6` may be empty (a kernel without IPv6).
Result<Sockstat> parse_sockstat(std::string_view sockstat, std::string_view sockstat6);

struct TcpProtocol {
  std::optional<std::uint64_t> memory_pages;
  std::optional<bool> under_pressure;  ///< nothing when the column says NI, "not implemented"
};
/// The line TCP of /proc/net/protocols, its columns found by the heading.
Result<TcpProtocol> parse_protocols(std::string_view text);

/// Everything of the calling thread's own network namespace. What cannot be read is in `errors`; the rest is filled.
struct NetFiles {
  Counters counters;
  std::optional<Sockstat> sockstat;
  std::optional<TcpProtocol> protocol;
  std::vector<Error> errors;
};
NetFiles read_net_files(const os::ProcRoot& root, std::string_view net_dir = "/proc/thread-self/net");

}  // namespace tcpadvisor::sources
