// SPDX-License-Identifier: Apache-2.0
// Text of /proc and of the cgroup file systems. The first byte chooses the table.
#include "agent/sources/cgroups.h"
#include "agent/sources/conntrack.h"
#include "agent/sources/host_facts.h"
#include "agent/sources/host_pressure.h"
#include "agent/sources/net_counters.h"
#include "agent/sources/pod_names.h"
#include "agent/sources/proc_net_tcp.h"
#include "agent/sources/processes.h"
#include "agent/sources/softnet.h"
#include "agent/sources/sysctls.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  using namespace tcpadvisor::sources;
  if (bytes.empty()) return;
  std::string_view text = fuzz::text(bytes.subspan(1));
  std::size_t half = text.size() / 2;
  switch (bytes.front() % 13) {
    case 0: {
      Counters counters;
      auto parsed = parse_counters(text, "/proc/net/netstat", counters);
      fuzz::require(counters.size() <= text.size());
      if (!parsed) fuzz::require(parsed.error().message.find("/proc/net/netstat:") != std::string::npos);
      return;
    }
    case 1:
      (void)parse_sockstat(text.substr(0, half), text.substr(half));
      return;
    case 2:
      (void)parse_protocols(text);
      return;
    case 3:
      if (auto row = parse_proc_net_tcp(text)) fuzz::require(index_of(row->state) < kStateCount);
      return;
    case 4:
      fuzz::require(parse_sysctl(text, false).values.size() <= text.size());
      return;
    case 5:
      (void)parse_fd_limit(text);
      return;
    case 6: {
      ProcessCgroups groups = parse_process_cgroups(text);
      fuzz::require(groups.unified.size() + groups.memory.size() <= 8 * text.size() + 8);
      for (std::string_view path : {text, std::string_view(groups.unified)}) {
        auto group = owner_group_of(path);
        fuzz::require(group.has_value() != path.empty());
        fuzz::require(!group || (!group->name.empty() && !group->id.empty()));
      }
      return;
    }
    case 7:
      (void)parse_cgroup_mounts(text);
      return;
    case 8:
      (void)parse_meminfo(text);
      (void)parse_uptime(text);
      return;
    case 10:
      if (auto cpus = parse_softnet(text)) fuzz::require(!cpus->empty() && cpus->size() <= text.size());
      return;
    case 11: {
      Counters counters;
      if (!parse_conntrack_stat(text, counters)) fuzz::require(counters.empty());
      return;
    }
    case 12: {
      auto stalls = parse_pressure(text, "memory");
      if (stalls) fuzz::require(stalls->some->percent_10 >= 0 && stalls->some->percent_60 <= 101);
      (void)parse_vmstat(text);
      return;
    }
    default:
      (void)parse_flat_keyed(text, "sock");
      (void)parse_pod_log(text);
      (void)parse_container_log(text);
      return;
  }
}
