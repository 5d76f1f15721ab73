// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/evidence/names.h"
#include "advisor/evidence/sample_fields.h"
#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"
#include "agent/export/parts.h"
#include "agent/export/value_json.h"
#include "agent/export/value_metrics.h"
#include "agent/observe/build_up.h"
#include "agent/observe/groups.h"

namespace tcpadvisor::exported {
namespace {

using nlohmann::json;
using enum ValueType;
using observe::BuildUp;
using observe::GroupTotals;

struct Process {
  const OwnerTotals& totals;
  const Observation& seen;
};

template <typename Counts>
json by_state(const Counts& sockets) {
  json states = json::object();
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (sockets[state] > 0) states[std::string(kStateNames[state])] = sockets[state];
  }
  return states;
}

/// Null where no source shows it.
json timeouts_of(const Process& one) {
  const auto& timeouts = one.totals.timeouts;
  if (!timeouts) return {};
  return {{"looked", timeouts->looked},
          {"one_in", timeouts->one_in},
          {"keepalive", timeouts->keepalive},
          {"user_timeout", timeouts->user_timeout},
          {"send_timeout", timeouts->send_timeout},
          {"recv_timeout", timeouts->recv_timeout},
          {"none", timeouts->none}};
}

constexpr Value<Process> kProcess[] = {
    {"pid", gauge, "", "the process", [](const Process& one) { return json(one.totals.pid); }},
    {"pid_inside", gauge, "", kPidInsideHelp,
     [](const Process& one) { return one.totals.pid_inside != 0 ? json(one.totals.pid_inside) : json(); }},
    {"comm", text, "", "its name", [](const Process& one) { return json(one.totals.comm); }},
    {"cgroup", text, "", "path of its cgroup", [](const Process& one) { return json(one.totals.cgroup); }},
    {"group", list, "", kGroupHelp,
     [](const Process& one) { return group_or_null(observe::group_of(one.totals, one.seen.now())); }},
    {"netns", text, "", "name of its network namespace",
     [](const Process& one) { return json(netns_text(one.seen.now(), one.totals.netns)); }},
    {"states", list, "", "its TCP sockets by state, those it has; CLOSE: dead and still held",
     [](const Process& one) { return by_state(one.totals.sockets); }},
    {"old_close_wait", gauge, "", "CLOSE_WAIT sockets older than the policy's age",
     [](const Process& one) { return json(one.totals.old_close_wait); }},
    {"old_fin_wait_2", gauge, "", "FIN_WAIT_2 sockets older than the policy's age",
     [](const Process& one) { return json(one.totals.old_fin_wait_2); }},
    {"recv_q", gauge, "bytes", "received and not read, of all its sockets",
     [](const Process& one) { return json(one.totals.recv_q); }},
    {"send_q", gauge, "bytes", "sent and not acknowledged, or not sent, of all its sockets",
     [](const Process& one) { return json(one.totals.send_q); }},
    {"rmem_bytes", gauge, "bytes", "receive memory of all its sockets",
     [](const Process& one) { return json(one.totals.rmem); }},
    {"wmem_bytes", gauge, "bytes", "send memory of all its sockets",
     [](const Process& one) { return json(one.totals.wmem); }},
    {"fds", gauge, "", "descriptors that it has open, of any kind",
     [](const Process& one) { return or_null(one.totals.fds); }},
    {"fd_limit", gauge, "", "descriptors that it may have",
     [](const Process& one) { return or_null(one.totals.fd_limit); }},
    {"timeouts", list, "",
     "of its connections to other hosts that were looked at, about one in so many: how many have SO_KEEPALIVE, "
     "TCP_USER_TIMEOUT, SO_SNDTIMEO, SO_RCVTIMEO, none of these",
     timeouts_of},
};

constexpr Value<GroupTotals> kGroup[] = {
    {"group", list, "", kGroupHelp, [](const GroupTotals& one) { return group_or_null(one.group); }},
    {"processes", gauge, "", "of it that hold TCP sockets",
     [](const GroupTotals& one) { return json(one.processes.size()); },
     metric("group_processes", {}, {}, "processes that hold TCP sockets, of a unit, container, pod or user")},
    {"states", list, "", "their TCP sockets by state, those they have",
     [](const GroupTotals& one) { return by_state(one.sockets); }},
    {"old_close_wait", gauge, "", "CLOSE_WAIT sockets older than the policy's age",
     [](const GroupTotals& one) { return json(one.old_close_wait); },
     metric("group_old_connections", "state", "close_wait", "closing connections older than the policy's age")},
    {"old_fin_wait_2", gauge, "", "FIN_WAIT_2 sockets older than the policy's age",
     [](const GroupTotals& one) { return json(one.old_fin_wait_2); },
     metric("group_old_connections", "state", "fin_wait_2")},
    {"recv_q", gauge, "bytes", "received and not read", [](const GroupTotals& one) { return json(one.recv_q); },
     metric("group_queue_bytes", "direction", "receive",
            "of a group: received and not read; sent and not acknowledged, or not sent")},
    {"send_q", gauge, "bytes", "sent and not acknowledged, or not sent",
     [](const GroupTotals& one) { return json(one.send_q); }, metric("group_queue_bytes", "direction", "transmit")},
    {"rmem_bytes", gauge, "bytes", "receive memory", [](const GroupTotals& one) { return json(one.rmem); },
     metric("group_buffer_memory_bytes", "direction", "receive", "memory of a group's receive and send buffers")},
    {"wmem_bytes", gauge, "bytes", "send memory", [](const GroupTotals& one) { return json(one.wmem); },
     metric("group_buffer_memory_bytes", "direction", "transmit")},
};

constexpr Value<BuildUp> kBuildUp[] = {
    {"owner", text, "", "who holds these sockets", [](const BuildUp& item) { return json(item.owner_text); }},
    {"pid", gauge, "", "the process, if it is one",
     [](const BuildUp& item) { return item.owner != nullptr ? json(item.owner->pid) : json(); }},
    {"state", text, "", "the TCP state they are in", [](const BuildUp& item) { return json(name_of(item.state)); }},
    {"count", gauge, "", "how many", [](const BuildUp& item) { return json(item.count); }},
    {"old", gauge, "", "of those, older than the policy's age", [](const BuildUp& item) { return json(item.old); }},
    {"oldest_ms", gauge, "ms", "age of the oldest that has a row of its own",
     [](const BuildUp& item) { return item.oldest ? json(item.oldest->value.count()) : json(); }},
    {"growth_per_min", gauge, "per_min", "change of the count",
     [](const BuildUp& item) { return or_null(item.growth_per_minute); }},
};

struct Spoken {
  const UserQueue& queue;
  const Observation& seen;
};

/// What a UserQueue does not have itself; its members are listed where they are defined.
constexpr Value<Spoken> kUserQueuePlace[] = {
    {"netns", text, "", "name of its network namespace",
     [](const Spoken& one) { return json(netns_text(one.seen.now(), one.queue.netns)); }},
    {"netns_id", gauge, "", "inode of its network namespace", [](const Spoken& one) { return json(one.queue.netns); }},
};

/// Every member under its own name; what the program did not say is null.
struct MemberWriter {
  json object = json::object();
  void operator()(const char* name, const Endpoint& end) { object[name] = end.text(); }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) {
    object[name] = or_null(value);
  }
  template <typename T>
  void operator()(const char* name, const T& value) {
    object[name] = value;
  }
};

