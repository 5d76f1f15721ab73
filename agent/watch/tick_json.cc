// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/tick_json.h"

#include <algorithm>

#include "advisor/evidence/sample_fields.h"
#include "advisor/report/finding_json.h"
#include "agent/watch/build_up.h"
#include "agent/watch/chains.h"
#include "agent/watch/header.h"
#include "agent/watch/words.h"

namespace tcpadvisor::watch {
namespace {

using nlohmann::json;

template <typename T>
void put(json& object, const char* name, const std::optional<T>& value) {
  object[name] = value ? json(*value) : json();
}

json self_json(const SelfCost& self) {
  json object = {{"snapshot_duration_ms", self.snapshot_ms}, {"snapshot_age_ms", self.snapshot_age_ms},
                 {"sockets_walked", self.sockets_walked},    {"partial", self.partial},
                 {"cpu_percent", self.cpu_percent},          {"rss_bytes", self.rss_bytes},
                 {"hook_ns_per_s", self.hook_ns_per_s},      {"lost", json(self.lost)}};
  if (self.partial) object["partial_why"] = self.partial_why;
  return object;
}

json memory_json(const Sample& now) {
  const TcpMemory& memory = now.memory;
  json object = {{"page_bytes", memory.page_size}};
  put(object, "tcp_mem_pages", memory.pages);
  auto limit = [&](std::size_t i) { return memory.limits_pages ? json((*memory.limits_pages)[i]) : json(); };
  object["min"] = limit(0);
  object["pressure"] = limit(1);
  object["max"] = limit(2);
  put(object, "under_pressure", memory.under_pressure);
  bool since_known = memory.under_pressure.value_or(false) && memory.pressure_ms;
  object["under_pressure_since"] =  // unix time in seconds, as "ts"
      since_known ? json(static_cast<double>(now.wall_ms - static_cast<std::int64_t>(*memory.pressure_ms)) / 1000)
                  : json();
  return object;
}

/// Increase of a kernel counter since the tick before, over the namespaces that were read both times.
std::optional<double> increase(const Sample& before, const Sample& now, const std::string& counter) {
  std::optional<double> sum;
  for (const NetnsSample& netns : now.netns) {
    const NetnsSample* then = before.find_netns(netns.id);
    auto new_value = netns.counters.find(counter);
    if (then == nullptr || new_value == netns.counters.end()) continue;
    auto old_value = then->counters.find(counter);
    if (old_value == then->counters.end() || old_value->second > new_value->second) continue;
    sum = sum.value_or(0) + static_cast<double>(new_value->second - old_value->second);
  }
  return sum;
}

/// Per second since the tick before.
json rates_json(const Picture& picture) {
  static constexpr std::pair<const char*, const char*> kRates[] = {
      {"segments_in_per_s", "Tcp.InSegs"},          {"segments_out_per_s", "Tcp.OutSegs"},
      {"retransmits_per_s", "Tcp.RetransSegs"},     {"active_opens_per_s", "Tcp.ActiveOpens"},
      {"passive_opens_per_s", "Tcp.PassiveOpens"},  {"resets_sent_per_s", "Tcp.OutRsts"},
      {"listen_drops_per_s", "TcpExt.ListenDrops"}, {"listen_overflows_per_s", "TcpExt.ListenOverflows"},
      {"rcvq_drops_per_s", "TcpExt.TCPRcvQDrop"},   {"memory_pressures_per_s", "TcpExt.TCPMemoryPressures"}};
  json rates = json::object();
  const Sample &now = picture.now(), *before = picture.before();
  if (before == nullptr || now.mono_ms <= before->mono_ms) return rates;
  double seconds = static_cast<double>(now.mono_ms - before->mono_ms) / 1000;
  for (const auto& [name, counter] : kRates) {
    std::optional<double> more = increase(*before, now, counter);
    rates[name] = more ? json(*more / seconds) : json();
  }
  return rates;
}

json owner_json(const SocketRow& row) {
  return {{"pid", row.owner ? json(row.owner->pid) : json()}, {"comm", row.owner ? json(row.owner->comm) : json()}};
}

json socket_json(const SocketRow& row, const Picture& picture) {
  json object = owner_json(row);
  object["local"] = row.local.text();
  object["state"] = name_of(row.state);
  object["holder"] = owner_text(row);
  object["netns"] = netns_text(picture.now(), row.netns);
  object["netns_id"] = row.netns;
  object["cgroup"] = row.cgroup;
  Age age = picture.window.age(row);
  object["state_age_ms"] = age.value.count();
  object["state_age_is_lower_bound"] = age.lower_bound;
  put(object, "sndbuf", row.sndbuf);
  put(object, "rcvbuf", row.rcvbuf);
  object["locks"] = row.locks ? json{{"sndbuf", row.locks->sndbuf}, {"rcvbuf", row.locks->rcvbuf}} : json();
  put(object, "drops", row.drops);
  return object;
}

/// Bytes that wait in the program; what has ended waits no more.
json driver_q(const UserQueue* driver) {
  return driver != nullptr && !driver->ended ? json(driver->queued) : json();
}

/// Every member under its own name; what the program did not say is null.
struct MemberWriter {
  json object = json::object();
  void operator()(const char* name, const Endpoint& end) { object[name] = end.text(); }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) {
    put(object, name, value);
  }
  template <typename T>
  void operator()(const char* name, const T& value) {
    object[name] = value;
  }
};

json user_queue_json(const UserQueue& queue, const Picture& picture) {
  MemberWriter writer;
  describe(writer, queue);
  writer.object["netns"] = netns_text(picture.now(), queue.netns);
  writer.object["netns_id"] = queue.netns;
  return std::move(writer.object);
}

json connection_json(const Link& link, const Picture& picture) {
  const SocketRow& row = *link.near;
  json object = socket_json(row, picture);
  object["remote"] = row.remote.text();
  object["send_q"] = row.send_q;
  put(object, "not_sent", row.not_sent);
  object["recv_q"] = row.recv_q;
  object["driver_q"] = driver_q(link.near_driver);
  put(object, "snd_wnd", row.snd_wnd);
  put(object, "rcv_wnd", row.rcv_wnd);
  put(object, "srtt_us", row.srtt_us);
  put(object, "min_rtt_us", row.min_rtt_us);
  put(object, "retransmits", row.total_retrans);
  object["blocked_ms"] = row.blocked_us ? json(*row.blocked_us / 1000) : json();
  if (link.far != nullptr) {
    json far = owner_json(*link.far);
    far["state"] = name_of(link.far->state);
    far["holder"] = owner_text(*link.far);
    far["send_q"] = link.far->send_q;
    far["recv_q"] = link.far->recv_q;
    far["driver_q"] = driver_q(link.far_driver);
    object["other_end"] = std::move(far);
  }
  return object;
}

json listener_json(const SocketRow& row, const Picture& picture) {
  json object = socket_json(row, picture);
  put(object, "accept_queue", row.accept_queue);
  put(object, "accept_limit", row.accept_limit);
  put(object, "accept_peak", row.accept_peak);
  return object;
}

json process_json(const OwnerTotals& owner, const Picture& picture) {
  json states = json::object();
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (owner.sockets[state] > 0) states[std::string(kStateNames[state])] = owner.sockets[state];
  }
  json object = {{"pid", owner.pid},
                 {"comm", owner.comm},
                 {"cgroup", owner.cgroup},
                 {"netns", netns_text(picture.now(), owner.netns)},
                 {"states", std::move(states)},
                 {"old_close_wait", owner.old_close_wait},
                 {"old_fin_wait_2", owner.old_fin_wait_2},
                 {"recv_q", owner.recv_q},
                 {"send_q", owner.send_q},
                 {"rmem_bytes", owner.rmem},
                 {"wmem_bytes", owner.wmem}};
  put(object, "fds", owner.fds);
  put(object, "fd_limit", owner.fd_limit);
  return object;
}

