// SPDX-License-Identifier: Apache-2.0
// What very many connections take of the host's memory, idle as they are, and what they would take if each had one
// message to keep. And idle ones that keep memory of the buffers they once needed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/resting.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace connection_memory_rule {
namespace {

constexpr Threshold kMemoryShare = ratio_threshold("share_of_memory", 0.25).clears_at(0.8);
constexpr Threshold kManySockets = count_threshold("many_sockets", 50'000).clears_at(0.8);
constexpr Threshold kIdleBuffers = size_threshold("idle_buffers", 64 << 20).clears_at(0.8);
constexpr Threshold kIdleFor = time_threshold("idle_for", 60);
constexpr const char* kId = "high-connection-memory-budget";
constexpr std::uint64_t kBytesOfSocket = 4'500;  // its TCP, inode, dentry, file and epoll objects: 4.0 to 5.0 KB
constexpr std::uint64_t kBytesOfTimeWait = 256;

struct Budget {
  std::uint64_t sockets = 0, time_wait = 0;
  std::uint64_t objects = 0, buffers = 0, all = 0;
  std::uint64_t burst = 0;     ///< a page for each
  std::uint64_t pressure = 0;  ///< from there the kernel saves; 0 if not known
};

Budget budget_of(const Sample& now) {
  Budget out;
  for (const NetnsSample& netns : now.netns) {
    for (std::size_t state = 0; state < kStateCount; ++state) {
      const std::uint64_t count = netns.states[state].count;
      const bool small = state == index_of(TcpState::time_wait);
      if (state == index_of(TcpState::new_syn_recv)) continue;
      std::uint64_t& sum = small ? out.time_wait : out.sockets;
      sum = add_sat(sum, count);
    }
  }
  const std::uint64_t page = now.memory.page_size;
  out.objects = add_sat(mul_sat(out.sockets, kBytesOfSocket), mul_sat(out.time_wait, kBytesOfTimeWait));
  out.buffers = mul_sat(now.memory.pages.value_or(0), page);
  out.all = add_sat(out.objects, out.buffers);
  out.burst = mul_sat(out.sockets, page);
  if (now.memory.limits_pages) out.pressure = mul_sat((*now.memory.limits_pages)[1], page);
  return out;
}

Finding finding_for(const Evidence& in, const Budget& budget) {
  const Sample& now = in.now();
  const double ram = std::max(1.0, static_cast<double>(now.host.mem_bytes));
  Finding finding;
  finding.id = kId;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::capacity;
  finding.scope.kind = ScopeKind::host;
  finding.scope.count = budget.sockets;
  finding.title = fmt::format("{} take about {} of memory, and {} more if each had one message unread",
                              counted(budget.sockets, "socket"), human_bytes(budget.all), human_bytes(budget.burst));
  finding.confidence = Confidence::medium;
  finding.confidence_why = "sockets were counted; what one takes was measured on other hosts, 4.0 to 5.0 KB";
  const std::string source = source_of(now, FactId::snapshot);
  auto say = [&](const char* metric, const std::string& from, double value, const char* unit,
                 std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, from, value, unit, threshold));
  };
  say("sockets", source, static_cast<double>(budget.sockets), "sockets", in.policy.value(kManySockets));
  say("share_of_memory", source, static_cast<double>(budget.all) / ram, "ratio", in.policy.value(kMemoryShare));
  say("socket_objects", source, static_cast<double>(budget.objects), "bytes");
  say("buffers", "tcp_mem in use", static_cast<double>(budget.buffers), "bytes");
  say("one_message_each", source, static_cast<double>(budget.burst), "bytes",
      budget.pressure > 0 ? std::optional(static_cast<double>(budget.pressure)) : std::nullopt);
  finding.meaning =
      "An idle connection holds no buffer; its objects lie outside tcp_mem. The smallest message that waits takes a "
      "page, "
      "so a moment in which all get one, and nobody reads, is what such a host has to bear.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::capacity;
  cure.text = "Change nothing while memory is free: plan with these numbers before more connections come.";
  cure.formula = fmt::format(
      "{} sockets x {} B + {} TIME_WAIT x {} B + {} in buffers = {}; one message each: {} sockets x {} B = {}{}",
      with_commas(budget.sockets), with_commas(kBytesOfSocket), with_commas(budget.time_wait), kBytesOfTimeWait,
      human_bytes(budget.buffers), human_bytes(budget.all), with_commas(budget.sockets),
      with_commas(now.memory.page_size), human_bytes(budget.burst),
      budget.pressure > 0 ? ", and tcp_mem[1] is " + human_bytes(budget.pressure) : "");
  cure.verify = "slabtop -o | grep -E 'TCP|sock_inode|filp|dentry|eventpoll'; grep TCP /proc/net/sockstat";
  finding.not_useful = {
      {"net.ipv4.tcp_rmem[1], net.ipv4.tcp_wmem[1] (lower)", "an idle connection holds no buffer at all"},
      {"net.ipv4.tcp_mem (higher)", "does not count these objects"},
  };
  return finding;
}