struct MemberNames {
  std::vector<Description>& all;
  void operator()(const char* name, const Endpoint&) { add(name, text); }
  void operator()(const char* name, const std::string&) { add(name, text); }
  void operator()(const char* name, const bool&) { add(name, truth); }
  void operator()(const char* name, const std::optional<bool>&) { add(name, truth); }
  template <typename T>
  void operator()(const char* name, const T&) {
    add(name, gauge);
  }
  void add(const char* name, ValueType type) {
    auto same_name = [&](const Value<Spoken>& value) { return value.name == name; };
    if (std::ranges::any_of(kUserQueuePlace, same_name)) return;  // it takes the member's place
    all.push_back({std::string("user_queues[].") + name, type, "", "as the program says, see docs/user-queues.md"});
  }
};

/// What has no series of its own is one group, so that it costs no more than one.
void add_to(GroupTotals& sum, const GroupTotals& one) {
  sum.processes.insert(sum.processes.end(), one.processes.begin(), one.processes.end());
  for (std::size_t state = 0; state < kStateCount; ++state)
    sum.sockets[state] = add_sat(sum.sockets[state], one.sockets[state]);
  for (auto member : {&GroupTotals::old_close_wait, &GroupTotals::old_fin_wait_2, &GroupTotals::recv_q,
                      &GroupTotals::send_q, &GroupTotals::rmem, &GroupTotals::wmem})
    sum.*member = add_sat(sum.*member, one.*member);
}

}  // namespace

