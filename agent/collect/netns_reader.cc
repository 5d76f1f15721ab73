// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/netns_reader.h"

#include <algorithm>

#include "agent/sources/devices.h"
#include "agent/sources/proc_net_tcp.h"
#include "agent/sources/sock_diag.h"

namespace tcpadvisor::collect {
namespace {

Result<kernel::SocketWalk> walk_in_kernel(const TallyContext& context, kernel::Tracer& tracer, StateAges& ages,
                                          OwnerTable& owner_totals) {
  auto walk = tracer.walk_sockets(context.filter, [&](SocketRow&& row, std::optional<kernel::Spot> spot) {
    row.netns = context.netns;
    ages.observe(row, context.now_ms);
    if (context.owners != nullptr) add_to_owners(row, *context.owners, context.filter.old, owner_totals);
    hand_over(std::move(row), spot, context);
  });
  if (!walk) return walk;
  for (PortTotals& port : walk->ports) port.netns = context.netns;
  for (PortUse& use : walk->port_use) use.netns = context.netns;
  return walk;
}

/// Read for every walk, because the walk counts by it.
kernel::PortRange read_port_range(const os::ProcRoot& root) {
  auto text = root.read("/proc/sys/net/ipv4/ip_local_port_range");
  if (!text) return {};
  Sysctl range = sources::parse_sysctl(*text, false);
  auto port = [&](std::size_t i) {
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(range.values[i], 1, 65'535));
  };
  return range.values.size() == 2 ? kernel::PortRange{port(0), port(1)} : kernel::PortRange{};
}

void walk(const NetnsOrder& order, const TallyContext& context, const os::ProcRoot& root, kernel::Tracer& tracer,
          StateAges& ages, OwnerTable& owner_totals, NetnsReading& reading) {
  auto keep = [&reading](Result<kernel::SocketWalk> result) {
    if (result) reading.walk = std::move(*result);
    if (!result) reading.walk_failed = result.error();
  };
  if (order.snapshot == SourceKind::iter_tcp) return keep(walk_in_kernel(context, tracer, ages, owner_totals));

  Tally tally(context, ages, owner_totals);
  auto add = [&tally](SocketRow&& row) { tally.add(std::move(row)); };
  if (order.snapshot == SourceKind::sock_diag) {
    auto dump = sources::dump_sockets(add);
    if (!dump) return keep(std::unexpected(dump.error()));
    reading.dump_interrupted = dump->interrupted;
    reading.undecodable = dump->undecodable;
  } else if (auto status = sources::read_proc_net_tcp(root, add); !status) {
    return keep(std::unexpected(status.error()));
  }
  keep(tally.take());
}

/// Only then anybody asks what devices drop. Most of many namespaces never do, and cost nothing.
bool sends_again(const Counters& counters) {
  auto count = counters.find("Tcp.RetransSegs");
  return count != counters.end() && count->second > 0;
}

}  // namespace

NetnsReading read_netns(const os::NetnsRef& ref, const NetnsOrder& order, const os::ProcRoot& root,
                        kernel::Tracer& tracer, StateAges& ages, OwnerTable& owner_totals) {
  NetnsReading reading;
  reading.ref = ref;
  auto visit = os::NetnsVisit::enter(ref);
  if (!visit) {
    reading.not_entered = visit.error();
    return reading;
  }
  if (order.snapshot != SourceKind::none) {
    TallyContext context = order.tally;
    context.netns = ref.id;
    reading.ports = context.filter.ports = read_port_range(root);
    walk(order, context, root, tracer, ages, owner_totals, reading);
  }
  reading.files = sources::read_net_files(root);
  if (sends_again(reading.files.counters)) {
    auto devices = sources::read_devices();
    if (devices) reading.devices = std::move(*devices);
    if (!devices) reading.devices_failed = devices.error();
  }
  auto conntrack = sources::read_conntrack(root);
  if (conntrack) reading.conntrack = std::move(*conntrack);
  if (!conntrack) reading.conntrack_failed = conntrack.error();
  if (order.sysctls) {
    auto settings = sources::read_sysctls(root);
    if (settings) reading.sysctls = std::move(*settings);
    if (!settings) reading.sysctls_failed = settings.error();
  }
  return reading;
}

}  // namespace tcpadvisor::collect
