// SPDX-License-Identifier: Apache-2.0
// Programs that close connections while what the peer sent is still unread: the kernel answers with a reset.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace close_unread_rule {
namespace {

constexpr Threshold kMinCloses = count_threshold("min_closes", 10, "connections").clears_at(0.5);
constexpr Threshold kMinShare = ratio_threshold("min_share", 0.01).clears_at(0.5);  // of the connections that began
constexpr Threshold kMinRate =
    Threshold{"min_rate", 30, "per_min", 1, 1e9}.clears_at(0.5);  // rarer ones may be checks of a load balancer
constexpr std::string_view kCounter = "TcpExt.TCPAbortOnClose";
constexpr std::size_t kSteps = 3;      // a process that ends closes all it has between two looks
constexpr double kMostlyOneWay = 2.0;  // so many times as many connections one way as the other

/// Which end of the connections this namespace has, as far as its counters of beginnings tell.
enum class Ends : std::uint8_t { unknown, servers, clients, both };

struct Closes {
  Counted unread;
  std::optional<double> accepted, begun;  ///< connections, in the window
  Ends ends = Ends::unknown;
  /// Of the connections; one with both ends here was accepted and begun.
  double share() const {
    double all = std::max(accepted.value_or(0), begun.value_or(0));
    return all > unread.times ? unread.times / all : 1;
  }
};

Ends ends_of(const std::optional<double>& accepted, const std::optional<double>& begun) {
  if (!accepted || !begun || *accepted + *begun <= 0) return Ends::unknown;
  if (*accepted >= kMostlyOneWay * *begun) return Ends::servers;
  return *begun >= kMostlyOneWay * *accepted ? Ends::clients : Ends::both;
}

/// Who should change. Only a server that nobody else shares the namespace with is named as the one.
std::string_view whose(Ends ends) {
  switch (ends) {
    case Ends::servers:
      return "connections come in here, hardly any go out: it is a server that closes";
    case Ends::clients:
      return "connections go out from here, hardly any come in: it is a client that closes, and it no longer wants "
             "what came; this is harmless as a rule (TLS tickets, cancelled requests)";
    case Ends::both:
      return "both ends of connections are in this namespace, and the counter does not tell which of them closes";
    case Ends::unknown:
      break;
  }
  return "whether servers or clients of this namespace close is not known";
}

void add_evidence(const Evidence& in, const Closes& closes, Finding& finding) {
  const Window& window = in.window;
  auto& out = finding.evidence;
  out.push_back(measured(window, "closed_with_unread_data", std::string(kCounter), closes.unread.times, "connections",
                         in.policy.value(kMinCloses)));
  out.push_back(measured(window, "closed_with_unread_data_rate", std::string(kCounter), closes.unread.per_min(),
                         "per_min", in.policy.value(kMinRate)));
  out.push_back(measured(window, "share_of_connections",
                         "TcpExt.TCPAbortOnClose / the larger of Tcp.PassiveOpens and ActiveOpens", closes.share(),
                         "ratio", in.policy.value(kMinShare)));
  if (closes.accepted) {
    out.push_back(measured(window, "connections_accepted", "Tcp.PassiveOpens", *closes.accepted, "connections"));
  }
  if (closes.begun) {
    out.push_back(measured(window, "connections_begun", "Tcp.ActiveOpens", *closes.begun, "connections"));
  }
}

Finding finding_for(const Evidence& in, const NetnsSample& netns, const Closes& closes) {
  const Sample& now = in.now();
  Finding finding = finding_of_netns(now, netns, "rst-on-close-unread");
  const SocketRow* server = only_server(in, netns.id);
  const bool steady = closes.unread.steps_with() >= kSteps && closes.unread.per_min() >= in.policy.value(kMinRate);
  // A client that hangs up without reading the last answer harms nobody: who may be one is not warned about.
  const bool harms = steady && closes.ends == Ends::servers;
  finding.severity = harms ? Severity::warning : Severity::info;
  finding.finding_class = FindingClass::application;
  const bool named = closes.ends == Ends::servers && server != nullptr;
  if (named) {
    finding.scope = scope_of_listener(now, *server);
    finding.scope.kind = ScopeKind::process;
  }
  finding.scope.count = to_u64(closes.unread.times);
  finding.title = fmt::format(
      "{} closed before what had arrived was read: their peers get a reset{}",
      closes.unread.times == 1 ? "1 connection was" : counted(to_u64(closes.unread.times), "connection") + " were",
      named ? " from " + process_text(finding.scope) : "");
  finding.confidence = named ? Confidence::medium : closes.ends == Ends::both ? Confidence::low : Confidence::medium;
  finding.confidence_why = std::string(whose(closes.ends));
  if (!steady) {
    finding.confidence_why += closes.unread.steps_with() < kSteps
                                  ? "; they were closed all at once, as when a program ends"
                                  : "; they are few, as checks of a load balancer would be";
  }
  add_evidence(in, closes, finding);
  finding.meaning =
      "close() with unread data in the receive queue does not end a connection with a FIN: the kernel discards the "
      "data "
      "and what is still to be sent, and resets it. A peer that was waiting for an answer, such as \"413 too "
      "large\", gets \"connection reset by peer\" instead.";
  Recommendation& cure = finding.recommendation;
  cure.kind = harms ? RecommendationKind::application : RecommendationKind::none;
  cure.text = harms ? "Read before you close: answer, shutdown(SHUT_WR), read and discard until the peer closes or a "
                      "limit of time and bytes is reached, then close() (a lingering close)."
                    : "Nothing has to be changed, unless peers complain about resets.";
  if (!named && server != nullptr) {
    cure.steps.push_back(fmt::format("it is {}, the only program that listens here, or those who connect to it",
                                     process_text(scope_of_listener(now, *server))));
  }
  cure.steps.emplace_back("who closes: bpftrace -e 'kprobe:tcp_send_active_reset { @[comm, pid] = count(); }'");
  if (harms) {
    cure.steps.emplace_back(
        "where requests are refused early (too large, not allowed), read the rest of them: nginx has lingering_close");
  }
  cure.verify = fmt::format("{}nstat -az TcpExtTCPAbortOnClose stands still", in_netns(now, netns.id));
  finding.not_useful = {{"SO_LINGER", "decides about data that is still to be sent, not about what was not read"},
                        {"net.ipv4.tcp_fin_timeout, net.ipv4.tcp_rfc1337", "a reset ends the connection at once"},
                        {"net.ipv4.tcp_rmem", "more room only means more unread data"}};
  return finding;
}

Outcome judge_close_unread(const Evidence& in) {
  return judge_counter(in, kCounter, "connections of one namespace that were closed with unread data",
                       [&](const NetnsSample& netns, const Counted& unread) -> std::optional<Finding> {
                         Closes closes{.unread = unread,
                                       .accepted = in.window.increase(netns.id, "Tcp.PassiveOpens"),
                                       .begun = in.window.increase(netns.id, "Tcp.ActiveOpens")};
                         closes.ends = ends_of(closes.accepted, closes.begun);
                         if (unread.times < in.policy.value(kMinCloses)) return std::nullopt;
                         if (closes.share() < in.policy.value(kMinShare)) return std::nullopt;
                         return finding_for(in, netns, closes);
                       });
}

constexpr std::array kThresholds = {kMinCloses, kMinShare, kMinRate};
constexpr std::array<std::string_view, 2> kReferences = {"net/ipv4/tcp.c: __tcp_close", "RFC 1122, 4.2.2.13"};

}  // namespace
}  // namespace close_unread_rule

namespace rules {

extern const Rule rst_on_close_unread = {
    .id = "rst-on-close-unread",
    .title = "programs close connections with data unread",
    .explanation =
        "Whoever closes a connection before it has read all that has arrived resets it. What it has answered just "
        "before may be lost: the peer sees an error instead of the answer. No setting changes that.",
    .thresholds = close_unread_rule::kThresholds,
    .references = close_unread_rule::kReferences,
    .judge = close_unread_rule::judge_close_unread,
};

}  // namespace rules
}  // namespace tcpadvisor
