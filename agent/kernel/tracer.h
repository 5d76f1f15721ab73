// SPDX-License-Identifier: Apache-2.0
// The door to the kernel: everything that BPF programs tell us, and the only room that sees libbpf.
//
// Each fact has a ranked list of sources; every source is tried by really loading and attaching it. A source that fails
// is a line in coverage(), never a failure of the whole.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/descriptor.h"
#include "agent/os/kin.h"

namespace tcpadvisor::kernel {

enum class Hooks {
  any,
  fentry,
  kprobe,
  tp_btf,
  none
};  ///< which kind the event hooks may use; iterators are not hooks
enum class Calls { any, on, off };  ///< the hooks on every send and receive call; `any`: as long as they are cheap

struct TracerOptions {
  Hooks hooks = Hooks::any;
  Calls calls = Calls::any;
  Calls drops = Calls::any;          ///< the same of the hook on every packet that is dropped
  bool iterators = true;             ///< false: no BPF walk, the caller uses sock_diag or /proc
  std::uint32_t max_flows = 65'536;  ///< bound of the hash that replaces socket storage under kprobes
  std::uint32_t max_rows = 65'536;   ///< rows that one walk hands over; the rest is counted as suppressed
};

/// The local ports that connect() chooses from, both included (ip_local_port_range).
struct PortRange {
  std::uint16_t low = 1, high = 65'535;
};

/// Of the destinations of a namespace, those with the most ports in use are told.
inline constexpr std::size_t kMaxPortUse = 20;

/// Which sockets get a row of their own. The totals are complete whatever this says.
struct RowFilter {
  bool all = false;                   ///< every socket, up to the limit of rows
  std::uint64_t min_recv_q = 65'536;  ///< bytes; at or above, the socket matters
  std::uint64_t min_send_q = 65'536;
  NetnsId netns = 0;                      ///< of owners: only sockets of this namespace count; 0: of all
  std::chrono::milliseconds old{60'000};  ///< age from which a CLOSE_WAIT or FIN_WAIT_2 counts as old in OwnerTotals
  PortRange ports;                        ///< whose use is counted in SocketWalk::port_use
};

/// What the addresses and ports of a socket hash to.
using Spot = std::uint16_t;

/// Where there are too many sockets for a row each: which of them are looked at, in both walks. Those in use get a row.
struct Look {
  std::uint32_t mask = 0, turn = 0;                          ///< those whose spot has `turn` in the bits of `mask`
  std::uint32_t max_rows = 0;                                ///< of one walk over a namespace
  std::array<std::uint64_t, (1u << 16) / 64> followed = {};  ///< and those with the bit of their spot
  void follow(Spot spot) { followed[spot / 64] |= std::uint64_t{1} << spot % 64; }
  bool includes(Spot spot) const { return (spot & mask) == turn || (followed[spot / 64] >> spot % 64 & 1) != 0; }
  bool operator==(const Look&) const = default;
};

/// Takes the rows of a walk one by one, in the kernel's order. Holder is decided except for `process`: the owner comes
/// from OwnerWalk. `spot` is given for a row that does not matter and came by a look.
using TakeRow = std::function<void(SocketRow&&, std::optional<Spot> spot)>;

/// One pass over the sockets of one namespace.
struct SocketWalk {
  StateTable states{};
  std::vector<PortTotals> ports;
  std::vector<CgroupTotals> cgroups;  ///< by id; the caller finds path and memory
  std::vector<PortUse> port_use;      ///< the most of them, most first; netns is the caller's to set
  std::uint64_t walked = 0;
  std::uint64_t suppressed = 0;              ///< mattered, but over max_rows
  std::uint64_t unaggregated = 0;            ///< sockets whose cgroup or port did not fit into the tables
  std::uint64_t destinations_uncounted = 0;  ///< sockets that are in no PortUse for want of room
  TcpMemory memory;                          ///< as the first socket sees it; empty fields if there was no socket
  std::uint32_t pid_level = 0;               ///< depth of our pid namespace; 0: pids in LastUser are as we number them
};

/// One pass over the descriptors of all processes, in all namespaces.
struct OwnerWalk {
  std::vector<OwnerTotals> owners;        ///< only processes that hold TCP sockets
  std::vector<os::Descriptor> by_cookie;  ///< of the sockets that match the filter; sorted
  std::vector<os::Descriptor> by_inode;   ///< of MPTCP's sockets, whose subflows bear the same inode number; sorted
  std::unordered_map<Pid, os::Kin> kin;   ///< of the owners
  std::vector<NetworkTotals> networks;    ///< of the owners; without names
  std::uint64_t networks_uncounted = 0;   ///< sockets that are in none of them for want of room
  std::unordered_map<Pid, Pid> by_tgid;   ///< our number by that of the first pid namespace, which the hooks note
  std::uint64_t files = 0;                ///< descriptors visited
  std::uint64_t suppressed = 0;           ///< matched the filter, but over max_rows
};

/// What the hooks in use took while measure() was on, and lost.
struct HookCost {
  /// The hooks of one fact; `name` is the source in use.
  struct Program {
    std::string name;
    FactId fact = FactId::calls;
    std::uint64_t run_count = 0, run_time_ns = 0;  ///< only while measured
    std::uint64_t recursion_misses = 0;            ///< events since load that the kernel did not show to the hooks
  };
  std::vector<Program> programs;
};

class Tracer {
 public:
  /// Tries every source of every fact. Never fails as a whole: what does not work is in coverage().
  static std::unique_ptr<Tracer> open(const TracerOptions& options);
  virtual ~Tracer() = default;

