// SPDX-License-Identifier: Apache-2.0
#include "agent/export/tick_json.h"

#include <algorithm>
#include <vector>

#include "advisor/report/finding_json.h"
#include "advisor/report/network_json.h"
#include "agent/export/parts.h"
#include "agent/export/value_json.h"

namespace tcpadvisor::exported {
namespace {

using nlohmann::json;
using enum ValueType;

struct Tick {
  const Observation& seen;
  std::vector<Link> links;  ///< of sockets with a row, the longest queues first
  std::size_t shown;        ///< how many of them

  const Sample& now() const { return seen.now(); }
};

Tick tick_of(const Observation& seen, std::size_t max_connections) {
  std::vector<Link> links = observe::links_of(seen.window.connections());
  std::erase_if(links, [](const Link& link) { return link.stand_in != nullptr; });  // they are in user_queues
  std::ranges::stable_sort(links, [](const Link& a, const Link& b) { return a.queued() > b.queued(); });
  std::size_t shown = std::min(links.size(), max_connections);
  return {seen, std::move(links), shown};
}

json connections_of(const Tick& tick) {
  return connections_json(std::span(tick.links).first(tick.shown), tick.seen);
}

json coverage_of(const Tick& tick) {
  json object = json::object();
  for (const FactCoverage& fact : tick.now().coverage)
    object[std::string(name_of(fact.fact))] = fact.in_use.empty() ? json() : json(fact.in_use);
  return object;
}

json findings_of(const Tick& tick) {
  json all = json::array();
  for (const Finding& finding : tick.seen.verdict.findings) all.push_back(to_json(finding));
  return all;
}

constexpr Value<Tick> kTick[] = {
    {"ts", gauge, "s", "when the tick was taken, as unix time",
     [](const Tick& tick) { return json(static_cast<double>(tick.now().wall_ms) / 1000); }},
    {"host", list, "", "the host", [](const Tick& tick) { return host_json(tick.now()); }},
    {"coverage", list, "", "the source in use for each fact, null without one", coverage_of},
    {"self", list, "", "what the agent costs and loses", [](const Tick& tick) { return self_json(tick.now()); }},
    {"memory", list, "", "TCP's memory on this host", [](const Tick& tick) { return memory_json(tick.now()); }},
    {"packets", list, "", "packets before TCP sees them, of all processors, since the kernel started",
     [](const Tick& tick) { return packets_json(tick.now()); }},
    {"stalls", list, "", "what tasks of the host wait for", [](const Tick& tick) { return stalls_json(tick.now()); }},
    {"conntrack", list, "", "tables of tracked connections, of the namespaces that have one",
     [](const Tick& tick) { return conntrack_json(tick.now()); }},
    {"states", list, "", "sockets in each state, in all namespaces",
     [](const Tick& tick) { return states_json(tick.seen); }},
    {"rates", list, "", "kernel counters, per second since the tick before",
     [](const Tick& tick) { return rates_json(tick.seen); }},
    {"connections", list, "", "those with the longest queues", connections_of},
    {"connections_not_shown", gauge, "", "connections that are not in the list",
     [](const Tick& tick) { return json(tick.links.size() - tick.shown + tick.now().rows_suppressed); }},
    {"user_queues", list, "", "queues of programs, as they say",
     [](const Tick& tick) { return user_queues_json(tick.seen); }},
    {"listeners", list, "", "listening sockets", [](const Tick& tick) { return listeners_json(tick.seen); }},
    {"port_use", list, "", "local ports in use towards a destination, where the largest part of those available is",
     [](const Tick& tick) { return port_use_json(tick.seen); }},
    {"failed_connects", list, "", "attempts to connect that failed, by process, destination and reason",
     [](const Tick& tick) { return failed_connects_json(tick.seen); }},
    {"retransmits", list, "", "segments sent again by kind, towards the addresses with the most",
     [](const Tick& tick) { return retransmits_json(tick.seen); }},
    {"owners", list, "", "processes that hold TCP sockets", [](const Tick& tick) { return owners_json(tick.seen); }},
    {"networks", list, "",
     "connections of a process to one port and one /24 or /64, whether they are listed or not, as in a report",
     [](const Tick& tick) { return networks_json(network_list(tick.now())); }},
    {"networks_not_shown", list, "", "of those, how many are not in the list, with their connections",
     [](const Tick& tick) { return networks_not_shown_json(network_list(tick.now())); }},
    {"groups", list, "", "what the processes of one unit, container, pod, user or cgroup add up to",
     [](const Tick& tick) { return groups_json(tick.seen); }},
    {"build_up", list, "", "sockets of one owner in one state that they should only pass through",
     [](const Tick& tick) { return build_up_json(tick.seen); }},
    {"findings", list, "", "as in a report, docs/report.schema.json", findings_of},
    {"not_listed", list, "", "findings that are counted instead of listed, as in a report",
     [](const Tick& tick) { return to_json(tick.seen.verdict.not_listed); }},
};

}  // namespace

std::string tick_json(const Observation& seen, std::size_t max_connections) {
  return one_line(object_of(kTick, tick_of(seen, max_connections)));
}

std::vector<Description> describe_values() {
  std::vector<Description> all;
  add_descriptions(all, "", kTick);
  describe_host(all);
  describe_sockets(all);
  describe_connects(all);
  describe_owners(all);
  return all;
}

}  // namespace tcpadvisor::exported
