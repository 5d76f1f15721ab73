// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/page_pressure.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace page_alloc_pressure_rule {
namespace {

constexpr double kLargeShare = 0.25;  // of the host's memory: a process that is worth a name

void recommend(const Sample& now, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::capacity;
  cure.text = "Find out what takes the host's memory, and stop that or give it more; no setting of TCP helps.";
  const OwnerTotals* largest = nullptr;
  for (const OwnerTotals& owner : now.owners) {
    if (largest == nullptr || owner.rss_bytes.value_or(0) > largest->rss_bytes.value_or(0)) largest = &owner;
  }
  if (largest != nullptr && now.host.mem_bytes > 0 &&
      static_cast<double>(largest->rss_bytes.value_or(0)) >= kLargeShare * static_cast<double>(now.host.mem_bytes)) {
    cure.steps.push_back(fmt::format("the largest of the programs with connections: {}[{}] with {} of {}",
                                     largest->comm, largest->pid, human_bytes(*largest->rss_bytes),
                                     human_bytes(now.host.mem_bytes)));
  }
  cure.steps.emplace_back(
      "ps -eo rss,pid,comm --sort -rss | head: who has it; dmesg | grep -E 'Out of memory|page "
      "allocation failure'");
  cure.steps.emplace_back(
      "if the kernel reports failures of order 0 in interrupts (GFP_ATOMIC) while memory is available: a larger "
      "vm.min_free_kbytes, up to 1 % of the memory, keeps some for them");
  cure.verify = "nstat -az TcpExtTCPMemoryPressures stands still, and avg60 of /proc/pressure/memory is below 1";
}

Finding finding_for(const Evidence& in, double times, const HostMemory& host) {
  const Window& window = in.window;
  const Sample& now = in.now();
  const TcpMemory& memory = now.memory;
  auto low = static_cast<double>((*memory.limits_pages)[0]), used = static_cast<double>(*memory.pages);
  Finding finding;
  finding.id = "page-alloc-pressure";
  bool killed = host.oom_kills.value_or(0) > 0;
  finding.severity = killed ? Severity::critical : Severity::warning;
  finding.finding_class = FindingClass::memory;
  finding.scope.kind = ScopeKind::host;
  finding.scope.netns_name = "host";
  finding.title = fmt::format("TCP got no memory {}: the host has none, TCP itself uses {:.1f} % of what it may",
                              times > 1 ? fmt::format("{:.0f} times", times) : "at once",
                              100 * used / std::max(1.0, static_cast<double>((*memory.limits_pages)[1])));
  bool waited = host.stalled_share.value_or(0) >= in.policy.value(kStallShare) || killed;
  finding.confidence = waited ? Confidence::high : Confidence::medium;
  finding.confidence_why =
      waited ? "TCP is far below tcp_mem, and tasks of this host waited for memory at the same time"
             : "TCP is far below tcp_mem, and the host had little memory; how long tasks waited is not known or short";
  finding.evidence.push_back(
      measured(window, "pressure_entered", "TcpExt.TCPMemoryPressures, tcp_memory_pressure", times, "count", 1));
  finding.evidence.push_back(
      measured(window, "tcp_memory", "sockstat mem / tcp_mem[0]", used, "pages", kFarBelowMarks * low));
  auto say = [&](const char* metric, const char* source, std::optional<double> value, const char* unit,
                 std::optional<double> threshold) {
    if (value) finding.evidence.push_back(measured(window, metric, source, *value, unit, threshold));
  };
  say("time_waited_for_memory", "/proc/pressure/memory", host.stalled_share, "ratio", in.policy.value(kStallShare));
  say("allocation_stalls", "/proc/vmstat allocstall", host.allocation_stalls, "times",
      in.policy.value(kMinAllocationStalls));
  say("processes_killed_for_memory", "/proc/vmstat oom_kill", host.oom_kills, "times", 1);
  say("memory_available", "/proc/meminfo MemAvailable", host.available_share, "ratio",
      in.policy.value(kLeastAvailable));
  finding.meaning =
      "When the kernel finds no free page for data that a program sends, it puts all of TCP under memory pressure: "
      "windows of every connection shrink, and senders wait. That is not the limit of tcp_mem.";
  recommend(now, finding);
  finding.not_useful = {
      {"net.ipv4.tcp_mem", fmt::format("{} pages are used, pressure by itself begins at {}", with_commas(*memory.pages),
                                       with_commas((*memory.limits_pages)[1]))},
      {"net.ipv4.tcp_rmem, net.ipv4.tcp_wmem (lower)", "buffers that are not filled take nothing"},
      {"vm.drop_caches", "takes from programs what the kernel gives back by itself"}};
  return finding;
}

Outcome judge_page_alloc(const Evidence& in) {
  const Window& window = in.window;
  const TcpMemory& memory = in.now().memory;
  if (!memory.pages || !memory.limits_pages)
    return Outcome::unknown("TCP's memory in use, or net.ipv4.tcp_mem, could not be read");
  double times = pressure_below_marks(window);
  if (times == 0) {
    if (window.samples() < 2) return Outcome::unknown(too_few_samples(window, 2));
    if (!window.increase("TcpExt.TCPMemoryPressures"))
      return Outcome::unknown("TcpExt.TCPMemoryPressures was not read twice");
    return Outcome::fine("memory pressure of TCP far below tcp_mem", "0 times");
  }
  HostMemory host = host_memory(window);
  if (host.short_of(in.policy)) return Outcome::of({finding_for(in, times, host)}, "", "", "");
  if (!host.known()) {
    return Outcome::unknown(
        "TCP came under memory pressure far below tcp_mem, but what the host's tasks wait for is not known");
  }
  return Outcome::unknown(
      "TCP came under memory pressure while it used little and the host had memory: a burst between two looks would "
      "look like this; observe with a shorter interval");
}

constexpr std::array kThresholds = {kStallShare, kMinAllocationStalls, kLeastAvailable};
constexpr std::array<std::string_view, 2> kReferences = {
    "net/core/sock.c: sk_page_frag_refill; net/ipv4/tcp.c: tcp_stream_alloc_skb", "Documentation/accounting/psi.rst"};

}  // namespace
}  // namespace page_alloc_pressure_rule

namespace rules {

extern const Rule page_alloc_pressure = {
    .id = "page-alloc-pressure",
    .title = "TCP is under pressure because the host has no free memory",
    .explanation =
        "TCP comes under memory pressure at the marks of tcp_mem, or when the kernel finds no free page for what a "
        "program sends. The second has nothing to do with tcp_mem: TCP uses little, and tasks of the host wait for "
        "memory.",
    .thresholds = page_alloc_pressure_rule::kThresholds,
    .references = page_alloc_pressure_rule::kReferences,
    .judge = page_alloc_pressure_rule::judge_page_alloc,
};

}  // namespace rules
}  // namespace tcpadvisor