  virtual const std::vector<FactCoverage>& coverage() const = 0;
  virtual bool can_walk_sockets() const = 0;
  virtual bool can_walk_owners() const = 0;

  /// From the next walks on; null: at none. Not while one is under way.
  virtual void look_at(const Look* look) = 0;
  /// All TCP sockets (IPv4, IPv6, TIME_WAIT, request) of the network namespace of the *calling thread*. One walk at a
  /// time. Rows are handed over as they are read, so that only the caller decides how many it keeps; they count even if
  /// the walk fails later.
  virtual Result<SocketWalk> walk_sockets(const RowFilter& filter, const TakeRow& take) = 0;
  /// All descriptors of all processes that our pid namespace shows. May run beside walk_sockets() in another thread.
  virtual Result<OwnerWalk> walk_owners(const RowFilter& filter) = 0;

  virtual std::optional<LifecycleTotals> lifecycle() = 0;  ///< nothing when no state hook works
  virtual std::optional<BufferRefusals> refusals() = 0;
  /// The runs of failures that are not over; nothing when no hook sees them.
  virtual std::optional<std::vector<FailedConnects>> failed_connects() = 0;
  /// By namespace and address; nothing when no hook sees them.
  virtual std::optional<std::vector<Retransmits>> retransmits() = 0;
  /// By namespace, other end or listening port, reason and function; most first; nothing when no hook sees them.
  virtual std::optional<std::vector<Drops>> drops() = 0;
  /// What each process closes; nothing when no hook sees it.
  virtual std::optional<std::vector<Closes>> closes() = 0;
  /// Every kind of loss that can happen, 0 where nothing was lost. Facts that have become lower bounds say so in
  /// coverage() from then on.
  virtual std::map<std::string, std::uint64_t> lost() = 0;

  /// Detaches the hooks of a fact (what `--calls auto` and `--drops auto` do over the budget). They stay off;
  /// coverage() says so.
  virtual void stop(FactId fact, const std::string& why) = 0;

  /// Whether maps and iterators can still be read with the capabilities that are in effect now.
  virtual bool still_readable() = 0;

  /// From now on, and until the next call with false, the hooks measure themselves (some 50 ns more per run). Needs no
  /// privilege and no help of the kernel's statistics, so it also works without capabilities and does not fail.
  virtual Status measure(bool on) = 0;
  virtual HookCost cost() const = 0;
};

}  // namespace tcpadvisor::kernel
