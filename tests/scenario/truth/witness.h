// SPDX-License-Identifier: Apache-2.0
// What a network namespace looks like from outside, seen without any code of the agent: ss, /proc/PID/net and the files
// of its processes. A row of the ground truth proves with it that its fault is really there.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::truth {

/// A line of `ss -tainme`.
struct SocketSeen {
  std::string state;  ///< as ss writes it: ESTAB, CLOSE-WAIT …
  std::string local, remote;
  std::uint16_t local_port = 0, remote_port = 0;
  double recv_q = 0, send_q = 0;
  std::uint64_t inode = 0;  ///< 0: no descriptor
  std::string timer;        ///< on, keepalive, persist …; empty: none
  /// What ss gives a number: rtt, minrtt, cwnd, bytes_acked …, busy, rwnd_limited and sndbuf_limited in ms, "retrans"
  /// is the sum since its beginning, and the parts of skmem are "skmem.rb" and so on.
  std::map<std::string, double, std::less<>> numbers;

  double number(std::string_view name) const;  ///< 0 if ss does not say it: ss leaves zeros out
};

/// One line. Nothing in it is trusted to be there.
SocketSeen parse_ss_line(std::string_view line);
/// /proc/net/netstat or snmp: "TcpExt.ListenDrops" and its value.
std::map<std::string, double, std::less<>> parse_counters(std::string_view text);

struct ProcessSeen {
  char state = 0;  ///< 0: it is not there
  std::size_t descriptors = 0;
  double descriptor_limit = 0;
  double rss_kib = 0;
  std::set<std::uint64_t> sockets;  ///< inodes
};

struct Device {
  double received = 0, sent = 0;  ///< bytes
};

/// One look.
struct Look {
  std::chrono::steady_clock::time_point at;
  std::map<std::string, double, std::less<>> counters;
  std::vector<SocketSeen> sockets;
  std::map<pid_t, ProcessSeen> processes;
  std::map<std::string, Device, std::less<>> devices;
};

/// Looks at one namespace again and again.
class Witness {
 public:
  /// The namespace of `pid`, and these processes of it.
  Witness(pid_t pid, std::vector<pid_t> processes);

  void look();
  const std::vector<Look>& looks() const { return looks_; }
  /// A setting of the namespace, as "net/ipv4/tcp_sack".
  std::string setting(const std::string& path) const;

 private:
  pid_t pid_;
  std::vector<pid_t> processes_;
  os::UniqueFd netns_;
  std::vector<Look> looks_;
};

}  // namespace tcpadvisor::truth
