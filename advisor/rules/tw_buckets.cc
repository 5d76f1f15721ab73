// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace tw_buckets_rule {
namespace {

constexpr Threshold kMinOverflows = count_threshold("min_overflows", 1, "connections");
constexpr Threshold kBucketShare = ratio_threshold("bucket_share", 0.9).clears_at(0.9);  // of tcp_max_tw_buckets
constexpr std::string_view kKnob = "net.ipv4.tcp_max_tw_buckets", kCounter = "TcpExt.TCPTimeWaitOverflow";
constexpr double kTimeWaitS = 60;                  // TCP_TIMEWAIT_LEN, include/net/tcp.h
constexpr std::uint64_t kBytesOfEntry = 256;       // struct tcp_timewait_sock in its slab
constexpr std::uint64_t kShareOfRam = 64;          // at most one part in so many may fill with such entries
constexpr std::uint64_t kMostOfUnknown = 262'144;  // 64 MiB, where the memory is not known
constexpr auto kMostEntries = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());

/// The table of one namespace.
struct Buckets {
  std::uint64_t held = 0;       ///< TIME_WAIT, and FIN_WAIT_2 that nobody holds
  std::uint64_t fin_wait2 = 0;  ///< of those
  std::uint64_t limit = 0;
  std::optional<double> turned_away;  ///< in the window; nothing if the counter was not read twice
  double share() const { return limit == 0 ? 0 : static_cast<double>(held) / static_cast<double>(limit); }
};

std::optional<Buckets> buckets_of(const Window& window, const NetnsSample& netns) {
  auto limit = sysctl_value(window.latest(), netns.id, std::string(kKnob));
  if (!limit || *limit < 0) return std::nullopt;
  std::uint64_t time_wait = netns.states[index_of(TcpState::time_wait)].count;
  Buckets out{.held = time_wait, .limit = to_u64(*limit), .turned_away = window.increase(netns.id, kCounter)};
  if (netns.sockstat && netns.sockstat->tw > time_wait) {
    out.held = netns.sockstat->tw;
    out.fin_wait2 = std::min(out.held - time_wait, netns.states[index_of(TcpState::fin_wait_2)].count);
  }
  return out;
}

/// Room for those that were there and for as many as came beyond them in the 60 s that an entry stays, and half as much
/// again. Never less than now.
void recommend(const Window& window, const NetnsSample& netns, const Buckets& buckets, Finding& finding) {
  const Sample& now = window.latest();
  double turned_away = buckets.turned_away.value_or(0), span_s = window.span_s();
  std::uint64_t held = turned_away > 0 ? std::max(buckets.held, buckets.limit) : buckets.held;
  // What came in less than a minute would still be there at its end; at this rate more would come.
  std::uint64_t beyond = to_u64(std::ceil(span_s > 0 ? turned_away / span_s * kTimeWaitS : turned_away));
  std::uint64_t wanted = pow2ceil(to_u64(std::ceil(1.5 * static_cast<double>(add_sat(held, beyond)))));
  std::uint64_t most = now.host.mem_bytes == 0
                           ? kMostOfUnknown
                           : std::min(now.host.mem_bytes / kShareOfRam / kBytesOfEntry, kMostEntries);
  std::uint64_t target = std::min(wanted, most);
  Recommendation& cure = finding.recommendation;
  cure.formula = fmt::format(
      "pow2ceil(1.5 x ({} entries + {} that come beyond them in {:.0f} s at this rate)) = {}, {} bytes each; at most "
      "a {}th of the memory: {}",
      with_commas(held), with_commas(beyond), kTimeWaitS, with_commas(wanted), kBytesOfEntry, kShareOfRam,
      with_commas(most));
  cure.verify = fmt::format("{}nstat -az TcpExtTCPTimeWaitOverflow stands still", in_netns(now, netns.id));
  if (2 * buckets.fin_wait2 >= buckets.held && buckets.held > 0) {
    cure.steps.push_back(fmt::format(
        "{} of the entries are FIN_WAIT_2: their peers have not closed (CLOSE_WAIT there); find out who they are",
        with_commas(buckets.fin_wait2)));
  }
  cure.steps.push_back(fmt::format(
      "who closes first keeps the entry: {}ss -Htan state time-wait | awk '{{print $4}}' | sort | uniq -c | sort -rn",
      in_netns(now, netns.id)));
  if (target <= buckets.limit) {
    cure.kind = RecommendationKind::capacity;
    cure.text = fmt::format(
        "Do not raise {}: more would not fit into the memory that is sensible for it. Reuse "
        "connections, so that fewer are closed.",
        kKnob);
    return;
  }
  Change change = Change::in(now, netns.id, kKnob);
  change.current = values_of({buckets.limit});
  change.lower = values_of({std::min(std::max(add_sat(held, beyond), buckets.limit), target)});
  change.target = values_of({target});
  change.upper = values_of({std::max(target, most)});
  cure.kind = RecommendationKind::sysctl;
  cure.text = fmt::format("Raise {} from {} to {} in this namespace: {} at most.", kKnob, with_commas(buckets.limit),
                          with_commas(target), human_bytes(mul_sat(target, kBytesOfEntry)));
  if (!change.host_netns) cure.steps.push_back("to keep it: " + text_of(change).persist);
  cure.change = std::move(change);
  cure.applicability = Applicability::needs_review;
  cure.expected_effect = Recommendation::Effect{.metric = "time_wait_overflow", .from = turned_away, .to = 0};
  cure.worst_case_memory_bytes = mul_sat(target, kBytesOfEntry);
}

