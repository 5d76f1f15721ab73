// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace locked_buffers_rule {
namespace {

struct Group {
  Scope scope;
  std::vector<const SocketRow*> rows;
  LimitedFlow worst;
  std::uint64_t buffer = 0;  ///< of the worst
};

Finding finding_for(const Evidence& in, const PolicyWindows& windows, const Group& group, Side side) {
  const Window& window = in.window;
  const Sample& now = in.now();
  bool receive = side == Side::receive;
  std::string option = receive ? "SO_RCVBUF" : "SO_SNDBUF";
  std::string knob = receive ? "net.ipv4.tcp_rmem" : "net.ipv4.tcp_wmem";
  std::string cap = receive ? "net.core.rmem_max" : "net.core.wmem_max";
  Finding finding;
  finding.id = receive ? "rcvbuf-locked-by-app" : "sndbuf-locked-by-app";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = group.scope;
  finding.scope.local = common_local(group.rows);
  finding.scope.remote = common_remote(group.rows);
  finding.scope.count = group.rows.size();
  finding.title = fmt::format("{} limits {} to {} with {}", process_text(finding.scope),
                              counted(group.rows.size(), "flow"), human_bytes(group.buffer), option);
  finding.confidence_why = "the option is set on these sockets and the flow is limited by it in most windows";
  if (windows.shortened) {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; " + windows.why;
  }
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(measured(window, receive ? "rcvbuf_locked" : "sndbuf_locked", source,
                                      static_cast<double>(group.buffer), "bytes"));
  finding.evidence.push_back(
      receive ? measured(window, "window_used_per_rtt", source, group.worst.share, "ratio", in.policy.value(kWindowUse))
              : measured(window, "sndbuf_limited_of_busy_time", source, group.worst.share, "ratio",
                         in.policy.value(kLimitedShare)));
  finding.evidence.push_back(measured(window, "rate", source, group.worst.rate * 8 / 1e6, "Mbit/s"));
  finding.evidence.push_back(measured(window, "rtt", source, group.worst.rtt_us / 1000, "ms"));
  finding.meaning = fmt::format(
      "{} fixes the buffer, so the kernel does not grow it: no more than that is under way in one round trip.", option);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  auto most = sysctl_value(now, finding.scope.netns, knob, 2);
  std::string up_to = most ? fmt::format(", up to {}[2] = {}", knob.substr(9), human_bytes(to_u64(*most))) : "";
  cure.text =
      fmt::format("Fix the application: do not set {}; the kernel then sizes the buffer itself{}.", option, up_to);
  if (receive)
    cure.steps.push_back(
        "if it must be set: before listen() or connect(), because the window scale is fixed at the SYN");
  auto limit = sysctl_value(now, finding.scope.netns, cap);
  bool cut = limit && group.buffer == mul_sat(to_u64(*limit), 2);
  if (cut) {
    cure.steps.push_back(fmt::format("the request was cut to {} = {}: only if the option must stay, raise that as well",
                                     cap, with_commas(to_u64(*limit))));
  }
  cure.verify = fmt::format("tcpadvisor report --only {}: the lock is gone and the rate is higher", finding.id);
  finding.not_useful = {{knob, fmt::format("is ignored for sockets that set {}", option)}};
  if (!cut) {
    finding.not_useful.push_back({cap, "the request was smaller than it; raising it changes nothing"});
  }
  return finding;
}

bool locked(const SocketRow& row, Side side) {
  return row.locks && (side == Side::receive ? row.locks->rcvbuf : row.locks->sndbuf);
}

/// The collector says whether locks are visible. A recording that does not say so shows it by its rows.
bool sees_locks(const Sample& sample, std::uint64_t connections) {
  if (sample.fact(FactId::buffer_locks) != nullptr) return sample.knows(FactId::buffer_locks);
  bool seen = std::ranges::any_of(sample.sockets, [](const SocketRow& row) { return row.locks.has_value(); });
  return seen || connections == 0 ||
         (sample.sockets.empty() && sample.source(FactId::snapshot) == SourceKind::iter_tcp);
}

Outcome locked_by_app(const Evidence& in, Side side) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  std::uint64_t connections = 0;
  for (const NetnsSample& netns : now.netns)
    connections = add_sat(connections, netns.states[index_of(TcpState::established)].count);
  if (!sees_locks(now, connections)) {
    return Outcome::unknown(fmt::format("{} does not show whether a socket has {} set",
                                        source_of(now, FactId::snapshot),
                                        side == Side::receive ? "SO_RCVBUF" : "SO_SNDBUF"));
  }
  std::vector<const SocketRow*> rows;
  for (const SocketRow& row : now.sockets) {
    if (row.state == TcpState::established && locked(row, side)) rows.push_back(&row);
  }
  PolicyWindows windows = policy_windows(window, policy);
  if (!rows.empty() && windows.parts.empty()) return Outcome::unknown(windows.why);

