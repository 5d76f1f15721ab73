// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace memcg_pressure_rule {
namespace {

constexpr Threshold kMinRefusals = count_threshold("min_refusals", 10, "times").clears_at(0.5);
constexpr Threshold kAtLimit = ratio_threshold("at_limit", 0.98).clears_at(0.92);  // of the limit counts as met
constexpr Threshold kSocketShare = ratio_threshold("socket_share", 0.2);           // of the limit: the sockets fill it
constexpr Threshold kUnreadShare = ratio_threshold("unread_share", 0.5);  // of the sockets' memory: nobody reads
constexpr double kSpare = 1.5;                        // times what the sockets took, for a new limit
constexpr std::uint64_t kRoomShare = 2;               // one part in so many of the room is for full buffers
constexpr std::uint64_t kLeastBuffer = 64ull * 1024;  // a smaller maximum makes every connection slow

/// One memory cgroup with sockets, and a limit that it met.
struct Limited {
  const CgroupTotals* cgroup = nullptr;
  std::uint64_t limit = 0;
  double peak = 0, sock_peak = 0, sock_p99 = 0;  ///< bytes
  double met = 0;                                ///< times that its use met the limit
};

template <typename Member>
Series course(const Window& window, const CgroupTotals& cgroup, Member member) {
  return window.series([&](const PastTick& tick) -> std::optional<double> {
    const PastCgroup* then = tick.find(cgroup);
    if (then == nullptr || !(then->*member)) return std::nullopt;
    return static_cast<double>(*(then->*member));
  });
}

/// Those that met their limits, the most sockets first.
std::vector<Limited> limited(const Evidence& in) {
  const Sample& now = in.now();
  std::vector<Limited> out;
  for (const CgroupTotals& cgroup : now.cgroups) {
    if (!cgroup.memory_max || *cgroup.memory_max == 0) continue;
    if (now.host.mem_bytes > 0 && *cgroup.memory_max >= now.host.mem_bytes) continue;
    Series used = course(in.window, cgroup, &PastCgroup::memory_current);
    Series sockets = course(in.window, cgroup, &PastCgroup::sock_bytes);
    Limited one{.cgroup = &cgroup,
                .limit = *cgroup.memory_max,
                .peak = used.max(),
                .sock_peak = sockets.max(),
                .sock_p99 = sockets.percentile(99),
                .met = course(in.window, cgroup, &PastCgroup::events_max).increase()};
    if (one.met > 0 || one.peak >= in.policy.value(kAtLimit) * static_cast<double>(one.limit)) out.push_back(one);
  }
  std::ranges::stable_sort(out, std::ranges::greater(), [](const Limited& one) { return one.cgroup->sockets; });
  return out;
}

/// Times that the kernel refused a socket memory because of a cgroup; nothing if nobody watched.
std::optional<double> refused(const Window& window) {
  Series times = window.series([](const PastTick& tick) -> std::optional<double> {
    if (!tick.refusals) return std::nullopt;
    return static_cast<double>(add_sat(tick.refusals->cgroup_send, tick.refusals->cgroup_recv));
  });
  return times.size() < 2 ? std::nullopt : std::optional(times.increase());
}

/// Received data that was dropped for want of memory, in all namespaces.
double dropped(const Window& window) {
  return window.increase("TcpExt.TCPRcvQDrop").value_or(0) + window.increase("TcpExt.TCPOFODrop").value_or(0) +
         window.increase("TcpExt.RcvPruned").value_or(0);
}

/// The process of the cgroup that leaves most unread.
const OwnerTotals* who_does_not_read(const Sample& now, const CgroupTotals& cgroup) {
  const OwnerTotals* most = nullptr;
  for (const OwnerTotals& owner : now.owners) {
    if (owner.cgroup != cgroup.path || cgroup.path.empty()) continue;
    if (most == nullptr || owner.recv_q > most->recv_q) most = &owner;
  }
  return most;
}

/// tcp_rmem[2] with which the sockets that are there, all full, take half of what everything else leaves; as a step.
std::string smaller_buffers(const Sample& now, const Limited& one) {
  const std::uint64_t rest = sub_sat(to_u64(one.peak), to_u64(one.sock_peak)), room = sub_sat(one.limit, rest);
  const std::uint64_t sockets = std::max<std::uint64_t>(one.cgroup->sockets, 1);
  const std::uint64_t most = std::bit_floor(room / kRoomShare / sockets);
  auto owner = std::ranges::find_if(now.owners, [&](const OwnerTotals& process) {
    return !one.cgroup->path.empty() && process.cgroup == one.cgroup->path && process.netns != 0;
  });
  const NetnsSample* netns = owner == now.owners.end() ? now.host_netns() : now.find_netns(owner->netns);
  if (netns == nullptr || most < kLeastBuffer) return "";
  auto current = sysctl_value(now, netns->id, "net.ipv4.tcp_rmem", 2);
  if (!current || to_u64(*current) <= most) return "";
  return fmt::format(
      "smaller buffers in numbers: {} as tcp_rmem[2] ({} now), since {} x {} = {} of the {} that everything else "
      "leaves; "
      "one flow then carries {:.0f} Mbit/s at most at 100 ms",
      human_bytes(most), human_bytes(to_u64(*current)), counted(sockets, "socket"), human_bytes(most),
      human_bytes(mul_sat(sockets, most)), human_bytes(room), static_cast<double>(most) / 2 * 8 / 0.1 / 1e6);
}

void recommend(const Evidence& in, const Limited& one, Finding& finding) {
  const Sample& now = in.now();
  Recommendation& cure = finding.recommendation;
  const OwnerTotals* reader = who_does_not_read(now, *one.cgroup);
  auto limit = static_cast<double>(one.limit);
  bool of_sockets = one.sock_peak >= in.policy.value(kSocketShare) * limit;
  auto unread = static_cast<double>(one.cgroup->recv_q);
  std::string path = one.cgroup->path.empty() ? "the cgroup" : one.cgroup->path;
  if (of_sockets && reader != nullptr && reader->recv_q > 0 &&
      unread >= in.policy.value(kUnreadShare) * one.sock_peak) {
    cure.kind = RecommendationKind::application;
    finding.finding_class = FindingClass::application;
    cure.text = fmt::format("Fix {}[{}] first: it has not read {}; a higher limit would fill as well.", reader->comm,
                            reader->pid, human_bytes(reader->recv_q));
  } else {
    auto wanted = add_sat(one.limit, to_u64(std::ceil(kSpare * one.sock_p99)));
    cure.kind = RecommendationKind::capacity;
    cure.text = of_sockets ? fmt::format(
                                 "Raise the limit of {} from {} to {} or more, or let its connections buffer less: "
                                 "lower tcp_rmem[2] and tcp_wmem[2] in their namespace.",
                                 path, human_bytes(one.limit), human_bytes(wanted))
                           : fmt::format(
                                 "Give {} a higher limit than {}, or find out what fills it: its sockets take {} of "
                                 "that.",
                                 path, human_bytes(one.limit), human_bytes(to_u64(one.sock_peak)));
    if (std::string step = of_sockets ? smaller_buffers(now, one) : ""; !step.empty()) cure.steps.push_back(step);
    cure.formula = fmt::format("limit + {} x p99 of the sockets' memory {} = {}", kSpare,
                               human_bytes(to_u64(one.sock_p99)), human_bytes(wanted));
  }
  cure.steps.push_back(fmt::format(
      "grep -E '^(anon|file|sock|slab) ' memory.stat in {} of the cgroup file system: programs, cached files, sockets",
      path));
  cure.verify = "memory.events: max stands still; nstat -az TcpExtTCPRcvQDrop TcpExtTCPOFODrop as well";
}

Finding finding_for(const Evidence& in, const std::vector<Limited>& all, const Limited& one,
                    std::optional<double> refusals, double drops) {
  const Window& window = in.window;
  Finding finding;
  finding.id = "memcg-socket-pressure";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::memory;
  finding.scope.kind = ScopeKind::cgroup;
  finding.scope.netns_name = "host";
  finding.scope.cgroup = one.cgroup->path;
  finding.scope.count = one.cgroup->sockets;
  finding.title = fmt::format("Sockets of {} get no memory: its cgroup is at its limit of {}",
                              one.cgroup->path.empty() ? "a cgroup" : one.cgroup->path, human_bytes(one.limit));
  bool sure = refusals && all.size() == 1;
  finding.confidence = sure ? Confidence::high : Confidence::medium;
  finding.confidence_why = sure ? "the kernel refused memory because of a cgroup, and this is the only one at its limit"
                           : refusals
                               ? fmt::format(
                                     "the kernel refused memory because of a cgroup; {} of them are at their "
                                     "limits",
                                     all.size())
                               : "it is at its limit, and received data was dropped for want of memory; which cgroup "
                                 "was the reason is not visible here";
  auto say = [&](const char* metric, std::string source, double value, const char* unit,
                 std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(window, metric, std::move(source), value, unit, threshold));
  };
  if (refusals) say("refused_for_a_cgroup", "sock_exceed_buf_limit", *refusals, "times", in.policy.value(kMinRefusals));
  say("memory_used", "memory.current", one.peak, "bytes", static_cast<double>(one.limit));
  say("socket_memory", "memory.stat sock", one.sock_peak, "bytes",
      in.policy.value(kSocketShare) * static_cast<double>(one.limit));
  say("limit_met", "memory.events max", one.met, "times");
  say("unread", source_of(in.now(), FactId::snapshot), static_cast<double>(one.cgroup->recv_q), "bytes");
  say("received_data_dropped", "TcpExt.TCPRcvQDrop + TCPOFODrop + RcvPruned", drops, "segments");
  finding.meaning =
      "What sockets buffer counts against the memory limit of their cgroup. At the limit the kernel refuses them "
      "memory: it shrinks receive windows, drops received data that it may not keep, and lets senders wait. Other "
      "containers of the host do not feel it.";
  recommend(in, one, finding);
  const TcpMemory& memory = in.now().memory;
  finding.not_useful = {
      {"net.ipv4.tcp_mem", memory.pages && memory.limits_pages
                               ? fmt::format("the host uses {} of {} pages: it is the cgroup's own limit",
                                             with_commas(*memory.pages), with_commas((*memory.limits_pages)[1]))
                               : "is the host's limit, not that of the cgroup"},
      {"net.core.rmem_max, net.ipv4.tcp_rmem (higher)", "lets the sockets ask for more of what is not there"}};
  return finding;
}

