// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace memory_rule {
namespace {

constexpr Threshold kWarnShare = ratio_threshold("warn_share", 0.8).clears_at(0.875);  // of tcp_mem[1]
constexpr Threshold kWarnFor = time_threshold("warn_for", 30);  // at least, and never longer than the policy's windows
constexpr Threshold kProjection =
    time_threshold("projection", 3600).clears_at(1.5);  // to reach tcp_mem[1] so soon is worth a word …
constexpr Threshold kProjectionFrom =
    ratio_threshold("projection_from", 0.5).clears_at(0.9);  // … once this share of it is used
constexpr double kTrippedShare = 0.5;  // of tcp_mem[0]: pressure below it comes from page allocation, not from tcp_mem
constexpr double kMaxShareOfRam = 0.25;                            // for tcp_mem[2]
constexpr Threshold kDominant = ratio_threshold("dominant", 0.5);  // share that makes one process the cause

struct Consumers {
  std::uint64_t total = 0;
  std::vector<const OwnerTotals*> ranked;  ///< most memory first
};

std::uint64_t memory_of(const OwnerTotals& owner) {
  return add_sat(owner.rmem, owner.wmem);
}

Consumers consumers(const Sample& sample) {
  Consumers out;
  for (const OwnerTotals& owner : sample.owners) {
    out.total = add_sat(out.total, memory_of(owner));
    out.ranked.push_back(&owner);
  }
  std::ranges::stable_sort(out.ranked, std::greater(), [](const OwnerTotals* owner) { return memory_of(*owner); });
  return out;
}

/// tcp_mem = 0.75·X X 1.5·X with X = 1.5 · p99 of what is used, as far as tcp_mem[2] stays within a quarter of the RAM.
void recommend_limits(const Window& window, double p99_pages, Finding& finding) {
  const Sample& now = window.latest();
  const TcpMemory& memory = now.memory;
  const auto& limits = *memory.limits_pages;
  auto ram_pages =
      static_cast<double>(now.host.mem_bytes) / static_cast<double>(std::max<std::uint64_t>(memory.page_size, 1));
  auto ceiling = to_u64(kMaxShareOfRam * ram_pages);
  auto x = to_u64(std::ceil(1.5 * p99_pages));
  auto high_for = [](std::uint64_t middle) { return add_sat(middle, middle / 2); };
  bool capped = high_for(x) > ceiling;
  if (capped) {
    std::uint64_t most = ceiling * 2 / 3;
    x = std::bit_floor(most);  // the largest power of two that passes the memory gate
  }
  Recommendation& cure = finding.recommendation;
  std::string gate = fmt::format("gate: tcp_mem[2] x {} B <= 25 % of {} = {} pages", memory.page_size,
                                 human_bytes(now.host.mem_bytes), with_commas(ceiling));
  const std::uint64_t used = memory.pages.value_or(0);  // a mark below it would begin with pressure
  if (x <= limits[1] || x <= used) {
    cure.kind = RecommendationKind::capacity;
    cure.text = fmt::format(
        "Do not raise tcp_mem: {} would not be more than {}. Lower tcp_rmem[2] and tcp_wmem[2], use fewer busy "
        "connections, or add memory.",
        capped ? "what a quarter of the RAM allows" : "1.5 x the use", x <= limits[1] ? "now" : "is in use now");
    cure.formula = gate;
    return;
  }
  Change change = Change::in(now, 0, "net.ipv4.tcp_mem");
  change.current = values_of(limits);
  // What is higher already stays, as far as the gate lets it.
  const std::array<std::uint64_t, 3> target = {std::max(x * 3 / 4, std::min(limits[0], x)), x,
                                               std::min(std::max(high_for(x), limits[2]), ceiling)};
  const std::array<std::uint64_t, 3> most = {ceiling / 2, ceiling * 2 / 3, ceiling};
  change.target = values_of(target);
  for (std::size_t at = 0; at < target.size(); ++at) {
    change.lower.push_back(std::min(change.current[at], change.target[at]));
    change.upper.push_back(std::max(values_of({most[at]}).front(), change.target[at]));
  }
  cure.kind = RecommendationKind::sysctl;
  cure.text = fmt::format("If all this traffic is wanted: net.ipv4.tcp_mem = {} (pages){}.", values_text(change.target),
                          capped ? ", memory-capped" : "");
  cure.change = std::move(change);
  cure.formula = fmt::format("X = 1.5 x p99 {:.0f} pages = {}{}; 0.75 X, X, 1.5 X; {}", p99_pages, with_commas(x),
                             capped ? " after the gate" : "", gate);
  cure.expected_effect = Recommendation::Effect{.metric = "share of tcp_mem[1] in use",
                                                .from = p99_pages / static_cast<double>(limits[1]),
                                                .to = p99_pages / static_cast<double>(x)};
  cure.worst_case_memory_bytes = mul_sat(target[2], memory.page_size);
  cure.applicability = Applicability::needs_review;
}

/// "1,531,158 pages x 4,096 B = 5.8 GiB, 9.3 % of 62.6 GiB": what tcp_mem[2] allows, in units that a person can check.
std::string in_bytes(const Sample& now) {
  const std::uint64_t pages = (*now.memory.limits_pages)[2], bytes = mul_sat(pages, now.memory.page_size);
  std::string share =
      now.host.mem_bytes == 0
          ? ""
          : fmt::format(", {:.1f} % of {}", 100 * static_cast<double>(bytes) / static_cast<double>(now.host.mem_bytes),
                        human_bytes(now.host.mem_bytes));
  return fmt::format("{} pages x {} B = {}{}", with_commas(pages), with_commas(now.memory.page_size),
                     human_bytes(bytes), share);
}

void recommend(const Evidence& in, double p99_pages, Finding& finding) {
  const Window& window = in.window;
  const double most = in.policy.value(kDominant);
  const Sample& now = window.latest();
  Consumers who = consumers(now);
  Recommendation& cure = finding.recommendation;
  std::string names;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, who.ranked.size()); ++i) {
    const OwnerTotals& owner = *who.ranked[i];
    if (memory_of(owner) == 0) break;
    names += fmt::format("{}{}[{}] {} (rmem {}, wmem {})", names.empty() ? "" : ", ", owner.comm, owner.pid,
                         human_bytes(memory_of(owner)), human_bytes(owner.rmem), human_bytes(owner.wmem));
  }
  if (!who.ranked.empty() && who.total > 0) {
    const OwnerTotals& top = *who.ranked.front();
    bool dominant = static_cast<double>(memory_of(top)) >= most * static_cast<double>(who.total);
    bool unread = static_cast<double>(top.rmem) >= most * static_cast<double>(memory_of(top)) && top.recv_q > 0;
    if (dominant && unread) {
      cure.kind = RecommendationKind::application;
      cure.text = fmt::format("Fix {}[{}] first: it has not read {}; more memory would fill as well.", top.comm,
                              top.pid, human_bytes(top.recv_q));
      finding.finding_class = FindingClass::application;
    }
  }
  if (cure.kind == RecommendationKind::none) recommend_limits(window, p99_pages, finding);
  cure.steps.push_back(names.empty() ? "which processes use it is not visible to us" : "largest: " + names);
  cure.verify = "for 10 minutes: no pressure, no drops, in use below 70 % of tcp_mem[1]";
}