/// Idle connections of one process that keep memory although nothing waits in them.
struct Keeping {
  std::vector<const SocketRow*> rows;
  std::vector<const NetworkTotals*> networks;  ///< instead, where not each connection has a row
  std::uint64_t count = 0;
  std::uint64_t kept = 0;     ///< bytes
  std::uint64_t allowed = 0;  ///< what their receive buffers have grown to
  std::uint64_t looked = 0;   ///< of those that they were estimated from
};

std::uint64_t kept_by(const SocketRow& row) {
  return add_sat(row.fwd_alloc.value_or(0), add_sat(row.rmem_alloc.value_or(0), row.wmem_queued.value_or(0)));
}

bool rests(const Evidence& in, const SocketRow& row) {
  const double ms = 1'000 * in.policy.value(kIdleFor);
  return row.state == TcpState::established && held_by_process(row) && row.recv_q == 0 && row.send_q == 0 &&
         row.last_data_recv_ms && *row.last_data_recv_ms >= ms && row.last_data_sent_ms && *row.last_data_sent_ms >= ms;
}

void name(const Sample& now, const Keeping& group, Scope& scope) {
  if (group.networks.empty()) {
    scope.netns = group.rows.front()->netns;
    scope.netns_name = netns_name(now, scope.netns);
    scope.cgroup = group.rows.front()->cgroup;
    name_sockets(scope, group.rows);
    return;
  }
  const NetworkTotals& first = *group.networks.front();
  scope.kind = ScopeKind::process;
  scope.netns = first.netns;
  scope.netns_name = netns_name(now, scope.netns);
  scope.pid = first.pid;
  scope.comm = first.comm;
  if (const OwnerTotals* owner = now.find_owner(first.pid)) scope.cgroup = owner->cgroup;
  if (group.networks.size() == 1) scope.remote = network_text(first);
  scope.count = group.count;
}

/// Where most of it is kept: "20.0 MiB on port 443 from 10.0.0.0/24".
std::string places_text(std::vector<const NetworkTotals*> networks) {
  constexpr std::size_t kMostTold = 3;
  std::ranges::stable_sort(networks, std::ranges::greater(), &NetworkTotals::resting_bytes);
  std::string out;
  for (std::size_t i = 0; i < std::min(networks.size(), kMostTold); ++i) {
    const NetworkTotals& one = *networks[i];
    out += fmt::format("{}{} {} {}", out.empty() ? "" : ", ",
                       human_bytes(mul_sat(one.resting_bytes, std::uint64_t{one.one_in})), one.accepted ? "on" : "to",
                       place_text(one));
  }
  return out;
}

