// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/evidence/names.h"
#include "advisor/evidence/waits_for.h"
#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"
#include "agent/export/parts.h"
#include "agent/export/value_json.h"
#include "agent/export/value_metrics.h"
#include "agent/observe/groups.h"

namespace tcpadvisor::exported {
namespace {

using nlohmann::json;
using enum ValueType;

struct Socket {
  const SocketRow& row;
  const Observation& seen;
};

struct Connection {
  const Link& link;
  const Observation& seen;
  const SocketRow& near() const { return *link.near; }
};

/// Bytes that wait in the program; what has ended waits no more.
json driver_q(const UserQueue* driver) {
  return driver != nullptr && !driver->ended ? json(driver->queued) : json();
}

json pid_of(const SocketRow& row) {
  return row.owner ? json(row.owner->pid) : json();
}

json comm_of(const SocketRow& row) {
  return row.owner ? json(row.owner->comm) : json();
}

json pid_inside_of(const SocketRow& row, const Observation& seen) {
  const OwnerTotals* owner = row.owner ? seen.window.connections().owner(row.owner->pid) : nullptr;
  return owner != nullptr && owner->pid_inside != 0 ? json(owner->pid_inside) : json();
}

json locks_of(const Socket& socket) {
  const auto& locks = socket.row.locks;
  return locks ? json{{"sndbuf", locks->sndbuf}, {"rcvbuf", locks->rcvbuf}} : json();
}

json blocked_ms(const Connection& connection) {
  const auto& blocked_us = connection.near().blocked_us;
  return blocked_us ? json(*blocked_us / 1000) : json();
}

std::optional<Waiting> waiting_of(const Connection& connection) {
  const PastTick* before = connection.seen.window.before();
  return waits_for(connection.near(), before != nullptr ? before->find(connection.near()) : nullptr);
}

/// Of every socket, connection or listener.
constexpr Value<Socket> kSocket[] = {
    {"pid", gauge, "", "the process that holds it", [](const Socket& socket) { return pid_of(socket.row); }},
    {"pid_inside", gauge, "", kPidInsideHelp,
     [](const Socket& socket) { return pid_inside_of(socket.row, socket.seen); }},
    {"comm", text, "", "that process's name", [](const Socket& socket) { return comm_of(socket.row); }},
    {"holder", text, "", "who holds it, as watch shows it: a process, or why there is none",
     [](const Socket& socket) { return json(owner_text(socket.row)); }},
    {"local", text, "", "address and port of this end",
     [](const Socket& socket) { return json(socket.row.local.text()); }},
    {"state", text, "", "TCP state", [](const Socket& socket) { return json(name_of(socket.row.state)); }},
    {"netns", text, "", "name of its network namespace",
     [](const Socket& socket) { return json(netns_text(socket.seen.now(), socket.row.netns)); }},
    {"netns_id", gauge, "", "inode of its network namespace",
     [](const Socket& socket) { return json(socket.row.netns); }},
    {"cgroup", text, "", "path of its cgroup", [](const Socket& socket) { return json(socket.row.cgroup); }},
    {"group", list, "", kGroupHelp,
     [](const Socket& socket) { return group_or_null(observe::group_of(socket.row, socket.seen.window)); }},
    {"state_age_ms", gauge, "ms", "time in this state",
     [](const Socket& socket) { return json(socket.seen.window.age(socket.row).value.count()); }},
    {"state_age_is_lower_bound", truth, "", "the state may be older: nobody saw it begin",
     [](const Socket& socket) { return json(socket.seen.window.age(socket.row).lower_bound); }},
    {"sndbuf", gauge, "bytes", "size of the send buffer",
     [](const Socket& socket) { return or_null(socket.row.sndbuf); }},
    {"rcvbuf", gauge, "bytes", "size of the receive buffer",
     [](const Socket& socket) { return or_null(socket.row.rcvbuf); }},
    {"locks", list, "", "whether SO_SNDBUF and SO_RCVBUF were set, so that the kernel does not size the buffer",
     locks_of},
    {"drops", counter, "", "segments or connections that were dropped at this socket",
     [](const Socket& socket) { return or_null(socket.row.drops); }},
};

/// Of the other end, if it is on this host.
constexpr Value<Connection> kOtherEnd[] = {
    {"pid", gauge, "", "the process that holds it", [](const Connection& one) { return pid_of(*one.link.far); }},
    {"pid_inside", gauge, "", kPidInsideHelp,
     [](const Connection& one) { return pid_inside_of(*one.link.far, one.seen); }},
    {"comm", text, "", "that process's name", [](const Connection& one) { return comm_of(*one.link.far); }},
    {"state", text, "", "TCP state", [](const Connection& one) { return json(name_of(one.link.far->state)); }},
    {"holder", text, "", "who holds it", [](const Connection& one) { return json(owner_text(*one.link.far)); }},
    {"send_q", gauge, "bytes", "sent and not acknowledged, or not sent",
     [](const Connection& one) { return json(one.link.far->send_q); }},
    {"recv_q", gauge, "bytes", "received and not read",
     [](const Connection& one) { return json(one.link.far->recv_q); }},
    {"driver_q", gauge, "bytes", "in the program's own queue, as it says",
     [](const Connection& one) { return driver_q(one.link.far_driver); }},
};

constexpr Value<Connection> kConnection[] = {
    {"remote", text, "", "address and port of the other end",
     [](const Connection& one) { return json(one.near().remote.text()); }},
    {"send_q", gauge, "bytes", "sent and not acknowledged, or not sent",
     [](const Connection& one) { return json(one.near().send_q); }},
    {"not_sent", gauge, "bytes", "of send_q, what was never sent",
     [](const Connection& one) { return or_null(one.near().not_sent); }},
    {"recv_q", gauge, "bytes", "received and not read", [](const Connection& one) { return json(one.near().recv_q); }},
    {"driver_q", gauge, "bytes", "in the program's own queue, as it says",
     [](const Connection& one) { return driver_q(one.link.near_driver); }},
    {"snd_wnd", gauge, "bytes", "room that the peer offers",
     [](const Connection& one) { return or_null(one.near().snd_wnd); }},
    {"rcv_wnd", gauge, "bytes", "room that this end offers",
     [](const Connection& one) { return or_null(one.near().rcv_wnd); }},
    {"srtt_us", gauge, "us", "round trip, smoothed", [](const Connection& one) { return or_null(one.near().srtt_us); }},
    {"min_rtt_us", gauge, "us", "smallest round trip of late",
     [](const Connection& one) { return or_null(one.near().min_rtt_us); }},
    {"retransmits", counter, "", "segments sent again",
     [](const Connection& one) { return or_null(one.near().total_retrans); }},
    {"blocked_ms", counter, "ms", "time that senders waited for room in the send buffer", blocked_ms},
    {"keepalive", truth, "", "SO_KEEPALIVE is set",
     [](const Connection& one) { return or_null(one.near().keepalive); }},
    {"user_timeout_ms", gauge, "ms", "TCP_USER_TIMEOUT, 0: not set",
     [](const Connection& one) { return or_null(one.near().user_timeout_ms); }},
    {"send_timeout_ms", gauge, "ms", "SO_SNDTIMEO, 0: not set",
     [](const Connection& one) { return or_null(one.near().send_timeout_ms); }},
    {"recv_timeout_ms", gauge, "ms", "SO_RCVTIMEO, 0: not set",
     [](const Connection& one) { return or_null(one.near().recv_timeout_ms); }},
    {"waits_for", text, "", "what it waits for, in one word; null where there is no connection of two ends",
     [](const Connection& one) {
       auto waiting = waiting_of(one);
       return waiting ? json(name_of(waiting->what)) : json();
     }},
    {"waits_for_text", text, "", "the same as a sentence, with numbers",
     [](const Connection& one) {
       auto waiting = waiting_of(one);
       return waiting ? json(waiting->text) : json();
     }},
    {"other_end", list, "", "the other end, if it is on this host",
     [](const Connection& one) { return one.link.far != nullptr ? object_of(kOtherEnd, one) : absent(); }},
};

constexpr Value<SocketRow> kListener[] = {
    {"accept_queue", gauge, "", "connections that wait for accept()",
     [](const SocketRow& row) { return or_null(row.accept_queue); }, metric("listener_accept_queue")},
    {"accept_limit", gauge, "", "how many may wait", [](const SocketRow& row) { return or_null(row.accept_limit); },
     metric("listener_accept_limit", {}, {}, "how many connections may wait for accept()")},
    {"accept_peak", gauge, "", "most that waited at once",
     [](const SocketRow& row) { return or_null(row.accept_peak); },
     metric("listener_accept_peak", {}, {}, "most connections that waited for accept() at once")},
};

}  // namespace

json connections_json(std::span<const Link> links, const Observation& seen) {
  json all = json::array();
  for (const Link& link : links) {
    json object = object_of(kSocket, Socket{*link.near, seen});
    add_values(object, kConnection, Connection{link, seen});
    all.push_back(std::move(object));
  }
  return all;
}

json listeners_json(const Observation& seen) {
  json all = json::array();
  for (const SocketRow& row : seen.now().sockets) {
    if (row.state != TcpState::listen) continue;
    json object = object_of(kSocket, Socket{row, seen});
    add_values(object, kListener, row);
    all.push_back(std::move(object));
  }
  return all;
}

void describe_sockets(std::vector<Description>& all) {
  add_descriptions(all, "connections[].", kSocket);
  add_descriptions(all, "connections[].", kConnection);
  add_descriptions(all, "connections[].other_end.", kOtherEnd);
  add_descriptions(all, "listeners[].", kSocket);
  add_descriptions(all, "listeners[].", kListener);
}

void listener_value_metrics(Families& all, const MetricSource* source) {
  constexpr std::size_t kMostListeners = 50;
  constexpr std::array<std::string_view, 3> kLabels{"netns", "address", "port"};
  add_value_points<SocketRow>(all, kListener, kLabels, nullptr);
  if (source == nullptr) return;
  std::vector<Weighed> weighed;
  const Sample& now = source->now();
  for (const SocketRow& row : now.sockets) {
    // Who waits, has waited, or lost something comes first.
    if (row.state == TcpState::listen)
      weighed.push_back({listener_labels(now, row), std::uint64_t{row.accept_queue.value_or(0)} +
                                                        row.accept_peak.value_or(0) + row.drops.value_or(0)});
  }
  source->listeners = largest(std::move(weighed), kMostListeners, source->listeners);
  std::uint64_t folded = 0;
  SocketRow others;  // one for all that have no series of their own
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::listen) continue;
    const Labels name = listener_labels(now, row);
    if (std::ranges::find(source->listeners, name) != source->listeners.end()) {
      add_value_points(all, kListener, kLabels, &row, name);
      continue;
    }
    ++folded;
    for (auto member : {&SocketRow::accept_queue, &SocketRow::accept_limit, &SocketRow::accept_peak}) {
      if (row.*member) others.*member = add_sat((others.*member).value_or(0), *(row.*member));
    }
  }
  if (folded > 0) add_value_points(all, kListener, kLabels, &others, Labels(3, std::string(kOther)));
  all.tell_folded("listener", folded);
}

}  // namespace tcpadvisor::exported