json owners_json(const Observation& seen) {
  json all = json::array();
  for (const OwnerTotals& owner : seen.now().owners) all.push_back(object_of(kProcess, Process{owner, seen}));
  return all;
}

json groups_json(const Observation& seen) {
  json all = json::array();
  for (const GroupTotals& totals : observe::group_totals(seen)) all.push_back(object_of(kGroup, totals));
  return all;
}

json build_up_json(const Observation& seen) {
  json all = json::array();
  for (const BuildUp& item : observe::build_ups_of(seen)) all.push_back(object_of(kBuildUp, item));
  return all;
}

json user_queues_json(const Observation& seen) {
  json all = json::array();
  for (const UserQueue& queue : seen.now().user_queues) {
    MemberWriter writer;
    describe(writer, queue);
    add_values(writer.object, kUserQueuePlace, Spoken{queue, seen});
    all.push_back(std::move(writer.object));
  }
  return all;
}

void describe_owners(std::vector<Description>& all) {
  add_descriptions(all, "owners[].", kProcess);
  add_descriptions(all, "groups[].", kGroup);
  add_descriptions(all, "build_up[].", kBuildUp);
  MemberNames names{all};
  const UserQueue any;
  describe(names, any);
  add_descriptions(all, "user_queues[].", kUserQueuePlace);
}

void group_value_metrics(Families& all, const MetricSource* source) {
  constexpr std::size_t kMostGroups = 20;
  constexpr std::array<std::string_view, 3> kLabels{"group_kind", "group"};
  const FamilyRow of_states{.name = "group_connections",
                            .type = MetricType::gauge,
                            .unit = "",
                            .labels = {"group_kind", "group", "state"},
                            .help = "TCP sockets of the processes of a unit, container, pod or user, by state"};
  add_value_points<GroupTotals>(all, kGroup, kLabels, nullptr);
  Family& states = all.family(of_states);
  if (source == nullptr) return;
  const std::vector<GroupTotals> groups = observe::group_totals(source->seen);
  std::vector<Weighed> weighed;
  for (const GroupTotals& one : groups) weighed.push_back({group_labels(one.group), one.tcp_sockets()});
  source->groups = largest(std::move(weighed), kMostGroups, source->groups);
  const auto tell = [&](const GroupTotals& one, const Labels& name) {
    add_value_points(all, kGroup, kLabels, &one, name);
    for (std::size_t state = 1; state < kStateCount; ++state)
      states.add({name[0], name[1], kStateLabels[state]}, static_cast<double>(one.sockets[state]));
  };
  std::uint64_t folded = 0;
  GroupTotals others;
  for (const GroupTotals& one : groups) {
    const Labels name = group_labels(one.group);
    if (std::ranges::find(source->groups, name) != source->groups.end()) {
      tell(one, name);
    } else {
      add_to(others, one);
      ++folded;
    }
  }
  if (folded > 0) tell(others, {std::string(kOther), std::string(kOther)});
  all.tell_folded("group", folded);
}

}  // namespace tcpadvisor::exported
