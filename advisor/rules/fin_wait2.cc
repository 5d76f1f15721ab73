// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr Threshold kShareOfTimeWaitBuckets = ratio_threshold("share_of_tw_buckets", 0.25);
constexpr Threshold kManyOrphans = count_threshold("many_orphans", 10'000);
constexpr std::int64_t kShortestTimeoutS = 15;  // shorter ones lose late data of slow peers

Finding held_finding(const Window& window, const Policy& policy, const Holding& holding) {
  Finding finding;
  finding.id = "fin-wait2-app-held";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = holding.scope;
  finding.title = fmt::format("{} holds {} that it has shut down for sending", process_text(finding.scope),
                              counted(holding.count, "socket"));
  finding.confidence_why = fmt::format("{} are older than {} and still have a descriptor, so no timer ends them",
                                       with_commas(holding.old), human_duration(policy.age));
  if (!finding.scope.pid) {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; which process holds them is not visible to us";
  }
  finding.evidence = leak_evidence(window, policy, holding, "fin_wait2", policy.min_count);
  finding.meaning =
      "The process called shutdown(SHUT_WR) and waits for the peers to close. Peers that never do keep these "
      "connections for ever.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: after shutdown(SHUT_WR) read to the end with a time-out, then close().";
  std::string remotes = common_remote(holding.rows);
  cure.steps.push_back(fmt::format("find them: {}ss -tnp state fin-wait-2{}",
                                   in_netns(window.latest(), finding.scope.netns),
                                   finding.scope.pid ? fmt::format(" | grep 'pid={},'", *finding.scope.pid) : ""));
  if (!remotes.empty()) {
    cure.steps.push_back(fmt::format("the peers ({}) are in CLOSE_WAIT: see why they do not close", remotes));
  }
  cure.verify =
      fmt::format("tcpadvisor report --only fin-wait2-app-held: none older than {}", human_duration(policy.age));
  finding.not_useful = {
      {"net.ipv4.tcp_fin_timeout", "it starts at close(); a socket that still has a descriptor never times out"},
      {"net.ipv4.tcp_max_tw_buckets", "these are full sockets, not TIME_WAIT entries"},
  };
  return finding;
}

Outcome judge_fin_wait2_app_held(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  Outcome outcome;
  std::uint64_t old = 0;
  for (const Holding& holding : holdings(window, policy, TcpState::fin_wait_2)) {
    old = add_sat(old, holding.old);
    if (holding.old >= policy.min_count) {
      outcome.findings.push_back(held_finding(window, policy, holding));
    } else if (add_sat(holding.old, holding.persisted) >= policy.min_count) {
      outcome.not_assessed = fmt::format("{} of {} stayed for all the {} that we watched: observe for {} or longer",
                                         counted(holding.persisted, "FIN_WAIT_2 socket"), process_text(holding.scope),
                                         seconds_text(window.span_s()), human_duration(policy.age));
    }
  }
  std::uint64_t total = 0, rows = window.connections().in_state(TcpState::fin_wait_2).size();
  for (const NetnsSample& netns : now.netns) total = add_sat(total, netns.states[index_of(TcpState::fin_wait_2)].count);
  if (outcome.not_assessed.empty() && !owners_known(now) && now.rows_suppressed > 0 &&
      total >= rows + policy.min_count) {
    outcome.not_assessed =
        fmt::format("{} over the limit of rows, and owners are not known", counted(total - rows, "FIN_WAIT_2 socket"));
  }
  return Outcome::of(std::move(outcome.findings), std::move(outcome.not_assessed),
                     fmt::format("FIN_WAIT_2 sockets held for more than {}", human_duration(policy.age)),
                     with_commas(old));
}

/// A shorter tcp_fin_timeout frees them sooner; nothing to say when it is short already.
void recommend_timeout(const Sample& now, const NetnsSample& netns, std::uint64_t count, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  cure.text = "Ask the peers: their applications do not close (CLOSE_WAIT there).";
  auto timeout_s = sysctl_value(now, netns.id, "net.ipv4.tcp_fin_timeout");
  if (!timeout_s || *timeout_s <= kShortestTimeoutS * 2) return;
  std::int64_t target_s = kShortestTimeoutS * 2;
  auto after = static_cast<double>(count) * static_cast<double>(target_s) / static_cast<double>(*timeout_s);
  cure.kind = RecommendationKind::sysctl;
  cure.text += fmt::format(" If that takes long: net.ipv4.tcp_fin_timeout = {} in this namespace.", target_s);
  Change change = Change::in(now, netns.id, "net.ipv4.tcp_fin_timeout");
  change.current = change.upper = {*timeout_s};
  change.lower = {kShortestTimeoutS};
  change.target = {target_s};
  cure.change = std::move(change);
  cure.formula = fmt::format("{} entries x {} s / {} s = {:.0f} at the same rate of closes", with_commas(count),
                             target_s, *timeout_s, after);
  cure.expected_effect = Recommendation::Effect{
      .metric = "fin_wait2_orphans", .from = static_cast<double>(count), .to = std::round(after)};
  cure.applicability = Applicability::needs_review;
}

Outcome judge_fin_wait2_orphan_buildup(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  struct InNetns {
    std::uint64_t held = 0;
    std::vector<std::string> peers;  // of the orphans
  };
  std::map<NetnsId, InNetns> rows;
  for (const SocketRow* row : window.connections().in_state(TcpState::fin_wait_2)) {
    InNetns& here = rows[row->netns];
    if (held_by_process(*row)) {
      ++here.held;
    } else {
      here.peers.push_back(row->remote.ip_text());
    }
  }
  Outcome outcome;
  std::uint64_t most = 0;
  for (const NetnsSample& netns : now.netns) {
    if (!netns.error.empty()) continue;
    const auto& [held, peers] = rows[netns.id];
    std::uint64_t orphan_rows = peers.size();
    // The state's total is complete and holds both kinds; rows of orphans are capped, held ones are few.
    std::uint64_t total = netns.states[index_of(TcpState::fin_wait_2)].count;
    std::uint64_t orphans = std::max(orphan_rows, sub_sat(total, held));
    most = std::max(most, orphans);
    auto buckets = sysctl_value(now, netns.id, "net.ipv4.tcp_max_tw_buckets");
    double limit = policy.value(kManyOrphans);
    if (buckets) limit = std::min(limit, policy.value(kShareOfTimeWaitBuckets) * static_cast<double>(*buckets));
    limit = std::max<double>(limit, policy.min_count);
    if (static_cast<double>(orphans) <= limit) continue;

    Finding finding;
    finding.id = "fin-wait2-orphan-buildup";
    finding.severity = Severity::warning;
    finding.finding_class = FindingClass::peer;
    finding.scope.kind = ScopeKind::netns;
    finding.scope.netns = netns.id;
    finding.scope.netns_name = netns_name(now, netns.id);
    finding.scope.count = orphans;
    finding.title = fmt::format("{} closed connections wait for peers that do not close", with_commas(orphans));
    finding.confidence_why = "they have no descriptor: this host's applications have closed them";
    finding.evidence.push_back(measured(window, "fin_wait2_orphans", source_of(now, FactId::snapshot),
                                        static_cast<double>(orphans), "sockets", limit));
    if (buckets) {
      finding.evidence.push_back(measured(window, "share_of_tcp_max_tw_buckets", "net.ipv4.tcp_max_tw_buckets",
                                          static_cast<double>(orphans) / std::max(1.0, static_cast<double>(*buckets)),
                                          "ratio", policy.value(kShareOfTimeWaitBuckets)));
    }
    finding.meaning = fmt::format(
        "The peers got our FIN and have not closed their end. Each entry ends by itself after "
        "tcp_fin_timeout; there are many because closes come fast. {}",
        peers.empty() ? ""
                      : fmt::format("Peers of the {} listed: {}.", with_commas(peers.size()), most_frequent(peers)));
    recommend_timeout(now, netns, orphans, finding);
    finding.recommendation.verify = "the count falls to tcp_fin_timeout x closes per second or below";
    finding.not_useful = {{"net.ipv4.tcp_tw_reuse", "concerns TIME_WAIT of outgoing connections"},
                          {"net.ipv4.tcp_max_tw_buckets (lower)", "ends connections early, peers see resets"}};
    outcome.findings.push_back(std::move(finding));
  }
  return Outcome::of(std::move(outcome.findings), {}, "orphan FIN_WAIT_2 entries in one namespace", with_commas(most));
}

constexpr std::array kFinWait2AppHeldThresholds = {kMinCount};
constexpr std::array<std::string_view, 2> kFinWait2AppHeldReferences = {"tcp(7): tcp_fin_timeout", "shutdown(2)"};
constexpr std::array kFinWait2OrphanBuildupThresholds = {kMinCount, kManyOrphans, kShareOfTimeWaitBuckets};
constexpr std::array<std::string_view, 1> kFinWait2OrphanBuildupReferences = {"tcp(7): tcp_fin_timeout"};

constexpr std::array kFinWait2AppHeldExplainedBy = {
    kProcessStopped,
    kPeerStopped,
    ExplainedBy{"close-wait-leak", Link::relayed, Then::lower,
                "it has passed on the end of other connections and waits for {who}, which got it and does not close",
                "Fix {who} first: the next step is there."},
};

constexpr std::array kFinWait2OrphanBuildupExplainedBy = {
    ExplainedBy{"close-wait-leak", Link::ends_of_cause, Then::keep, "",
                "Fix {who} on this host first: it does not close the other ends."},
};

}  // namespace

namespace rules {

extern const Rule fin_wait2_app_held = {
    .id = "fin-wait2-app-held",
    .title = "a process shut sockets down and keeps them",
    .explanation =
        "The process has called shutdown(SHUT_WR) and keeps the descriptor. As long as it does, no timer ends "
        "FIN_WAIT_2, also if the peer never closes.",
    .thresholds = kFinWait2AppHeldThresholds,
    .references = kFinWait2AppHeldReferences,
    .explained_by = kFinWait2AppHeldExplainedBy,
    .judge = judge_fin_wait2_app_held,
};

extern const Rule fin_wait2_orphan_buildup = {
    .id = "fin-wait2-orphan-buildup",
    .title = "many closed connections wait for their peers",
    .explanation =
        "Our side has closed; the peers have got our FIN and have not closed theirs. The kernel ends each entry "
        "after tcp_fin_timeout, so many of them mean fast closes towards peers that do not close.",
    .thresholds = kFinWait2OrphanBuildupThresholds,
    .references = kFinWait2OrphanBuildupReferences,
    .explained_by = kFinWait2OrphanBuildupExplainedBy,
    .judge = judge_fin_wait2_orphan_buildup,
};

}  // namespace rules
}  // namespace tcpadvisor
