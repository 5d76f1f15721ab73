// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace syn_flood_rule {
namespace {

constexpr Threshold kMinUnanswered = count_threshold("min_unanswered", 100, "handshakes").clears_at(0.5);
constexpr Threshold kUnansweredShare =
    ratio_threshold("unanswered_share", 0.5).clears_at(0.8);  // of the cookies that were sent
constexpr double kAlmostAll = 0.9;
constexpr std::string_view kCookies = "net.ipv4.tcp_syncookies";

/// Handshakes of one namespace that clients began.
struct Handshakes {
  const NetnsSample* netns = nullptr;
  double cookies = 0, answered = 0;  ///< SYN cookies that were sent, and that came back
  double refused = 0;                ///< SYNs, because the queue was full and cookies were off
  double overflows = 0;              ///< of accept queues
  double repeated = 0;               ///< SYNs and SYN-ACKs that were sent again
  double completed = 0;
  std::uint64_t half_open = 0;  ///< now
  const SocketRow* listener = nullptr;
  std::uint64_t at_listener = 0;  ///< of half_open
  double unanswered() const { return std::max(0.0, cookies - answered); }
};

/// The port with the most half-open connections, and who listens there.
void find_listener(const Window& window, Handshakes& here) {
  for (const PortTotals& port : window.latest().ports) {
    if (port.netns != here.netns->id) continue;
    std::uint64_t count =
        std::uint64_t{port.sockets[index_of(TcpState::new_syn_recv)]} + port.sockets[index_of(TcpState::syn_recv)];
    Rows listeners = window.connections().listeners(port.netns, port.port);
    if (count <= here.at_listener || listeners.empty()) continue;
    here.at_listener = count;
    here.listener = listeners.front();
  }
}

Handshakes handshakes_of(const Window& window, const NetnsSample& netns) {
  auto increase = [&](std::string_view name) { return window.increase(netns.id, name).value_or(0); };
  Handshakes out{.netns = &netns,
                 .cookies = increase("TcpExt.SyncookiesSent"),
                 .answered = increase("TcpExt.SyncookiesRecv"),
                 .refused = increase("TcpExt.TCPReqQFullDrop"),
                 .overflows = increase("TcpExt.ListenOverflows"),
                 .repeated = increase("TcpExt.TCPSynRetrans"),
                 .completed = increase("Tcp.PassiveOpens")};
  out.half_open =
      add_sat(netns.states[index_of(TcpState::new_syn_recv)].count, netns.states[index_of(TcpState::syn_recv)].count);
  find_listener(window, out);
  return out;
}

enum class Kind : std::uint8_t { none, cookies, refused, piling_up };

/// A full accept queue makes the kernel send cookies as well, but then clients answer them, or overflows are counted.
/// A burst of real clients answers. Only what nobody answers is a flood, or a path on which the answers are lost.
Kind kind_of(const Policy& policy, const Handshakes& here) {
  const double enough = policy.value(kMinUnanswered), share = policy.value(kUnansweredShare);
  if (here.overflows >= std::max(here.unanswered(), here.refused) && here.overflows > 0) return Kind::none;
  if (here.unanswered() >= enough && here.unanswered() >= share * here.cookies) return Kind::cookies;
  auto half_open = static_cast<double>(here.half_open);
  if (here.refused >= enough && half_open + here.refused >= here.completed) return Kind::refused;
  // Each has been asked again, once at least, and few others get through.
  if (half_open >= enough && here.repeated >= half_open && here.completed < half_open) return Kind::piling_up;
  return Kind::none;
}

void recommend(const Sample& now, const Handshakes& here, Kind kind, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  std::string prefix = in_netns(now, here.netns->id);
  std::string port = here.listener == nullptr ? "" : fmt::format(" 'sport = :{}'", here.listener->local.port);
  auto cookies = sysctl_value(now, here.netns->id, std::string(kCookies));
  if (kind == Kind::refused && cookies == 0) {
    cure.kind = RecommendationKind::sysctl;
    finding.finding_class = FindingClass::kernel_config;
    cure.text =
        fmt::format("Set {} = 1 in this namespace: a full SYN queue then costs real clients nothing.", kCookies);
    Change change = Change::in(now, here.netns->id, kCookies);
    change.current = {0};
    change.lower = change.target = change.upper = {1};
    cure.change = std::move(change);
    cure.formula = "the kernel's default";
    cure.applicability = Applicability::needs_review;
    finding.not_useful.push_back(
        {"net.ipv4.tcp_max_syn_backlog", "a longer queue fills as well, a little later; cookies need no place in it"});
  } else {
    cure.kind = RecommendationKind::capacity;
    cure.text = fmt::format("Keep {} = 1, so that real clients still get in, and filter the senders before this host.",
                            kCookies);
    cure.steps.push_back("while it lasts, net.ipv4.tcp_synack_retries = 2 forgets each of them sooner");
    finding.not_useful.push_back({"net.ipv4.tcp_max_syn_backlog", "has no effect while net.ipv4.tcp_syncookies is 1"});
  }
  cure.steps.insert(
      cure.steps.begin(),
      fmt::format("see who sends: {}ss -tn state syn-recv{}; many senders are a flood, a few may be a path "
                  "on which our answers are lost",
                  prefix, port));
  cure.verify =
      fmt::format("{}nstat -az TcpExtSyncookiesSent TcpExtSyncookiesRecv: as many come back as are sent", prefix);
  finding.not_useful.push_back(
      {"accept faster, net.core.somaxconn", "these handshakes are never completed: no accept() waits for them"});
}

Finding finding_for(const Evidence& in, const Handshakes& here, Kind kind) {
  const Window& window = in.window;
  const Sample& now = in.now();
  Finding finding;
  finding.id = "syn-flood-vs-overflow";
  finding.severity = kind == Kind::refused ? Severity::critical : Severity::warning;
  finding.finding_class = FindingClass::attack;
  if (here.listener != nullptr) {
    finding.scope = scope_of_listener(now, *here.listener);
  } else {
    finding.scope.kind = ScopeKind::netns;
    finding.scope.netns = here.netns->id;
    finding.scope.netns_name = netns_name(now, here.netns->id);
  }
  finding.scope.count = std::max<std::uint64_t>(here.half_open, 1);
  std::string where = here.listener == nullptr
                          ? fmt::format("namespace {}", finding.scope.netns_name)
                          : fmt::format("{} on {}", process_text(finding.scope), port_text(*here.listener));
  double many = kind == Kind::cookies   ? here.unanswered()
                : kind == Kind::refused ? here.refused
                                        : static_cast<double>(here.half_open);
  finding.title = fmt::format("{} begun at {} are never completed: a SYN flood, or answers that are lost",
                              counted(to_u64(many), "handshake"), where);
  bool sure = kind == Kind::cookies && here.unanswered() >= kAlmostAll * here.cookies;
  finding.confidence = sure ? Confidence::high : Confidence::medium;
  finding.confidence_why = fmt::format(
      "{}; no accept queue is full, and a burst of real clients would answer",
      kind == Kind::cookies ? fmt::format("of {:.0f} SYN cookies {:.0f} came back", here.cookies, here.answered)
      : kind == Kind::refused
          ? fmt::format("{:.0f} were completed meanwhile", here.completed)
          : fmt::format("each was answered again and again, {:.0f} were completed", here.completed));
  finding.evidence.push_back(
      measured(window, "half_open", source_of(now, FactId::snapshot), static_cast<double>(here.half_open), "sockets"));
  finding.evidence.push_back(measured(window, "syncookies_sent", "TcpExt.SyncookiesSent", here.cookies, "handshakes",
                                      in.policy.value(kMinUnanswered)));
  finding.evidence.push_back(
      measured(window, "syncookies_answered", "TcpExt.SyncookiesRecv", here.answered, "handshakes"));
  finding.evidence.push_back(measured(window, "refused_syns", "TcpExt.TCPReqQFullDrop", here.refused, "segments"));
  finding.evidence.push_back(measured(window, "repeated_syn_acks", "TcpExt.TCPSynRetrans", here.repeated, "segments"));
  finding.evidence.push_back(measured(window, "overflows", "TcpExt.ListenOverflows", here.overflows, "connections"));
  finding.evidence.push_back(measured(window, "completed", "Tcp.PassiveOpens", here.completed, "connections"));
  finding.meaning =
      kind == Kind::refused
          ? "The SYN queue is full of handshakes that nobody completes, and SYN cookies are off: real clients are "
            "dropped."
          : "Somebody sends SYNs and never answers. With SYN cookies the kernel serves real clients all the same; "
            "those "
            "that come by a cookie may lose window scaling and SACK.";
  recommend(now, here, kind, finding);
  return finding;
}

Outcome judge_syn_flood(const Evidence& in) {
  const Window& window = in.window;
  if (window.samples() < 2) return Outcome::unknown(too_few_samples(window, 2));
  std::vector<Finding> findings;
  std::string not_assessed;
  double unanswered = 0, sent = 0;
  for (const NetnsSample& netns : in.now().netns) {
    if (!netns.error.empty() || netns.counters.empty()) continue;
    if (!window.increase(netns.id, "TcpExt.SyncookiesSent")) {
      not_assessed = fmt::format("TcpExt.SyncookiesSent of namespace {} was not read", netns.name);
      continue;
    }
    Handshakes here = handshakes_of(window, netns);
    unanswered += here.unanswered();
    sent += here.cookies;
    Kind kind = kind_of(in.policy, here);
    if (kind != Kind::none) findings.push_back(finding_for(in, here, kind));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "SYN cookies that nobody answered",
                     fmt::format("{:.0f} of {:.0f} in {}", unanswered, sent, seconds_text(window.span_s())));
}

constexpr std::array kThresholds = {kMinUnanswered, kUnansweredShare};
constexpr std::array<std::string_view, 2> kReferences = {"tcp(7): tcp_syncookies", "RFC 4987 (SYN flooding)"};

}  // namespace
}  // namespace syn_flood_rule

namespace rules {

extern const Rule syn_flood_vs_overflow = {
    .id = "syn-flood-vs-overflow",
    .title = "handshakes that nobody completes fill the SYN queue",
    .explanation =
        "Each SYN takes a place in the listener's SYN queue until the handshake is complete. When senders never "
        "complete "
        "it, the kernel answers with SYN cookies, or without them drops SYNs. A full accept queue makes it send "
        "cookies "
        "and write \"Possible SYN flooding\" as well: then clients answer them, and the application is the one to fix.",
    .thresholds = syn_flood_rule::kThresholds,
    .references = syn_flood_rule::kReferences,
    .judge = syn_flood_rule::judge_syn_flood,
};

}  // namespace rules
}  // namespace tcpadvisor