Finding finding_for(const Evidence& in, const NetnsSample& netns, const Buckets& buckets) {
  const Window& window = in.window;
  const Sample& now = window.latest();
  double turned_away = buckets.turned_away.value_or(0);
  bool overflows = turned_away >= in.policy.value(kMinOverflows);
  Finding finding;
  finding.id = "tw-bucket-overflow";
  finding.severity = overflows ? Severity::warning : Severity::info;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = netns.id;
  finding.scope.netns_name = netns_name(now, netns.id);
  finding.scope.count = buckets.held;
  finding.title = overflows ? fmt::format("{} ended without TIME_WAIT: {} allows {} entries",
                                          counted(to_u64(turned_away), "connection"), kKnob, with_commas(buckets.limit))
                            : fmt::format("The table of TIME_WAIT is nearly full: {} of {}", with_commas(buckets.held),
                                          with_commas(buckets.limit));
  bool full_now = buckets.share() >= in.policy.value(kBucketShare);
  finding.confidence = full_now ? Confidence::high : Confidence::medium;
  finding.confidence_why = !overflows ? "the entries of the namespace were counted, and none was turned away yet"
                           : full_now ? "the kernel counts those that it turned away, and the table is full now"
                                      : "the kernel counts those that it turned away; the table is not full at the "
                                        "last look, so they came in a burst";
  finding.evidence.push_back(measured(window, "time_wait_overflow", std::string(kCounter), turned_away, "connections",
                                      in.policy.value(kMinOverflows)));
  finding.evidence.push_back(measured(window, "time_wait_entries",
                                      netns.sockstat ? "sockstat" : source_of(now, FactId::snapshot),
                                      static_cast<double>(buckets.held), "entries",
                                      in.policy.value(kBucketShare) * static_cast<double>(buckets.limit)));
  finding.evidence.push_back(
      measured(window, "time_wait_limit", std::string(kKnob), static_cast<double>(buckets.limit), "entries"));
  if (auto resets = window.increase(netns.id, "Tcp.OutRsts")) {
    finding.evidence.push_back(measured(window, "resets_sent", "Tcp.OutRsts", *resets, "segments"));
  }
  finding.meaning =
      overflows
          ? "A connection that finds no place is forgotten at once: a peer that has not closed yet, or whose last "
            "segment was lost, gets a reset, and old segments may reach a new connection with the same ports."
          : "When it is full, connections are forgotten at once when they are closed: peers that have not closed "
            "yet get resets.";
  recommend(window, netns, buckets, finding);
  finding.not_useful = {
      {"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"},
      {"net.ipv4.tcp_tw_reuse", "lets connect() take such ports again; the entries stay"},
      {"net.ipv4.tcp_max_tw_buckets (lower)", "turns even more away; an entry takes 256 bytes and no descriptor"}};
  return finding;
}

Outcome judge_tw_buckets(const Evidence& in) {
  std::vector<Finding> findings;
  std::string not_assessed;
  std::optional<Buckets> fullest;
  for (const NetnsSample& netns : in.now().netns) {
    if (!netns.error.empty()) continue;
    std::optional<Buckets> buckets = buckets_of(in.window, netns);
    if (!buckets) {
      not_assessed = fmt::format("{} of namespace {} was not read", kKnob, netns_name(in.now(), netns.id));
      continue;
    }
    if (!fullest || buckets->share() > fullest->share()) fullest = buckets;
    if (buckets->turned_away.value_or(0) >= in.policy.value(kMinOverflows) ||
        buckets->share() >= in.policy.value(kBucketShare)) {
      findings.push_back(finding_for(in, netns, *buckets));
    } else if (!buckets->turned_away && not_assessed.empty()) {
      not_assessed = not_read_twice(in.window, netns.id, kCounter);
    }
  }
  std::string value =
      !fullest ? "no namespace"
               : fmt::format("{} of {}, and none turned away", with_commas(fullest->held), with_commas(fullest->limit));
  return Outcome::of(std::move(findings), std::move(not_assessed), "fullest table of TIME_WAIT", std::move(value));
}

constexpr std::array kThresholds = {kMinOverflows, kBucketShare};
constexpr std::array<std::string_view, 2> kReferences = {"net/ipv4/tcp_minisocks.c: tcp_time_wait",
                                                         "Documentation/networking/ip-sysctl.rst: tcp_max_tw_buckets"};

}  // namespace
}  // namespace tw_buckets_rule

namespace rules {

extern const Rule tw_bucket_overflow = {
    .id = "tw-bucket-overflow",
    .title = "the table of TIME_WAIT entries is too small",
    .explanation =
        "A namespace keeps at most tcp_max_tw_buckets connections in TIME_WAIT, and in FIN_WAIT_2 after close(). One "
        "that finds no place ends at once, so that late segments of its peer are answered with a reset. An entry takes "
        "256 bytes, so there is nothing to save.",
    .thresholds = tw_buckets_rule::kThresholds,
    .references = tw_buckets_rule::kReferences,
    .judge = tw_buckets_rule::judge_tw_buckets,
};

}  // namespace rules
}  // namespace tcpadvisor
