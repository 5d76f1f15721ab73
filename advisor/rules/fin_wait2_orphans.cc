// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace fin_wait2_orphans_rule {
namespace {

constexpr Threshold kShareOfTimeWaitBuckets = ratio_threshold("share_of_tw_buckets", 0.25).clears_at(0.8);
constexpr Threshold kManyOrphans = count_threshold("many_orphans", 10'000).clears_at(0.8);
constexpr Threshold kNotClosedFor = time_threshold("not_closed_for", 5);  // a peer that closes does so in a round trip
constexpr Threshold kPoolAtMost = count_threshold("pool_at_most", 128);   // of one peer; more are no usual pool
constexpr std::int64_t kShortestTimeoutS = 15;                            // shorter ones lose late data of slow peers

/// The orphans of one namespace. Those with rows are a sample: the snapshot keeps a few as examples.
struct Orphans {
  std::uint64_t held = 0;
  std::vector<const SocketRow*> rows = {};
};

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

Finding start(const Sample& now, const NetnsSample& netns) {
  Finding finding;
  finding.id = "fin-wait2-orphan-buildup";
  finding.finding_class = FindingClass::peer;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = netns.id;
  finding.scope.netns_name = netns_name(now, netns.id);
  return finding;
}

Finding too_many(const Window& window, const Policy& policy, const NetnsSample& netns, const Orphans& orphans,
                 std::uint64_t count, double limit) {
  const Sample& now = window.latest();
  Finding finding = start(now, netns);
  finding.severity = Severity::warning;
  finding.scope.count = count;
  finding.title = fmt::format("{} closed connections wait for peers that do not close", with_commas(count));
  finding.confidence_why = "they have no descriptor: this host's applications have closed them";
  finding.evidence.push_back(measured(window, "fin_wait2_orphans", source_of(now, FactId::snapshot),
                                      static_cast<double>(count), "sockets", limit));
  if (auto buckets = sysctl_value(now, netns.id, "net.ipv4.tcp_max_tw_buckets")) {
    finding.evidence.push_back(measured(window, "share_of_tcp_max_tw_buckets", "net.ipv4.tcp_max_tw_buckets",
                                        static_cast<double>(count) / std::max(1.0, static_cast<double>(*buckets)),
                                        "ratio", policy.value(kShareOfTimeWaitBuckets)));
  }
  std::vector<std::string> peers;
  peers.reserve(orphans.rows.size());
  for (const SocketRow* row : orphans.rows) peers.push_back(row->remote.ip_text());
  finding.meaning = fmt::format(
      "The peers got our FIN and have not closed their end. Each entry ends by itself after "
      "tcp_fin_timeout; there are many because closes come fast. {}",
      peers.empty() ? "" : fmt::format("Peers of the {} listed: {}.", with_commas(peers.size()), most_frequent(peers)));
  recommend_timeout(now, netns, count, finding);
  finding.recommendation.verify = "the count falls to tcp_fin_timeout x closes per second or below";
  finding.not_useful = {{"net.ipv4.tcp_tw_reuse", "concerns TIME_WAIT of outgoing connections"},
                        {"net.ipv4.tcp_max_tw_buckets (lower)", "ends connections early, peers see resets"}};
  return finding;
}

/// What one peer got our FIN for long ago, and has not closed.
struct Unclosed {
  std::vector<const SocketRow*> rows = {};
  std::uint64_t count = 0;  ///< of all; estimated where some have no row
  bool estimated = false;
  Age oldest = {};
};

/// The peers that leave many open, each by its address. What is seen from its other end as well is that one's story.
std::vector<Unclosed> unclosed(const Window& window, const Policy& policy, const Orphans& orphans,
                               std::uint64_t count) {
  std::map<std::string, Unclosed> peers;
  for (const SocketRow* row : orphans.rows) {
    Age age = window.age(*row);
    if (static_cast<double>(age.value.count()) < policy.value(kNotClosedFor) * 1000) continue;
    if (window.connections().other_end(*row) != nullptr) continue;
    Unclosed& peer = peers[row->remote.ip_text()];
    peer.rows.push_back(row);
    if (age.value > peer.oldest.value) peer.oldest = age;
  }
  std::vector<Unclosed> out;
  for (auto& [ip, peer] : peers) {
    if (peer.rows.size() < policy.min_count) continue;
    peer.estimated = count > orphans.rows.size();
    double share = static_cast<double>(peer.rows.size()) / static_cast<double>(orphans.rows.size());
    peer.count = peer.estimated ? to_u64(std::round(share * static_cast<double>(count))) : peer.rows.size();
    out.push_back(std::move(peer));
  }
  return out;
}

Finding left_open_by(const Window& window, const Policy& policy, const NetnsSample& netns, const Unclosed& peer) {
  const Sample& now = window.latest();
  Finding finding = start(now, netns);
  finding.severity = Severity::info;
  Scope& scope = finding.scope;
  scope.count = peer.count;
  scope.local = common_local(peer.rows);
  scope.remote = common_remote(peer.rows);
  const SocketRow& first = *peer.rows.front();
  const std::string host = first.remote.ip_text();
  const SocketRow* listener = listener_of(window.connections(), first.netns, first.local);
  std::string where;
  if (listener != nullptr && listener->owner) {
    where = fmt::format(" (its clients of {} here, {}[{}])", port_text(*listener), listener->owner->comm,
                        listener->owner->pid);
  }
  finding.title = fmt::format("{} leaves {}{} open that were closed here{}", host, peer.estimated ? "about " : "",
                              counted(peer.count, "connection"), where);
  const double age_s = static_cast<double>(peer.oldest.value.count()) / 1000;
  const bool many = static_cast<double>(peer.count) > policy.value(kPoolAtMost);
  finding.confidence = many ? Confidence::medium : Confidence::low;
  finding.confidence_why =
      fmt::format("it got our FIN up to {} ago and has not sent its own{}", seconds_text(age_s),
                  many ? "" : "; a pool there that checks its connections at the next use does the same");
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(measured(window, "fin_wait2_orphans", source, static_cast<double>(peer.count), "sockets",
                                      static_cast<double>(policy.min_count)));
  finding.evidence.push_back(measured(window, "oldest_age_at_least", source, age_s, "s", policy.value(kNotClosedFor)));
  finding.meaning = fmt::format(
      "Here they cost little: no descriptor, and the kernel ends each after tcp_fin_timeout. At {} each is in "
      "CLOSE_WAIT and keeps a descriptor until the program there calls close(): most likely it forgets to, and runs "
      "out "
      "of them.",
      host);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  cure.text = fmt::format("Look at {}: which program there does not close after it has read the end.", host);
  std::string to = scope.local.empty() ? "" : " dst " + scope.local;
  cure.steps.push_back(fmt::format("there: ss -tnp state close-wait{}", to));
  cure.steps.push_back("there: tcpadvisor report --only close-wait-leak");
  cure.verify = fmt::format("tcpadvisor report --only fin-wait2-orphan-buildup: none of {} is older than {}", host,
                            seconds_text(policy.value(kNotClosedFor)));
  finding.not_useful = {
      {"net.ipv4.tcp_fin_timeout", "ends the entries here sooner; the peer's descriptors stay"},
      {"net.ipv4.tcp_keepalive_*", "a socket that is closed here sends no probes"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  std::map<NetnsId, Orphans> seen;
  for (const SocketRow* row : window.connections().in_state(TcpState::fin_wait_2)) {
    Orphans& here = seen[row->netns];
    if (held_by_process(*row) || row->holder == Holder::kernel) {  // the kernel's own are not closed, either
      ++here.held;
    } else {
      here.rows.push_back(row);
    }
  }
  Outcome outcome;
  std::uint64_t most = 0;
  for (const NetnsSample& netns : now.netns) {
    if (!netns.error.empty()) continue;
    const Orphans& orphans = seen[netns.id];
    // The state's total is complete and holds both kinds; rows of orphans are capped, held ones are few.
    std::uint64_t total = netns.states[index_of(TcpState::fin_wait_2)].count;
    std::uint64_t count = std::max<std::uint64_t>(orphans.rows.size(), sub_sat(total, orphans.held));
    most = std::max(most, count);
    double limit = policy.value(kManyOrphans);
    if (auto buckets = sysctl_value(now, netns.id, "net.ipv4.tcp_max_tw_buckets")) {
      limit = std::min(limit, policy.value(kShareOfTimeWaitBuckets) * static_cast<double>(*buckets));
    }
    limit = std::max<double>(limit, policy.min_count);
    if (static_cast<double>(count) > limit) {
      outcome.findings.push_back(too_many(window, policy, netns, orphans, count, limit));
      continue;
    }
    for (const Unclosed& peer : unclosed(window, policy, orphans, count)) {
      outcome.findings.push_back(left_open_by(window, policy, netns, peer));
    }
  }
  return Outcome::of(std::move(outcome.findings), {}, "orphan FIN_WAIT_2 entries in one namespace", with_commas(most));
}

constexpr std::array kThresholds = {kMinCount, kManyOrphans, kShareOfTimeWaitBuckets, kNotClosedFor, kPoolAtMost};
constexpr std::array<std::string_view, 1> kReferences = {"tcp(7): tcp_fin_timeout"};

constexpr std::array kExplainedBy = {
    ExplainedBy{"close-wait-leak", Link::ends_of_cause, Then::keep, "",
                "Fix {who} on this host first: it does not close the other ends."},
};

}  // namespace
}  // namespace fin_wait2_orphans_rule

namespace rules {

extern const Rule fin_wait2_orphan_buildup = {
    .id = "fin-wait2-orphan-buildup",
    .title = "many closed connections wait for their peers",
    .explanation =
        "Our side has closed; the peers have got our FIN and have not closed theirs. The kernel ends each entry "
        "after tcp_fin_timeout, so many of them mean fast closes towards peers that do not close. Where one peer "
        "leaves "
        "many open for seconds, a program there forgets to close: named as information, because the cure is there.",
    .thresholds = fin_wait2_orphans_rule::kThresholds,
    .references = fin_wait2_orphans_rule::kReferences,
    .explained_by = fin_wait2_orphans_rule::kExplainedBy,
    .judge = fin_wait2_orphans_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