double increase_or_zero(const Window& window, std::string_view name) {
  return window.increase(name).value_or(0);
}

Outcome judge_tcp_mem_pressure_global(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  const double warn_share = policy.value(kWarnShare), soon_s = policy.value(kProjection);
  const TcpMemory& memory = now.memory;
  if (!memory.pages || !memory.limits_pages) {
    return Outcome::unknown(memory.pages ? "net.ipv4.tcp_mem could not be read"
                                         : "TCP's memory in use could not be read");
  }
  auto low = static_cast<double>((*memory.limits_pages)[0]), mark = static_cast<double>((*memory.limits_pages)[1]);
  Series pages = window.series([](const PastTick& tick) -> std::optional<double> {
    if (!tick.memory.pages) return std::nullopt;
    return static_cast<double>(*tick.memory.pages);
  });
  double tripped = increase_or_zero(window, "TcpExt.TCPMemoryPressures");
  double aborts = increase_or_zero(window, "TcpExt.TCPAbortOnMemory");
  double drops = increase_or_zero(window, "TcpExt.TCPRcvQDrop");
  double refused = window
                       .series([](const PastTick& tick) -> std::optional<double> {
                         if (!tick.refusals) return std::nullopt;
                         return static_cast<double>(tick.refusals->host_send + tick.refusals->host_recv);
                       })
                       .increase();

  bool pressure = memory.under_pressure.value_or(false);
  bool reached = pages.max() >= mark || pressure || (tripped > 0 && pages.max() >= kTrippedShare * low);
  // Drops also come from memory cgroups; they belong to tcp_mem only when the host is near its marks.
  bool near = pages.max() >= warn_share * mark;
  bool lost = (near || reached) && (drops > 0 || aborts > 0 || refused > 0);
  double needed_s =
      std::min(policy.value(kWarnFor), static_cast<double>(policy.window.count()) * policy.windows / 1000);
  bool long_high = window.span_s() + window.interval_s() / 2 >= needed_s && pages.percentile(0) >= warn_share * mark;
  double growth_per_s = pages.per_minute() / 60;
  double left_s = growth_per_s > 0 ? (mark - pages.last()) / growth_per_s : soon_s * 10;
  bool projected = pages.size() >= 3 && pages.falls() == 0 && pages.last() >= policy.value(kProjectionFrom) * mark &&
                   left_s < soon_s;

  if (!reached && !lost && !long_high && !projected) {
    return Outcome::fine("TCP memory of tcp_mem[1]",
                         fmt::format("{:.1f} % ({} of {} pages)", 100 * pages.max() / std::max(mark, 1.0),
                                     with_commas(to_u64(pages.max())), with_commas(to_u64(mark))));
  }
  Finding finding;
  finding.id = "tcp-mem-pressure-global";
  finding.severity = reached || lost ? Severity::critical : Severity::warning;
  finding.finding_class = FindingClass::memory;
  finding.scope.kind = ScopeKind::host;
  finding.scope.netns_name = "host";
  finding.title = reached || lost ? "TCP is out of its memory share: the kernel shrinks windows and drops data"
                                  : "TCP comes near its share of the host's memory";
  finding.confidence_why = "the kernel's own page count and pressure flag";
  if (!long_high && !reached && !lost) {
    finding.confidence = Confidence::low;
    finding.confidence_why = "a straight line through the samples; the growth may end";
  }
  finding.evidence.push_back(measured(window, "tcp_memory_of_pressure_mark", "sockstat mem / tcp_mem[1]",
                                      pages.last() / std::max(mark, 1.0), "ratio", reached ? 1.0 : warn_share));
  finding.evidence.push_back(measured(window, "tcp_memory", "sockstat mem", pages.last(), "pages", mark));
  if (memory.under_pressure) {
    finding.evidence.push_back(measured(window, "under_pressure", "tcp_memory_pressure", pressure ? 1 : 0, "", 1));
  }
  if (memory.pressure_ms.value_or(0) > 0) {
    finding.evidence.push_back(
        measured(window, "pressure_for", "tcp_memory_pressure", static_cast<double>(*memory.pressure_ms) / 1000, "s"));
  }
  for (auto [metric, source, value] : {std::tuple("pressure_entered", "TcpExt.TCPMemoryPressures", tripped),
                                       std::tuple("received_data_dropped", "TcpExt.TCPRcvQDrop", drops),
                                       std::tuple("connections_aborted", "TcpExt.TCPAbortOnMemory", aborts),
                                       std::tuple("buffer_refusals", "sock_exceed_buf_limit", refused)}) {
    if (value > 0) finding.evidence.push_back(measured(window, metric, source, value, "count", 0));
  }
  if (projected && !reached)
    finding.evidence.push_back(measured(window, "pressure_expected_in", "sockstat mem", left_s, "s", soon_s));
  finding.meaning =
      "All TCP buffers of this host share tcp_mem. From its middle value on the kernel shrinks receive windows "
      "and may drop received data, whatever connection it belongs to.";
  recommend(in, pages.percentile(99), finding);
  finding.not_useful = {
      {"net.core.rmem_max, net.core.wmem_max", "limit single sockets that set SO_RCVBUF/SO_SNDBUF"},
      {"net.ipv4.tcp_mem = huge",
       fmt::format("its unit is pages, and it is the last guard before the host runs out of memory: {} now",
                   in_bytes(now))}};
  Outcome outcome;
  outcome.findings.push_back(std::move(finding));
  return outcome;
}

