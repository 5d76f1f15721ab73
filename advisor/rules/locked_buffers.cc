// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/locked_buffers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr double kWindowUse = 0.85;         // of the window, per round trip
constexpr double kReaderKeepsUp = 0.25;     // rmem_alloc / rcvbuf
constexpr double kMinRttUs = 1000;          // below it no buffer limits anything
constexpr double kMinBytesPerS = 10e6 / 8;  // 10 Mbit/s
constexpr double kLimitedShare = 0.10;      // of the busy time
constexpr double kMinBusyShare = 0.20;      // of the window: flows that hardly send are not judged
constexpr double kBytesPerWindowRatio =
    0.5;  // payload per buffer byte where the kernel does not tell (tcp_adv_win_scale 1)

enum class Side { receive, send };

struct Limited {
  double rate = 0;   ///< bytes per second
  double share = 0;  ///< of the window per round trip, or of the busy time
  double rtt_us = 0;
};

template <typename Field>
Series field(const Past& part, const SocketRow& row, Field member) {
  return part.socket_series(row, [&](const PastRow& then) -> std::optional<double> {
    if (!(then.*member)) return std::nullopt;
    return static_cast<double>(*(then.*member));
  });
}

/// In one window: does the receive buffer hold this flow back?
std::optional<Limited> receive_limited(const Past& part, const SocketRow& row) {
  Series received = field(part, row, &PastRow::bytes_received);
  Series rtt = field(part, row, &PastRow::rcv_rtt_us);
  if (received.size() < 2 || rtt.empty() || row.rcvbuf.value_or(0) == 0 || !row.rmem_alloc) return std::nullopt;
  double window_bytes = field(part, row, &PastRow::rcv_wnd).max();
  if (window_bytes == 0) {
    double ratio = row.scaling_ratio ? *row.scaling_ratio / 256.0 : kBytesPerWindowRatio;
    window_bytes = static_cast<double>(*row.rcvbuf) * ratio;
  }
  Limited out{.rate = received.increase_per_s(), .share = 0, .rtt_us = rtt.percentile(50)};
  out.share = window_bytes > 0 ? out.rate * out.rtt_us / 1e6 / window_bytes : 0;
  bool keeps_up = static_cast<double>(*row.rmem_alloc) <= kReaderKeepsUp * static_cast<double>(*row.rcvbuf);
  if (out.rtt_us < kMinRttUs || out.rate < kMinBytesPerS || out.share < kWindowUse || !keeps_up) return std::nullopt;
  return out;
}

/// In one window: does the sender wait for room in its own buffer? A locked buffer is not always the one that binds.
std::optional<Limited> send_limited(const Past& part, const SocketRow& row) {
  Series busy = field(part, row, &PastRow::busy_us), limited = field(part, row, &PastRow::sndbuf_limited_us);
  if (busy.size() < 2 || limited.size() < 2) return std::nullopt;
  if (busy.increase() < kMinBusyShare * part.span_s() * 1e6) return std::nullopt;
  Limited out{.rate = field(part, row, &PastRow::bytes_acked).increase_per_s(),
              .share = limited.increase() / busy.increase(),
              .rtt_us = field(part, row, &PastRow::srtt_us).percentile(50)};
  if (out.share < kLimitedShare) return std::nullopt;
  return out;
}

/// The mildest of all windows, with the rate over the whole observation; nothing if one of them did not hold it back.
std::optional<Limited> in_every_window(const Window& whole, const PolicyWindows& windows, const SocketRow& row,
                                       Side side) {
  std::optional<Limited> mildest;
  for (const Past& part : windows.parts) {
    auto limited = side == Side::receive ? receive_limited(part, row) : send_limited(part, row);
    if (!limited) return std::nullopt;
    if (!mildest || limited->share < mildest->share) mildest = limited;
  }
  if (mildest) {
    auto bytes = side == Side::receive ? &PastRow::bytes_received : &PastRow::bytes_acked;
    mildest->rate = field(whole, row, bytes).increase_per_s();
  }
  return mildest;
}

struct Group {
  Scope scope;
  std::vector<const SocketRow*> rows;
  Limited worst;
  std::uint64_t buffer = 0;  ///< of the worst
};

Finding finding_for(const Window& window, const PolicyWindows& windows, const Group& group, Side side) {
  const Sample& now = window.latest();
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
  finding.confidence_why = "the option is set on these sockets and the flow is limited by it in every window";
  if (windows.shortened) {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; " + windows.why;
  }
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(measured(window, receive ? "rcvbuf_locked" : "sndbuf_locked", source,
                                      static_cast<double>(group.buffer), "bytes"));
  finding.evidence.push_back(
      receive ? measured(window, "window_used_per_rtt", source, group.worst.share, "ratio", kWindowUse)
              : measured(window, "sndbuf_limited_of_busy_time", source, group.worst.share, "ratio", kLimitedShare));
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
  finding.references = {"socket(7)", "tcp(7): tcp_moderate_rcvbuf"};
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

Outcome locked_by_app(const Window& window, const Policy& policy, Side side) {
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
    std::optional<Limited> limited = in_every_window(window, windows, *row, side);
    if (!limited) continue;
    Group& group = groups[{row->owner ? row->owner->pid : 0, row->netns}];
    if (group.rows.empty()) {
      group.scope.kind = row->owner ? ScopeKind::process : ScopeKind::netns;
      group.scope.netns = row->netns;
      group.scope.netns_name = netns_name(now, row->netns);
      group.scope.cgroup = row->cgroup;
      if (row->owner) {
        group.scope.pid = row->owner->pid;
        group.scope.comm = row->owner->comm;
      }
    }
    group.rows.push_back(row);
    if (limited->share > group.worst.share) {
      group.worst = *limited;
      group.buffer = (side == Side::receive ? row->rcvbuf : row->sndbuf).value_or(0);
    }
  }
  Outcome outcome;
  for (const auto& [key, group] : groups) outcome.findings.push_back(finding_for(window, windows, group, side));
  if (!outcome.findings.empty()) return outcome;
  if (now.rows_suppressed > 0) {
    return Outcome::unknown(fmt::format("{} over the limit of rows", counted(now.rows_suppressed, "socket")));
  }
  return Outcome::fine(
      fmt::format("active sockets with {} that are limited by it", side == Side::receive ? "SO_RCVBUF" : "SO_SNDBUF"),
      fmt::format("0 of {}", with_commas(rows.size())));
}

}  // namespace

Outcome rcvbuf_locked_by_app(const Window& window, const Policy& policy) {
  return locked_by_app(window, policy, Side::receive);
}

Outcome sndbuf_locked_by_app(const Window& window, const Policy& policy) {
  return locked_by_app(window, policy, Side::send);
}

}  // namespace tcpadvisor
