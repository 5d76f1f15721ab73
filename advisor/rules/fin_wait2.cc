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
namespace fin_wait2_rule {
namespace {

Finding held_finding(const Window& window, const Policy& policy, const Holding& holding, Telling& telling) {
  Finding finding;
  finding.id = "fin-wait2-app-held";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = holding.scope;
  if (telling.too_many(finding)) return finding;
  finding.title = fmt::format("{} holds {} that it has shut down for sending", process_text(finding.scope),
                              counted(holding.count, "socket"));
  finding.confidence_why = fmt::format("{} are older than {} and still have a descriptor, so no timer ends them",
                                       with_commas(holding.old), human_duration(policy.age));
  if (!finding.scope.pid) {
    if (finding.scope.holder != Holder::no_descriptor) finding.confidence = Confidence::medium;
    finding.confidence_why += why_no_pid(finding.scope);
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
  Telling telling;
  std::uint64_t old = 0;
  for (const Holding& holding : holdings(window, policy, TcpState::fin_wait_2)) {
    old = add_sat(old, holding.old);
    if (holding.old >= policy.min_count) {
      outcome.findings.push_back(held_finding(window, policy, holding, telling));
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

constexpr std::array kFinWait2AppHeldThresholds = {kMinCount};
constexpr std::array<std::string_view, 2> kFinWait2AppHeldReferences = {"tcp(7): tcp_fin_timeout", "shutdown(2)"};

constexpr std::array kFinWait2AppHeldExplainedBy = {
    kProcessStopped,
    kPeerStopped,
    ExplainedBy{"reader-too-slow", Link::same_process, Then::lower, "it does not read what still comes in"},
    ExplainedBy{"close-wait-leak", Link::relayed, Then::lower,
                "it has passed on the end of other connections and waits for {who}, which got it and does not close",
                "Fix {who} first: the next step is there."},
};

}  // namespace
}  // namespace fin_wait2_rule

namespace rules {

extern const Rule fin_wait2_app_held = {
    .id = "fin-wait2-app-held",
    .title = "a process shut sockets down and keeps them",
    .explanation =
        "The process has called shutdown(SHUT_WR) and keeps the descriptor. As long as it does, no timer ends "
        "FIN_WAIT_2, also if the peer never closes.",
    .thresholds = fin_wait2_rule::kFinWait2AppHeldThresholds,
    .references = fin_wait2_rule::kFinWait2AppHeldReferences,
    .explained_by = fin_wait2_rule::kFinWait2AppHeldExplainedBy,
    .judge = fin_wait2_rule::judge_fin_wait2_app_held,
};

}  // namespace rules
}  // namespace tcpadvisor