json build_up_json(const BuildUp& item) {
  json object = {{"owner", item.owner_text}, {"state", name_of(item.state)}, {"count", item.count}, {"old", item.old}};
  object["pid"] = item.owner != nullptr ? json(item.owner->pid) : json();
  object["oldest_ms"] = item.oldest ? json(item.oldest->value.count()) : json();
  put(object, "growth_per_min", item.growth_per_minute);
  return object;
}

json coverage_json(const Sample& now) {
  json object = json::object();
  for (const FactCoverage& fact : now.coverage) object[fact.fact] = fact.in_use.empty() ? json() : json(fact.in_use);
  return object;
}

}  // namespace

json tick_json(const Picture& picture, std::size_t max_connections) {
  const Sample& now = picture.now();
  json states = json::object();
  auto counts = state_counts(now);
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (state != index_of(TcpState::new_syn_recv)) states[std::string(kStateNames[state])] = counts[state];
  }
  std::vector<Link> links = links_of(now);
  std::erase_if(links, [](const Link& link) { return link.stand_in != nullptr; });  // they are in user_queues
  auto more_queued = [](const Link& a, const Link& b) { return a.queued() > b.queued(); };
  std::ranges::stable_sort(links, more_queued);

  json connections = json::array(), listeners = json::array(), owners = json::array(), build_up = json::array(),
       findings = json::array(), user_queues = json::array();
  for (const Link& link : links) {
    if (connections.size() == max_connections) break;
    connections.push_back(connection_json(link, picture));
  }
  for (const SocketRow& row : now.sockets) {
    if (row.state == TcpState::listen) listeners.push_back(listener_json(row, picture));
  }
  for (const OwnerTotals& owner : now.owners) owners.push_back(process_json(owner, picture));
  for (const UserQueue& queue : now.user_queues) user_queues.push_back(user_queue_json(queue, picture));
  for (const BuildUp& item : build_ups_of(picture)) build_up.push_back(build_up_json(item));
  for (const Finding& finding : picture.verdict.findings) findings.push_back(to_json(finding));
  return {{"ts", static_cast<double>(now.wall_ms) / 1000},
          {"host",
           {{"name", now.host.name},
            {"kernel", now.host.kernel},
            {"cpus", now.host.cpus},
            {"mem_bytes", now.host.mem_bytes},
            {"uptime_s", now.host.uptime_s}}},
          {"coverage", coverage_json(now)},
          {"self", self_json(now.self)},
          {"memory", memory_json(now)},
          {"states", std::move(states)},
          {"rates", rates_json(picture)},
          {"connections", std::move(connections)},
          {"connections_not_shown", links.size() - std::min(links.size(), max_connections) + now.rows_suppressed},
          {"user_queues", std::move(user_queues)},
          {"listeners", std::move(listeners)},
          {"owners", std::move(owners)},
          {"build_up", std::move(build_up)},
          {"findings", std::move(findings)}};
}

std::string one_line(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tcpadvisor::watch
