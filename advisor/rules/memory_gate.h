// SPDX-License-Identifier: Apache-2.0
// How large the maximum of a socket buffer may become with the memory that there is. Every rule that would raise such a
// maximum asks here first, and prints the arithmetic: a limit of tcp_rmem or tcp_wmem is what one connection really can
// take, so that busy connections x (tcp_rmem[2] + tcp_wmem[2]) has to fit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "advisor/evidence/sample.h"
#include "advisor/rules/evidence.h"

namespace tcpadvisor {

/// What the gate goes by; whoever shows its arithmetic has it from here.
namespace memory_limits {
inline constexpr double kMostOfRam = 0.25;     // for tcp_mem[2]: more leaves nothing for programs
inline constexpr double kShareOfTcpMem = 0.8;  // of tcp_mem[1]: from there on the kernel shrinks windows
inline constexpr double kShareOfRam = 0.7;     // for all that TCP can take: the structures of idle sockets as well
inline constexpr double kCgroupIsFull = 0.98;  // of its limit
inline constexpr double kShareOfCgroup = 0.5;  // of its limit: the programs need the rest
inline constexpr std::uint64_t kBusyBytes = 128 * 1024;     // in one connection's buffers
inline constexpr std::uint64_t kFewestBusy = 8;             // a quiet moment says nothing about the busy ones
inline constexpr std::uint64_t kMostMaximum = 64ull << 20;  // more is the operator's decision
inline constexpr double kMemoryStalls = 10;                 // percent of a minute in which some task waited for memory
inline constexpr std::uint64_t kIdleBytes = 5 * 1024;       // structures of one socket, outside tcp_mem
inline constexpr std::uint64_t kLeastIdleBytes = 4 * 1024;  // the same where programs use no epoll
}  // namespace memory_limits

/// Connections with much in their buffers, at the busiest time of the window, and no fewer than a handful. Where not
/// all sockets have rows: as many as the memory of all would be enough for.
std::uint64_t count_busy_connections(const Window& window);

class MemoryGate {
 public:
  /// For raising one maximum of `netns` beside `other`, the one that stays (tcp_wmem[2] for tcp_rmem and vice versa).
  /// `flows` are the connections that ask for it: the limits of their memory cgroups count as well.
  MemoryGate(const Evidence& in, std::uint64_t other, const std::vector<const SocketRow*>& flows);

  /// Why nothing may be raised at all now; empty if something may.
  const std::string& refusal() const { return refusal_; }
  /// The largest maximum that passes, in bytes; 0 with a refusal.
  std::uint64_t most() const { return most_; }
  /// Both maxima of a connection may be so large together.
  bool passes(std::uint64_t both) const;
  /// What passes of `wanted`: itself, or the largest power of two below it.
  std::uint64_t pass(std::uint64_t wanted) const;
  /// What all busy connections can take with this maximum, in bytes.
  std::uint64_t worst_case(std::uint64_t maximum) const;
  /// "8 busy connections x (16 MiB + 4 MiB) = 160 MiB <= 80 % of tcp_mem[1] = 1.2 GiB; …" or the refusal.
  std::string arithmetic(std::uint64_t maximum) const;

 private:
  struct Budget {
    std::string name;  ///< "80 % of tcp_mem[1]"
    std::uint64_t bytes = 0, busy = 0;
    std::uint64_t most(std::uint64_t other) const;
  };
  void limit_by(const Evidence& in, const std::vector<const SocketRow*>& flows);

  std::uint64_t other_ = 0, most_ = 0, sockets_ = 0;
  std::vector<Budget> budgets_;  ///< the host's first
  std::string refusal_, within_ram_;
};

}  // namespace tcpadvisor
