// SPDX-License-Identifier: Apache-2.0
// Memory of groups against their limits, and the queues that programs tell of.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "advisor/base/saturate.h"
#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"

namespace tcpadvisor::exported {
namespace {

using enum MetricType;

/// The topmost cgroup of each group that has series of its own: the kernel's numbers contain those of the cgroups
/// below.
std::map<Labels, const CgroupTotals*> cgroups_of_groups(const MetricSource& source) {
  std::map<Labels, const CgroupTotals*> all;
  for (const CgroupTotals& one : source.now().cgroups) {
    Labels name = group_labels(source.now().group_at(one.path));
    if (std::ranges::find(source.groups, name) == source.groups.end()) continue;
    const CgroupTotals*& known = all[std::move(name)];
    if (known == nullptr || one.path.size() < known->path.size()) known = &one;
  }
  return all;
}

template <std::optional<std::uint64_t> CgroupTotals::* Member>
void read_cgroups(const MetricSource& source, Family& family) {
  for (const auto& [name, cgroup] : cgroups_of_groups(source)) {
    if (cgroup->*Member) family.add(name, static_cast<double>(*(cgroup->*Member)));
  }
}

constexpr Metric kGroups[] = {
    {{.name = "group_socket_memory_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"group_kind", "group"},
      .help = "of the group's memory, that of sockets"},
     read_cgroups<&CgroupTotals::sock_bytes>},
    {{.name = "group_memory_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"group_kind", "group"},
      .help = "memory that the kernel charges to the group"},
     read_cgroups<&CgroupTotals::memory_current>},
    {{.name = "group_memory_limit_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"group_kind", "group"},
      .help = "limit of that memory, of groups that have one"},
     read_cgroups<&CgroupTotals::memory_max>},
    {{.name = "group_memory_limit_hits_total",
      .type = counter,
      .unit = "",
      .labels = {"group_kind", "group"},
      .help = "times that the group's use met its limit"},
     read_cgroups<&CgroupTotals::events_max>},
};

constexpr std::size_t kMostPrograms = 10;

/// Of the programs with the most in their queues; the rest is "other".
template <typename Add>
void each_queue(const MetricSource& source, Add add) {
  std::map<Labels, std::uint64_t> bytes;
  for (const UserQueue& queue : source.now().user_queues) {
    std::uint64_t& sum = bytes[{queue.comm}];
    sum = add_sat(sum, queue.ended ? 0 : queue.queued);
  }
  std::vector<Weighed> weighed;
  for (const auto& [name, sum] : bytes) weighed.push_back({name, sum});
  const std::vector<Labels> own = largest(std::move(weighed), kMostPrograms);
  for (const UserQueue& queue : source.now().user_queues) {
    if (queue.ended) continue;
    const bool is_own = std::ranges::find(own, Labels{queue.comm}) != own.end();
    add(queue, is_own ? queue.comm : std::string(kOther));
  }
}

void read_queued(const MetricSource& source, Family& family) {
  each_queue(source, [&](const UserQueue& queue, const std::string& program) {
    family.add({program, "data"}, static_cast<double>(queue.queued));
    if (queue.message_queue) family.add({program, "message"}, static_cast<double>(*queue.message_queue));
  });
}

void read_marks(const MetricSource& source, Family& family) {
  each_queue(source, [&](const UserQueue& queue, const std::string& program) {
    if (queue.high) family.add({program, "data"}, static_cast<double>(*queue.high));
    if (queue.message_high) family.add({program, "message"}, static_cast<double>(*queue.message_high));
  });
}

void read_busy(const MetricSource& source, Family& family) {
  each_queue(source, [&](const UserQueue& queue, const std::string& program) {
    if (queue.busy) family.add({program, "data"}, *queue.busy ? 1 : 0);
    if (queue.message_busy) family.add({program, "message"}, *queue.message_busy ? 1 : 0);
  });
}

void read_senders(const MetricSource& source, Family& family) {
  each_queue(source, [&](const UserQueue& queue, const std::string& program) {
    if (queue.waiting) family.add({program, "waiting"}, *queue.waiting);
    if (queue.suspended) family.add({program, "suspended"}, *queue.suspended);
  });
}

constexpr Metric kQueues[] = {
    {{.name = "user_queue_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"program", "queue"},
      .help = "in queues of programs in front of Send-Q, as they say"},
     read_queued},
    {{.name = "user_queue_high_mark_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"program", "queue"},
      .help = "the marks from which on senders wait, added up"},
     read_marks},
    {{.name = "user_queues_busy",
      .type = gauge,
      .unit = "",
      .labels = {"program", "queue"},
      .help = "queues whose marks hold senders back"},
     read_busy},
    {{.name = "user_queue_senders",
      .type = gauge,
      .unit = "",
      .labels = {"program", "state"},
      .help = "senders that wait for an answer with their bytes in a queue, or that are held back"},
     read_senders},
};

}  // namespace

void group_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kGroups);
}

void queue_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kQueues);
  if (source == nullptr) return;
  std::set<std::string_view> programs;
  for (const UserQueue& queue : source->now().user_queues) {
    if (!queue.ended) programs.insert(queue.comm);
  }
  all.tell_folded("program", programs.size() - std::min(programs.size(), kMostPrograms));
}

}  // namespace tcpadvisor::exported
