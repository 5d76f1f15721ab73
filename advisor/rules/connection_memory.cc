// SPDX-License-Identifier: Apache-2.0
// What very many connections take of the host's memory, idle as they are, and what they would take if each had one
// message to keep.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr Threshold kMemoryShare = ratio_threshold("share_of_memory", 0.25);
constexpr Threshold kManySockets = count_threshold("many_sockets", 50'000);
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
  return Outcome::of(std::move(findings), "", "memory of all sockets, about",
                     fmt::format("{} of {}", human_bytes(budget.all), human_bytes(now.host.mem_bytes)));
}

constexpr std::array kThresholds = {kMemoryShare, kManySockets};
constexpr std::array<std::string_view, 1> kReferences = {"slabinfo(5)"};

}  // namespace

namespace rules {

extern const Rule high_connection_memory_budget = {
    .id = kId,
    .title = "what very many connections take of the memory",
    .explanation =
        "Connections that carry nothing cost kernel memory all the same, four to five kilobytes each, and a page as "
        "soon "
        "as one byte waits. With hundreds of thousands of them that decides how many a host can hold.",
    .thresholds = kThresholds,
    .references = kReferences,
    .judge = judge_memory_budget,
};

}  // namespace rules
}  // namespace tcpadvisor