Finding finding_for(const Evidence& in, const Keeping& group) {
  const Sample& now = in.now();
  const std::uint64_t count = group.count, each = group.kept / std::max<std::uint64_t>(count, 1);
  Finding finding;
  finding.id = kId;
  finding.topic = "idle-buffers";
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::capacity;
  name(now, group, finding.scope);
  const bool estimated = !group.networks.empty() && group.networks.front()->one_in > 1;
  finding.title = fmt::format("{}{} of {} keep {} of buffers, {} each, with nothing in them", estimated ? "About " : "",
                              counted(count, "idle connection"), process_text(finding.scope), human_bytes(group.kept),
                              human_bytes(each));
  finding.confidence_why = "the kernel's own count of each socket";
  if (estimated) {
    finding.confidence = Confidence::medium;
    finding.confidence_why =
        fmt::format("the kernel's own count of {} that were looked at, about one in {}",
                    counted(group.looked, "connection"), with_commas(group.networks.front()->one_in));
  }
  const std::string source = source_of(now, group.networks.empty() ? FactId::snapshot : FactId::owners);
  finding.evidence = {
      measured(in.window, "kept_by_idle_connections", source, static_cast<double>(group.kept), "bytes",
               in.policy.value(kIdleBuffers)),
      measured(in.window, "grown_to", source, static_cast<double>(group.allowed), "bytes"),
  };
  finding.meaning =
      "A buffer that has grown does not shrink while its connection lives, and older kernels keep memory for it that "
      "was read long ago. No process shows it: it is kernel memory, and not every kernel counts it for the container.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::capacity;
  cure.text =
      fmt::format("Change nothing while memory is free: plan with {} for each such connection.", human_bytes(each));
  cure.steps = {
      "to bound it in the program: SO_RCVBUF before listen() or connect(), for connections that are to rest; it ends "
      "the "
      "kernel's own sizing for them",
      "to bound it for the namespace: a lower tcp_rmem[2]; connections that are made afterwards keep to it, and fast "
      "ones over long paths get slower",
  };
  if (!group.networks.empty()) cure.steps.insert(cure.steps.begin(), "most of it: " + places_text(group.networks));
  cure.formula = fmt::format("{} / {} = {}; 1,000 more: {}; all full, as they have grown: {}", human_bytes(group.kept),
                             with_commas(count), human_bytes(each), human_bytes(mul_sat<std::uint64_t>(each, 1'000)),
                             human_bytes(group.allowed));
  cure.verify =
      "ss -tm state established: r, t and f of skmem; MemAvailable of /proc/meminfo before and after they close";
  finding.not_useful = {
      {"net.ipv4.tcp_mem", "only says when the kernel begins to save"},
      {"net.core.rmem_max", "limits what a program may ask for, not what the kernel grows"},
  };
  return finding;
}

/// On a large host a connection at rest has no row: then the totals of its process speak. They know those that rest for
/// a minute and longer.
void add_without_rows(const Evidence& in, std::map<std::pair<Pid, NetnsId>, Keeping>& groups) {
  if (in.policy.value(kIdleFor) > idle_from_s(kRestsFromSlot) || unlisted_connections(in.now()).count == 0) return;
  for (const auto& [process, networks] : networks_by_process(in.now())) {
    Keeping all;
    for (const NetworkTotals* one : networks) {
      const std::uint64_t one_in = one->one_in;
      all.looked = add_sat(all.looked, std::uint64_t{one->looked});
      if (one->resting_bytes == 0) continue;
      all.networks.push_back(one);
      all.count = add_sat(all.count, mul_sat(sum_from(one->idle, kRestsFromSlot), one_in));
      all.kept = add_sat(all.kept, mul_sat(one->resting_bytes, one_in));
      all.allowed = add_sat(all.allowed, mul_sat(one->resting_rcvbuf, one_in));
    }
    if (all.looked < kLookedAtLeast) continue;
    Keeping& by_rows = groups[process];
    if (all.count > by_rows.count) by_rows = std::move(all);
  }
}

void add_idle(const Evidence& in, std::vector<Finding>& findings) {
  std::map<std::pair<Pid, NetnsId>, Keeping> groups;
  for (const SocketRow& row : in.now().sockets) {
    if (!rests(in, row) || kept_by(row) == 0) continue;
    Keeping& group = groups[{row.owner ? row.owner->pid : 0, row.netns}];
    group.rows.push_back(&row);
    ++group.count;
    group.kept = add_sat(group.kept, kept_by(row));
    group.allowed = add_sat(group.allowed, row.rcvbuf.value_or(0));
  }
  add_without_rows(in, groups);
  for (const auto& [key, group] : groups) {
    if (static_cast<double>(group.kept) >= in.policy.value(kIdleBuffers)) findings.push_back(finding_for(in, group));
  }
}

Outcome judge_memory_budget(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  const Budget budget = budget_of(now);
  const auto ram = static_cast<double>(now.host.mem_bytes);
  const bool large = ram > 0 && static_cast<double>(budget.all) >= in.policy.value(kMemoryShare) * ram;
  const bool bursts = budget.pressure > 0 && budget.burst >= budget.pressure;
  std::vector<Finding> findings;
  if (static_cast<double>(budget.sockets) >= in.policy.value(kManySockets) && (large || bursts))
    findings.push_back(finding_for(in, budget));
  add_idle(in, findings);
  return Outcome::of(std::move(findings), "", "memory of all sockets, about",
                     fmt::format("{} of {}", human_bytes(budget.all), human_bytes(now.host.mem_bytes)));
}

constexpr std::array kThresholds = {kMemoryShare, kManySockets, kIdleBuffers, kIdleFor};
constexpr std::array<std::string_view, 1> kReferences = {"slabinfo(5)"};

constexpr std::string_view kCloseFirst = "Fix {who} first ({rule}): most of these sockets are what it never closes.";
constexpr std::array kExplainedBy = {
    ExplainedBy{"close-wait-leak", Link::most_of_them, Then::keep, "", kCloseFirst},
    ExplainedBy{"closed-socket-fd-leak", Link::most_of_them, Then::keep, "", kCloseFirst},
    ExplainedBy{"fin-wait2-app-held", Link::most_of_them, Then::keep, "", kCloseFirst},
    ExplainedBy{"established-dead-peer-leak", Link::most_of_them, Then::keep, "", kCloseFirst},
};

}  // namespace
}  // namespace connection_memory_rule

namespace rules {

extern const Rule high_connection_memory_budget = {
    .id = connection_memory_rule::kId,
    .title = "what very many connections take of the memory",
    .explanation =
        "Connections that carry nothing cost kernel memory all the same, four to five kilobytes each, and a page as "
        "soon "
        "as one byte waits. With hundreds of thousands of them that decides how many a host can hold. And connections "
        "that were busy once may keep memory of their grown buffers while they rest.",
    .thresholds = connection_memory_rule::kThresholds,
    .references = connection_memory_rule::kReferences,
    .explained_by = connection_memory_rule::kExplainedBy,
    .judge = connection_memory_rule::judge_memory_budget,
};

}  // namespace rules
}  // namespace tcpadvisor