constexpr std::array kTcpMemPressureGlobalThresholds = {kWarnShare, kWarnFor, kProjection, kProjectionFrom, kDominant};
constexpr std::array<std::string_view, 2> kTcpMemPressureGlobalReferences = {
    "tcp(7): tcp_mem", "net/ipv4/tcp.c: tcp_enter_memory_pressure"};

// Memory that a faulty process holds is freed by the fix: no limit is raised for it.
constexpr std::string_view kFixFirst = "Fix {who} first ({rule}): it holds {held} of {total}.";
constexpr std::array kTcpMemPressureGlobalExplainedBy = {
    ExplainedBy{"page-alloc-pressure", Link::whole_host, Then::remove},  // it is not about tcp_mem then
    ExplainedBy{"close-wait-leak", Link::most_memory, Then::keep, "", kFixFirst},
    ExplainedBy{"closed-socket-fd-leak", Link::most_memory, Then::keep, "", kFixFirst},
    ExplainedBy{"fin-wait2-app-held", Link::most_memory, Then::keep, "", kFixFirst},
    ExplainedBy{"established-dead-peer-leak", Link::most_memory, Then::keep, "", kFixFirst},
    ExplainedBy{"reader-too-slow", Link::most_memory, Then::keep, "", kFixFirst},
};

}  // namespace
}  // namespace memory_rule

namespace rules {

extern const Rule tcp_mem_pressure_global = {
    .id = "tcp-mem-pressure-global",
    .title = "TCP runs out of its share of memory",
    .explanation =
        "All TCP buffers of the host share tcp_mem. Near its middle value the kernel shrinks windows of every "
        "connection, beyond the last it drops data.",
    .thresholds = memory_rule::kTcpMemPressureGlobalThresholds,
    .references = memory_rule::kTcpMemPressureGlobalReferences,
    .explained_by = memory_rule::kTcpMemPressureGlobalExplainedBy,
    .covers = {.every_namespace = false},
    .judge = memory_rule::judge_tcp_mem_pressure_global,
};

}  // namespace rules
}  // namespace tcpadvisor