  std::map<std::pair<Pid, NetnsId>, Group> groups;
  for (const SocketRow* row : rows) {
    std::optional<LimitedFlow> limited = limited_flow(in, windows, *row, side);
    if (!limited) continue;
    Group& group = groups[{row->owner ? row->owner->pid : 0, row->netns}];
    if (group.rows.empty()) {
      group.scope.netns = row->netns;
      group.scope.netns_name = netns_name(now, row->netns);
      group.scope.cgroup = row->cgroup;
    }
    group.rows.push_back(row);
    if (limited->share > group.worst.share) {
      group.worst = *limited;
      group.buffer = (side == Side::receive ? row->rcvbuf : row->sndbuf).value_or(0);
    }
  }
  Outcome outcome;
  for (auto& [key, group] : groups) {
    name_holder(group.scope, group.rows);
    outcome.findings.push_back(finding_for(in, windows, group, side));
  }
  return Outcome::of(
      std::move(outcome.findings), "",
      fmt::format("active sockets with {} that are limited by it", side == Side::receive ? "SO_RCVBUF" : "SO_SNDBUF"),
      fmt::format("0 of {}", with_commas(rows.size())));
}

Outcome judge_rcvbuf_locked_by_app(const Evidence& in) {
  return locked_by_app(in, Side::receive);
}

Outcome judge_sndbuf_locked_by_app(const Evidence& in) {
  return locked_by_app(in, Side::send);
}

constexpr std::array kRcvbufLockedByAppThresholds = {kWindowUse, kReaderKeepsUp, kMinRtt, kMinRate, kShareOfParts};
constexpr std::array<std::string_view, 2> kRcvbufLockedByAppReferences = {"socket(7)", "tcp(7): tcp_moderate_rcvbuf"};
constexpr std::array kSndbufLockedByAppThresholds = {kLimitedShare, kMinBusyShare, kShareOfParts};
constexpr std::array<std::string_view, 2> kSndbufLockedByAppReferences = {"socket(7)", "tcp(7): tcp_moderate_rcvbuf"};

constexpr std::string_view kQueueTells = "the queue in front of this buffer tells why it is full";
constexpr std::array kSndbufLockedByAppExplainedBy = {
    ExplainedBy{"pending-shutdown-data", Link::same_flow, Then::lower, kQueueTells},
    ExplainedBy{"user-queue-unbounded", Link::same_flow, Then::lower, kQueueTells},
    ExplainedBy{"user-queue-watermark", Link::same_flow, Then::lower, kQueueTells},
};

}  // namespace
}  // namespace locked_buffers_rule

namespace rules {

extern const Rule rcvbuf_locked_by_app = {
    .id = "rcvbuf-locked-by-app",
    .title = "SO_RCVBUF limits a flow",
    .explanation =
        "SO_RCVBUF was set, which switches off the kernel's own sizing. The flow carries no more than that "
        "buffer's window in each round trip although its reader keeps up.",
    .thresholds = locked_buffers_rule::kRcvbufLockedByAppThresholds,
    .references = locked_buffers_rule::kRcvbufLockedByAppReferences,
    .covers = {.each = EachOf::what_waits},
    .judge = locked_buffers_rule::judge_rcvbuf_locked_by_app,
};

extern const Rule sndbuf_locked_by_app = {
    .id = "sndbuf-locked-by-app",
    .title = "SO_SNDBUF limits a flow",
    .explanation =
        "SO_SNDBUF was set, which switches off the kernel's own sizing. The sender waits for room in that "
        "buffer although the peer would take more.",
    .thresholds = locked_buffers_rule::kSndbufLockedByAppThresholds,
    .references = locked_buffers_rule::kSndbufLockedByAppReferences,
    .explained_by = locked_buffers_rule::kSndbufLockedByAppExplainedBy,
    .covers = {.each = EachOf::what_waits},
    .judge = locked_buffers_rule::judge_sndbuf_locked_by_app,
};

}  // namespace rules
}  // namespace tcpadvisor
