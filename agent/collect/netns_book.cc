// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/netns_book.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/sources/devices.h"

namespace tcpadvisor::collect {
namespace {

/// What is said about tracked connections: of any namespace that has them, else of the host's, which is first.
void say_conntrack(const std::vector<NetnsReading>& readings, OwnFacts& own) {
  static constexpr const char* kFile = "/proc/sys/net/netfilter/nf_conntrack_count";
  own.conntrack = {works_not(kFile, "no namespace was read")};
  own.conntrack_remark.clear();
  bool any = false;
  const Error* first = nullptr;
  for (const NetnsReading& reading : readings) {
    any = any || reading.conntrack.has_value();
    if (reading.conntrack_failed && first == nullptr) first = &*reading.conntrack_failed;
    if (!reading.conntrack || !reading.conntrack->counters_error || !own.conntrack_remark.empty()) continue;
    own.conntrack_remark = "not what was dropped: " + reading.conntrack->counters_error->message;
  }
  if (any) {
    own.conntrack = {works(kFile, SourceKind::proc_file)};
  } else if (first != nullptr) {
    own.conntrack = {first->code == ErrorCode::not_found
                         ? works_not(kFile, "connections are not tracked here: nf_conntrack is not loaded", "", ENOENT)
                         : works_not(kFile, *first, "")};
  }
}

}  // namespace

void NetnsBook::describe(const std::vector<NetnsReading>& readings, const Picture& picture, const os::NetnsList& list,
                         Sample& sample, OwnFacts& own) {
  not_entered_ = 0;
  bool any_counters = false, any_settings = false;
  std::string first_refusal;
  own.counters_problem.clear();
  own.devices_problem.clear();
  own.settings_problem.clear();
  for (const NetnsReading& reading : readings) {
    NetnsSample& netns = sample.netns.emplace_back();
    netns.id = reading.ref.id;
    netns.name = reading.ref.name;
    netns.is_host = reading.ref.is_host;
    if (reading.not_entered) {
      ++not_entered_;
      netns.error = reading.not_entered->message;
      if (first_refusal.empty()) first_refusal = netns.error;
      continue;
    }
    if (reading.sysctls) sysctls_[netns.id] = *reading.sysctls;
    if (auto known = sysctls_.find(netns.id); known != sysctls_.end()) netns.sysctls = known->second;
    if (auto states = picture.states.find(netns.id); states != picture.states.end()) netns.states = states->second;
    if (auto why = picture.failed.find(netns.id); why != picture.failed.end()) netns.error = why->second;
    netns.counters = reading.files.counters;
    netns.sockstat = reading.files.sockstat;
    if (reading.devices) {
      netns.devices = *reading.devices;
      sources::count_drops(netns.devices, netns.counters);
    } else if (reading.devices_failed && own.devices_problem.empty()) {
      own.devices_problem = reading.devices_failed->message;
    }
    if (reading.conntrack) {
      netns.conntrack = reading.conntrack->table;
      for (const auto& [name, value] : reading.conntrack->counters) netns.counters[name] = value;
    }
    bad_texts_ += reading.files.errors.size();
    for (const Error& error : reading.files.errors) {
      if (netns.error.empty()) netns.error = error.message;
      if (own.counters_problem.empty()) own.counters_problem = error.message;
    }
    if (reading.sysctls_failed) own.settings_problem = reading.sysctls_failed->message;
    any_counters |= !netns.counters.empty();
    any_settings |= !netns.sysctls.empty();
  }
  std::erase_if(sysctls_, [&](const auto& entry) { return sample.find_netns(entry.first) == nullptr; });
  own.counters_read = any_counters;
  own.settings_read = any_settings;
  say_conntrack(readings, own);

  own.namespaces_remark =
      fmt::format("{} of {} read", readings.size() - not_entered_, readings.size() + list.over_limit);
  if (!first_refusal.empty()) own.namespaces_remark += "; " + first_refusal;
  if (list.unreadable > 0) {
    own.namespaces_remark += fmt::format("; {} processes hide theirs (needs CAP_SYS_PTRACE)", list.unreadable);
  }
  if (list.over_limit > 0) own.namespaces_remark += fmt::format("; {} over the limit", list.over_limit);
}

void probe_conntrack(const os::ProcRoot& root, OwnFacts& own) {
  std::vector<NetnsReading> readings(1);
  auto conntrack = sources::read_conntrack(root);
  if (conntrack) readings.front().conntrack = std::move(*conntrack);
  if (!conntrack) readings.front().conntrack_failed = conntrack.error();
  say_conntrack(readings, own);
}

void describe_memory(const std::vector<NetnsReading>& readings, const TcpMemory& walked, Sample& sample,
                     OwnFacts& own) {
  sample.memory = walked;  // the kernel's walk also knows since when pressure lasts
  sample.memory.page_size = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  // orphan, alloc and mem are host-wide: any namespace will do, the host's is first
  for (const NetnsReading& reading : readings) {
    if (!sample.host_sockstat && reading.files.sockstat) sample.host_sockstat = reading.files.sockstat;
    if (const auto& protocol = reading.files.protocol) {
      if (!sample.memory.pages) sample.memory.pages = protocol->memory_pages;
      if (!sample.memory.under_pressure) sample.memory.under_pressure = protocol->under_pressure;
    }
  }
  if (!sample.memory.pages && sample.host_sockstat) sample.memory.pages = sample.host_sockstat->mem_pages;
  for (const NetnsSample& netns : sample.netns) {
    auto limits = netns.sysctls.find("net.ipv4.tcp_mem");
    if (sample.memory.limits_pages || limits == netns.sysctls.end() || limits->second.values.size() != 3) continue;
    std::array<std::uint64_t, 3> pages{};
    std::ranges::transform(limits->second.values, pages.begin(),
                           [](std::int64_t value) { return static_cast<std::uint64_t>(value); });
    sample.memory.limits_pages = pages;
  }
  own.memory_read = sample.memory.pages.has_value();
  if (!own.memory_read && own.memory_problem.empty()) own.memory_problem = own.counters_problem;
}

}  // namespace tcpadvisor::collect
