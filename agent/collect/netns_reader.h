// SPDX-License-Identifier: Apache-2.0
// Everything that one tick wants to know about one network namespace, read from inside it.
#pragma once

#include <optional>

#include "agent/collect/coverage.h"
#include "agent/collect/tally.h"
#include "agent/kernel/tracer.h"
#include "agent/os/netns.h"
#include "agent/sources/conntrack.h"
#include "agent/sources/net_counters.h"
#include "agent/sources/sysctls.h"

namespace tcpadvisor::collect {

struct NetnsReading {
  os::NetnsRef ref;
  std::optional<Error> not_entered;
  std::optional<kernel::SocketWalk> walk;  ///< nothing if not asked for, or failed; its rows are with the keeper
  std::optional<Error> walk_failed;
  bool dump_interrupted = false;
  std::uint64_t undecodable = 0;  ///< messages of sock_diag that made no sense
  kernel::PortRange ports;        ///< of connect(); all of them if that is not known
  sources::NetFiles files;
  std::optional<std::vector<Device>> devices;  ///< nothing if they could not be read
  std::optional<Error> devices_failed;
  std::optional<sources::ConntrackFiles> conntrack;  ///< nothing if it is not tracked here, or could not be read
  std::optional<Error> conntrack_failed;
  std::optional<Sysctls> sysctls;  ///< nothing if not asked for, or failed
  std::optional<Error> sysctls_failed;
};

/// What to read, and with what.
struct NetnsOrder {
  SourceKind snapshot = SourceKind::none;  ///< none: no walk this time
  bool sysctls = false;
  TallyContext tally;  ///< its netns is set for each namespace
};

/// Changes the namespace of the calling thread while it reads: call it in a thread of its own.
NetnsReading read_netns(const os::NetnsRef& ref, const NetnsOrder& order, const os::ProcRoot& root,
                        kernel::Tracer& tracer, StateAges& ages, OwnerTable& owner_totals);

}  // namespace tcpadvisor::collect