Outcome judge_memcg(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  if (!now.knows(FactId::cgroups)) {
    const FactCoverage* known = now.fact(FactId::cgroups);
    return Outcome::unknown(known == nullptr || known->attempts.empty() ? "no memory cgroup was read"
                                                                        : known->attempts.front().why_not);
  }
  if (window.samples() < 2) return Outcome::unknown(too_few_samples(window, 2));
  std::optional<double> refusals = refused(window);
  const double least = in.policy.value(kMinRefusals), drops = dropped(window);
  std::vector<Limited> all = limited(in);
  // Cached files bring a cgroup to its limit in its daily life; only what sockets were refused is a trouble.
  if (refusals ? *refusals < least : drops < least) {
    if (!refusals && !all.empty())
      return Outcome::unknown("cgroups are at their limits; whether sockets were refused memory is not visible");
    return Outcome::fine("times that a cgroup's limit kept memory from a socket",
                         refusals ? fmt::format("{:.0f} in {}", *refusals, seconds_text(window.span_s()))
                                  : "0, no cgroup with sockets is at a limit");
  }
  if (all.empty()) {
    if (!refusals) return Outcome::fine("cgroups with sockets at their limits", "0");
    return Outcome::unknown(fmt::format(
        "sockets were refused memory {:.0f} times because of a cgroup, but none of those with sockets is at its own "
        "limit: a cgroup around them may be",
        *refusals));
  }
  std::vector<Finding> findings;
  findings.reserve(all.size());
  for (const Limited& one : all) findings.push_back(finding_for(in, all, one, refusals, drops));
  return Outcome::of(std::move(findings), "", "", "");
}

constexpr std::array kThresholds = {kMinRefusals, kAtLimit, kSocketShare, kUnreadShare};
constexpr std::array<std::string_view, 2> kReferences = {
    "Documentation/admin-guide/cgroup-v2.rst: memory.max, memory.stat sock",
    "net/core/sock.c: __sk_mem_raise_allocated"};

}  // namespace
}  // namespace memcg_pressure_rule

namespace rules {

extern const Rule memcg_socket_pressure = {
    .id = "memcg-socket-pressure",
    .title = "sockets are refused memory by the limit of their cgroup",
    .explanation =
        "Memory of sockets counts against the limit of their cgroup (a container, a unit). At the limit the kernel "
        "shrinks windows and drops received data of that cgroup alone. A cgroup that is full of cached files is no "
        "trouble, as long as no socket was refused memory.",
    .thresholds = memcg_pressure_rule::kThresholds,
    .references = memcg_pressure_rule::kReferences,
    .covers = {.every_namespace = false},
    .judge = memcg_pressure_rule::judge_memcg,
};

}  // namespace rules
}  // namespace tcpadvisor
