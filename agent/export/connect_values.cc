// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "advisor/evidence/names.h"
#include "advisor/knobs/port_space.h"
#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"
#include "agent/export/parts.h"
#include "agent/export/value_json.h"
#include "agent/export/value_metrics.h"

namespace tcpadvisor::exported {
namespace {

using nlohmann::json;
using enum ValueType;

struct Use {
  const PortUse& ports;
  const Observation& seen;
};

json available_for(const Use& one) {
  std::optional<PortSpace> space = port_space(one.seen.now(), one.ports.netns);
  return space ? json(space->available()) : json();
}

json share_for(const Use& one) {
  std::optional<PortSpace> space = port_space(one.seen.now(), one.ports.netns);
  return space ? json(share_of(one.seen.now(), one.ports, *space)) : json();
}

constexpr Value<Use> kPortUse[] = {
    {"netns", text, "", "name of the network namespace",
     [](const Use& one) { return json(netns_text(one.seen.now(), one.ports.netns)); }},
    {"source", text, "", "the address on this side", [](const Use& one) { return json(one.ports.source.ip_text()); }},
    {"destination", text, "",
     "address and port on the other side; \"* (bind)\": all, ports that bind() chose before connect()",
     [](const Use& one) { return json(destination_text(one.ports)); }},
    {"used", gauge, "", "local ports in use towards it, those in TIME_WAIT included",
     [](const Use& one) { return json(one.ports.used); },
     metric("destination_ports_used", {}, {}, "local ports in use towards a destination, those in TIME_WAIT included")},
    {"time_wait", gauge, "", "of those, in TIME_WAIT", [](const Use& one) { return json(one.ports.timewait); },
     metric("destination_ports_time_wait", {}, {},
            "of the local ports in use towards a destination, those in TIME_WAIT")},
    {"available", gauge, "", "ports of ip_local_port_range that are neither reserved nor listening", available_for,
     metric("destination_ports_available")},
    {"share", gauge, "ratio",
     "of those available that connect() cannot choose; TIME_WAIT counts unless it is taken again", share_for,
     metric("destination_ports_used_ratio", {}, {},
            "of the ports available towards a destination, those that connect() cannot choose")},
};

struct Failed {
  const FailedConnects& connects;
  const Observation& seen;
};

constexpr Value<Failed> kFailed[] = {
    {"netns", text, "", "name of the network namespace",
     [](const Failed& one) { return json(netns_text(one.seen.now(), one.connects.netns)); }},
    {"pid", gauge, "", "the process that called connect(); null if it is not known",
     [](const Failed& one) { return one.connects.pid != 0 ? json(one.connects.pid) : json(); }},
    {"comm", text, "", "its name", [](const Failed& one) { return json(one.connects.comm); }},
    {"destination", text, "", "address and port that it wants",
     [](const Failed& one) { return json(one.connects.destination.text()); }},
    {"end", text, "", "how they ended: refused, timed-out, unreachable, given-up, no-port, other",
     [](const Failed& one) { return json(name_of(one.connects.end)); }},
    {"count", gauge, "", "how many, without a pause of a minute",
     [](const Failed& one) { return json(one.connects.count); }},
    {"last_ms_ago", gauge, "ms", "time since the last one",
     [](const Failed& one) { return json(one.connects.last_ms_ago); }},
    {"waited_ms", gauge, "ms", "how long the last one had waited",
     [](const Failed& one) { return json(one.connects.waited_ms); }},
};

struct Again {
  const Retransmits& sent;
  const Observation& seen;
};

template <std::uint64_t RetransmitCounts::* Kind>
json count_of(const Again& one) {
  return json(one.sent.segments.*Kind);
}

constexpr Value<Again> kAgain[] = {
    {"netns", text, "", "name of the network namespace",
     [](const Again& one) { return json(netns_text(one.seen.now(), one.sent.netns)); }},
    {"destination", text, "", "the address on the other side",
     [](const Again& one) { return json(one.sent.destination.ip_text()); }},
    {"fast", counter, "", "sent again because acknowledgements told of the loss", count_of<&RetransmitCounts::fast>},
    {"tail_probe", counter, "", "the last on its way, after some two round trips without an answer",
     count_of<&RetransmitCounts::tail_probe>},
    {"timeout", counter, "", "the first on its way, by the timer", count_of<&RetransmitCounts::timeout>},
    {"after_timeout", counter, "", "those behind it", count_of<&RetransmitCounts::after_timeout>},
    {"syn", counter, "", "attempts to connect that were not answered", count_of<&RetransmitCounts::syn>},
    {"syn_ack", counter, "", "answers to such that were not answered", count_of<&RetransmitCounts::syn_ack>},
    {"other", counter, "", "for other reasons: a smaller path MTU, data of a SYN", count_of<&RetransmitCounts::other>},
    {"last_ms_ago", gauge, "ms", "time since the last one",
     [](const Again& one) { return json(one.sent.last_ms_ago); }},
};
constexpr std::size_t kMostAgain = 20;

}  // namespace

json port_use_json(const Observation& seen) {
  json all = json::array();
  for (const PortUse& ports : seen.now().port_use) all.push_back(object_of(kPortUse, Use{ports, seen}));
  return all;
}

json failed_connects_json(const Observation& seen) {
  json all = json::array();
  for (const FailedConnects& connects : seen.now().failed_connects)
    all.push_back(object_of(kFailed, Failed{connects, seen}));
  return all;
}

json retransmits_json(const Observation& seen) {
  std::vector<const Retransmits*> most;
  for (const Retransmits& one : seen.now().retransmits) most.push_back(&one);
  auto end = most.begin() + static_cast<std::ptrdiff_t>(std::min(kMostAgain, most.size()));
  std::ranges::partial_sort(most, end, [](const Retransmits* a, const Retransmits* b) {
    const std::uint64_t of_a = a->segments.total(), of_b = b->segments.total();
    return of_a != of_b ? of_a > of_b : *a < *b;
  });
  json all = json::array();
  for (auto one = most.begin(); one != end; ++one) all.push_back(object_of(kAgain, Again{**one, seen}));
  return all;
}

void describe_connects(std::vector<Description>& all) {
  add_descriptions(all, "port_use[].", kPortUse);
  add_descriptions(all, "failed_connects[].", kFailed);
  add_descriptions(all, "retransmits[].", kAgain);
}

void destination_value_metrics(Families& all, const MetricSource* source) {
  constexpr std::size_t kMostDestinations = 10;
  constexpr std::array<std::string_view, 3> kLabels{"netns", "source", "destination"};
  add_value_points<Use>(all, kPortUse, kLabels, nullptr);
  if (source == nullptr) return;
  // The sample has them by the most ports in use. The rest is not added up: their ports are the same ones.
  const std::vector<PortUse>& uses = source->now().port_use;
  for (const PortUse& ports : std::span(uses).first(std::min(uses.size(), kMostDestinations))) {
    const Use one{ports, source->seen};
    add_value_points(all, kPortUse, kLabels, &one,
                     {netns_label(source->now(), ports.netns), ports.source.ip_text(), destination_text(ports)});
  }
  all.tell_folded("port_use", uses.size() - std::min(uses.size(), kMostDestinations));
}

}  // namespace tcpadvisor::exported
