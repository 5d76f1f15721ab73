// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"
#include "agent/export/parts.h"
#include "agent/export/value_json.h"
#include "agent/export/value_metrics.h"

namespace tcpadvisor::exported {
namespace {

using nlohmann::json;
using enum ValueType;

constexpr Value<HostFacts> kHost[] = {
    {"name", text, "", "the host's name", [](const HostFacts& host) { return json(host.name); }},
    {"kernel", text, "", "the kernel's release", [](const HostFacts& host) { return json(host.kernel); }},
    {"cpus", gauge, "", "processors online", [](const HostFacts& host) { return json(host.cpus); },
     metric("host_processors")},
    {"mem_bytes", gauge, "bytes", "memory of the host", [](const HostFacts& host) { return json(host.mem_bytes); },
     metric("host_memory_bytes")},
    {"uptime_s", counter, "s", "time since the kernel started",
     [](const HostFacts& host) { return json(host.uptime_s); }},
};

constexpr Value<SelfCost> kSelf[] = {
    {"snapshot_duration_ms", gauge, "ms", "duration of the last walk over all sockets and owners",
     [](const SelfCost& self) { return json(self.snapshot_ms); }, metric("snapshot_duration_seconds")},
    {"snapshot_age_ms", gauge, "ms", "age of that walk at the time of the tick",
     [](const SelfCost& self) { return json(self.snapshot_age_ms); }},
    {"sockets_walked", gauge, "", "sockets that the walk saw",
     [](const SelfCost& self) { return json(self.sockets_walked); }, metric("snapshot_sockets")},
    {"partial", truth, "", "the walk, or the list of rows, is not complete",
     [](const SelfCost& self) { return json(self.partial); }, metric("snapshot_partial")},
    {"partial_why", text, "", "how it is not; only when partial is true",
     [](const SelfCost& self) { return self.partial ? json(self.partial_why) : absent(); }},
    {"cpu_percent", gauge, "percent", "processor time of the agent since the tick before, of one core",
     [](const SelfCost& self) { return json(self.cpu_percent); }, metric("agent_cpu_ratio")},
    {"rss_bytes", gauge, "bytes", "resident memory of the agent",
     [](const SelfCost& self) { return json(self.rss_bytes); }, metric("agent_resident_memory_bytes")},
    {"hook_ns_per_s", gauge, "ns_per_s", "time in our BPF programs as last measured; 0 before the first measurement",
     [](const SelfCost& self) { return json(self.hook_ns_per_s); }, metric("agent_hook_time_ratio")},
    {"lost", list, "", "what could not be counted since the agent started, by kind",
     [](const SelfCost& self) { return json(self.lost); }},
};

json limit(const Sample& now, std::size_t which) {
  return now.memory.limits_pages ? json((*now.memory.limits_pages)[which]) : json();
}

json under_pressure_since(const Sample& now) {
  const TcpMemory& memory = now.memory;
  if (!memory.under_pressure.value_or(false) || !memory.pressure_ms) return {};
  return static_cast<double>(now.wall_ms - static_cast<std::int64_t>(*memory.pressure_ms)) / 1000;
}

constexpr Value<Sample> kMemory[] = {
    {"page_bytes", gauge, "bytes", "size of a page", [](const Sample& now) { return json(now.memory.page_size); }},
    {"tcp_mem_pages", gauge, "pages", "memory that TCP uses on this host",
     [](const Sample& now) { return or_null(now.memory.pages); }, metric("tcp_memory_bytes")},
    {"min", gauge, "pages", "first value of tcp_mem: below it TCP does not regulate its memory",
     [](const Sample& now) { return limit(now, 0); }, metric("tcp_memory_min_mark_bytes")},
    {"pressure", gauge, "pages", "second value of tcp_mem: above it TCP is under pressure",
     [](const Sample& now) { return limit(now, 1); }, metric("tcp_memory_pressure_mark_bytes")},
    {"max", gauge, "pages", "third value of tcp_mem: above it TCP gets no memory",
     [](const Sample& now) { return limit(now, 2); }, metric("tcp_memory_max_mark_bytes")},
    {"under_pressure", truth, "", "the kernel says that TCP is under memory pressure",
     [](const Sample& now) { return or_null(now.memory.under_pressure); }, metric("tcp_memory_under_pressure")},
    {"under_pressure_since", gauge, "s", "when that began, as unix time", under_pressure_since},
};

template <std::uint32_t Softnet::* Member>
json of_all_cpus(const Sample& now) {
  if (now.softnet.empty()) return {};
  std::uint64_t sum = 0;
  for (const Softnet& cpu : now.softnet) sum += cpu.*Member;
  return sum;
}

constexpr Value<Sample> kPackets[] = {
    {"processed", counter, "", "packets that the processors took from their queues or devices",
     of_all_cpus<&Softnet::processed>, metric("packets_processed_total")},
    {"dropped", counter, "", "packets that found a processor's queue full", of_all_cpus<&Softnet::dropped>,
     metric("packets_dropped_total")},
    {"time_squeezes", counter, "", "times that a run ended at its budget with packets left",
     of_all_cpus<&Softnet::time_squeeze>, metric("packet_time_squeezes_total")},
    {"steered", counter, "", "times that a processor was given packets by another (RPS)",
     of_all_cpus<&Softnet::steered>, metric("packets_steered_total")},
    {"flow_limited", counter, "", "of the dropped: because one flow had too much of a queue",
     of_all_cpus<&Softnet::flow_limited>,
     metric("packets_flow_limited_total", {}, {},
            "packets dropped because one flow had too much of a processor's queue")},
};

template <std::optional<Stall> HostPressure::* Member>
json percent_of(const Sample& now) {
  if (!now.host_pressure || !(*now.host_pressure.*Member)) return {};
  return (*now.host_pressure.*Member)->percent_60;
}

template <std::optional<std::uint64_t> HostPressure::* Member>
json times_of(const Sample& now) {
  return now.host_pressure ? or_null(*now.host_pressure.*Member) : json();
}

constexpr Value<Sample> kStalls[] = {
    {"memory_some_percent", gauge, "percent", "of the last 60 s in which some task waited for memory",
     percent_of<&HostPressure::memory_some>, metric("host_memory_stalled_some_ratio")},
    {"memory_full_percent", gauge, "percent", "the same, all that had anything to do",
     percent_of<&HostPressure::memory_full>,
     metric("host_memory_stalled_all_ratio", {}, {},
            "of the last 60 s in which all tasks that had anything to do waited for memory")},
    {"cpu_some_percent", gauge, "percent", "of the last 60 s in which some task waited for a processor",
     percent_of<&HostPressure::cpu_some>, metric("host_cpu_stalled_some_ratio")},
    {"io_some_percent", gauge, "percent", "of the last 60 s in which some task waited for storage",
     percent_of<&HostPressure::io_some>, metric("host_io_stalled_some_ratio")},
    {"io_full_percent", gauge, "percent", "the same, all that had anything to do", percent_of<&HostPressure::io_full>,
     metric("host_io_stalled_all_ratio", {}, {},
            "of the last 60 s in which all tasks that had anything to do waited for storage")},
    {"allocation_stalls", counter, "", "times that a task had to free memory before it got some",
     times_of<&HostPressure::allocation_stalls>, metric("host_allocation_stalls_total")},
    {"oom_kills", counter, "", "processes that the kernel killed for want of memory",
     times_of<&HostPressure::oom_kills>, metric("host_oom_kills_total")},
};

json tracked_counter(const NetnsSample& netns, std::string_view name) {
  auto found = netns.counters.find(std::string(name));
  return found == netns.counters.end() ? json() : json(found->second);
}

/// Of a namespace that has a table of tracked connections.
constexpr Value<NetnsSample> kConntrack[] = {
    {"netns", text, "", "the namespace", [](const NetnsSample& netns) { return json(netns.name); }},
    {"entries", gauge, "", "connections that are tracked",
     [](const NetnsSample& netns) { return json(netns.conntrack->count); }, metric("conntrack_entries")},
    {"max", gauge, "", "how many may be; 0: any number",
     [](const NetnsSample& netns) { return or_null(netns.conntrack->max); },
     metric("conntrack_limit", {}, {}, "how many connections may be tracked; 0: any number")},
    {"dropped", counter, "", "packets that found no room, or lost a race",
     [](const NetnsSample& netns) { return tracked_counter(netns, "Conntrack.drop"); },
     metric("conntrack_dropped_packets_total", {}, {},
            "packets that found no room in the table of tracked connections, or lost a race")},
    {"insert_failed", counter, "", "of these: lost a race",
     [](const NetnsSample& netns) { return tracked_counter(netns, "Conntrack.insert_failed"); },
     metric("conntrack_insert_failed_total", {}, {}, "of the packets dropped by connection tracking: lost a race")},
    {"early_dropped", counter, "", "entries that had to make room for others",
     [](const NetnsSample& netns) { return tracked_counter(netns, "Conntrack.early_drop"); },
     metric("conntrack_early_dropped_total", {}, {}, "tracked connections that had to make room for others")},
};

/// A kernel counter as its increase since the tick before.
struct Rate {
  std::string_view name, counter, help;
  std::string_view metric;  ///< the counter itself, of each namespace
};

constexpr Rate kRates[] = {
    {"segments_in_per_s", "Tcp.InSegs", "segments received", "segments_received_total"},
    {"segments_out_per_s", "Tcp.OutSegs", "segments sent, without retransmissions", "segments_sent_total"},
    {"retransmits_per_s", "Tcp.RetransSegs", "segments sent again", "segments_sent_again_total"},
    {"active_opens_per_s", "Tcp.ActiveOpens", "connections begun from here", "active_opens_total"},
    {"passive_opens_per_s", "Tcp.PassiveOpens", "connections begun from elsewhere", "passive_opens_total"},
    {"resets_sent_per_s", "Tcp.OutRsts", "resets sent", "resets_total"},
    {"listen_drops_per_s", "TcpExt.ListenDrops", "connections that a listener dropped, for any reason",
     "listen_drops_total"},
    {"listen_overflows_per_s", "TcpExt.ListenOverflows", "connections dropped because an accept queue was full",
     "listen_overflows_total"},
    {"rcvq_drops_per_s", "TcpExt.TCPRcvQDrop", "segments dropped because there was no receive memory",
     "receive_memory_drops_total"},
    {"memory_pressures_per_s", "TcpExt.TCPMemoryPressures", "times that TCP came under memory pressure",
     "memory_pressures_total"},
};

/// Over the namespaces that were read both times.
std::optional<double> increase(const PastTick& before, const PastTick& now, std::string_view counter) {
  std::optional<double> sum;
  for (const PastNetns& netns : now.netns) {
    const PastNetns* then = before.find_netns(netns.id);
    std::optional<std::uint64_t> value = netns.counter(counter);
    std::optional<std::uint64_t> old_value = then == nullptr ? std::nullopt : then->counter(counter);
    if (!value || !old_value || *old_value > *value) continue;
    sum = sum.value_or(0) + static_cast<double>(*value - *old_value);
  }
  return sum;
}

/// A request socket counts as SYN_RECV.
constexpr bool is_listed(std::size_t state) {
  return state != index_of(TcpState::new_syn_recv);
}

}  // namespace

json host_json(const Sample& now) {
  return object_of(kHost, now.host);
}

json self_json(const Sample& now) {
  return object_of(kSelf, now.self);
}

json memory_json(const Sample& now) {
  return object_of(kMemory, now);
}

json packets_json(const Sample& now) {
  return object_of(kPackets, now);
}

json stalls_json(const Sample& now) {
  return object_of(kStalls, now);
}

json conntrack_json(const Sample& now) {
  json tables = json::array();
  for (const NetnsSample& netns : now.netns) {
    if (netns.conntrack) tables.push_back(object_of(kConntrack, netns));
  }
  return tables;
}

json states_json(const Observation& seen) {
  auto counts = observe::state_counts(seen.window.last());
  json states = json::object();
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (is_listed(state)) states[std::string(kStateNames[state])] = counts[state];
  }
  return states;
}

