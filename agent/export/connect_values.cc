// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/names.h"
#include "advisor/knobs/port_space.h"
#include "agent/export/parts.h"
#include "agent/export/value_json.h"

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
     [](const Use& one) { return json(one.ports.used); }},
    {"time_wait", gauge, "", "of those, in TIME_WAIT", [](const Use& one) { return json(one.ports.timewait); }},
    {"available", gauge, "", "ports of ip_local_port_range that are neither reserved nor listening", available_for},
    {"share", gauge, "ratio",
     "of those available that connect() cannot choose; TIME_WAIT counts unless it is taken again", share_for},
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

void describe_connects(std::vector<Description>& all) {
  add_descriptions(all, "port_use[].", kPortUse);
  add_descriptions(all, "failed_connects[].", kFailed);
}

}  // namespace tcpadvisor::exported