json rates_json(const Observation& seen) {
  json rates = json::object();
  const PastTick &now = seen.window.last(), *before = seen.before();
  if (before == nullptr || now.mono_ms <= before->mono_ms) return rates;
  double seconds = static_cast<double>(now.mono_ms - before->mono_ms) / 1000;
  for (const Rate& rate : kRates) {
    std::optional<double> more = increase(*before, now, rate.counter);
    rates[std::string(rate.name)] = more ? json(*more / seconds) : json();
  }
  return rates;
}

void describe_host(std::vector<Description>& all) {
  add_descriptions(all, "host.", kHost);
  add_descriptions(all, "self.", kSelf);
  add_descriptions(all, "memory.", kMemory);
  add_descriptions(all, "packets.", kPackets);
  add_descriptions(all, "stalls.", kStalls);
  add_descriptions(all, "conntrack[].", kConntrack);
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (is_listed(state))
      all.push_back({"states." + std::string(kStateNames[state]), gauge, "", "sockets in this state"});
  }
  for (const Rate& rate : kRates) {
    std::string name(rate.name), help(rate.help);
    all.push_back(
        {"rates." + name, gauge, "per_s", help + ", since the tick before (" + std::string(rate.counter) + ")"});
  }
}

void host_metrics(Families& all, const MetricSource* source) {
  const Sample* now = source != nullptr ? &source->now() : nullptr;
  add_value_points(all, kHost, {}, now != nullptr ? &now->host : nullptr);
  const double page_bytes = now != nullptr ? static_cast<double>(now->memory.page_size) : 1;
  add_value_points(all, kMemory, {}, now, {}, page_bytes);
  add_value_points(all, kPackets, {}, now);
  add_value_points(all, kStalls, {}, now);
  add_value_points<NetnsSample>(all, kConntrack, {"netns"}, nullptr);
  for (const Rate& rate : kRates) {
    Family& family =
        all.family({.name = rate.metric, .type = MetricType::counter, .labels = {"netns"}, .help = rate.help});
    for (const NetnsSample& netns : now != nullptr ? std::span(now->netns) : std::span<const NetnsSample>()) {
      auto counter = netns.counters.find(std::string(rate.counter));
      if (counter != netns.counters.end())
        family.add({netns_label(*now, netns.id)}, static_cast<double>(counter->second));
    }
  }
  if (now == nullptr) return;
  for (const NetnsSample& netns : now->netns) {
    if (netns.conntrack) add_value_points(all, kConntrack, {"netns"}, &netns, {netns_label(*now, netns.id)});
  }
}

void self_metrics(Families& all, const MetricSource* source) {
  add_value_points(all, kSelf, {}, source != nullptr ? &source->now().self : nullptr);
}

}  // namespace tcpadvisor::exported
