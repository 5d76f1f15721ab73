// SPDX-License-Identifier: Apache-2.0
// The kernel sizes buffers by what a connection needs, up to tcp_rmem[2] and tcp_wmem[2]. Here a flow has come to that
// end, and the path behind it would take more.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/kernel_version.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/memory_gate.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace autotune_caps_rule {
namespace {

constexpr Threshold kCapShare = ratio_threshold("cap_share", 0.95);  // of the maximum: the buffer has come to its end
constexpr double kReceiverRttGrowth = 1.15;  // of the least: a queue stands on the path, so it is full already
constexpr double kFewRetransmits = 0.01;     // of the segments: above it loss has a say
constexpr double kRateToPlanFor = 2;         // of the rate measured: nobody knows yet what the path carries
constexpr double kBuffersPerBdp = 2;         // one round trip on its way, and one to repair a loss
constexpr double kManyCollapsed = 1'000;     // segments a second that the kernel packs together to make room

struct Words {
  std::string_view id, knob, bare, option, option_cap, buffer;
};
constexpr Words kReceiveWords = {"rcvbuf-bdp-autotune-cap", "net.ipv4.tcp_rmem", "tcp_rmem[2]", "SO_RCVBUF",
                                 "net.core.rmem_max",       "receive buffer"};
constexpr Words kSendWords = {"sndbuf-bdp-autotune-cap", "net.ipv4.tcp_wmem", "tcp_wmem[2]", "SO_SNDBUF",
                              "net.core.wmem_max",       "send buffer"};
const Words& words_of(Side side) {
  return side == Side::receive ? kReceiveWords : kSendWords;
}
std::string knob_of(Side side) {
  return std::string(words_of(side).knob);
}
Side other(Side side) {
  return side == Side::receive ? Side::send : Side::receive;
}

struct Capped {
  const SocketRow* row = nullptr;
  LimitedFlow flow;
  double base_rtt_us = 0;       ///< of the path with empty queues
  bool from_handshake = false;  ///< base_rtt_us is the kernel's own minimum, not just the least that we have seen
  double ratio = 1;             ///< payload per byte of buffer that has to fit into it
  double carries = 1;           ///< bytes in a round trip per byte of buffer, now
  double bdp() const { return flow.rate * base_rtt_us / 1e6; }
  double needed() const { return kBuffersPerBdp * kRateToPlanFor * bdp() / ratio; }
};

struct CappedFlows {
  std::vector<const SocketRow*> rows;
  Capped neediest;
};

/// In every judged window the buffer is as large as the kernel may make it.
bool at_the_cap(const Evidence& in, const PolicyWindows& windows, const SocketRow& row, Side side, double cap) {
  auto buffer = side == Side::receive ? &PastRow::rcvbuf : &PastRow::sndbuf;
  return std::ranges::all_of(windows.parts, [&](const Past& part) {
    Series size = field(part, row, buffer);
    return !size.empty() && size.min() >= in.policy.value(kCapShare) * cap;
  });
}

/// The shortest round trip that this path can have; the handshake gives a receiver one as well.
double base_rtt(const Evidence& in, const SocketRow& row, Side side) {
  double least = row.min_rtt_us.value_or(0);
  if (side == Side::send) return least;
  double seen = field(in.window, row, &PastRow::rcv_rtt_us).min();
  return least > 0 ? std::min(least, seen) : seen;
}

/// Most retransmissions are of loss, which keeps the congestion window below what any buffer allows.
bool loses(const Evidence& in, const SocketRow& row) {
  Series again = field(in.window, row, &PastRow::total_retrans), sent = field(in.window, row, &PastRow::data_segs_out);
  return again.increase() > kFewRetransmits * sent.increase();
}

bool waits_for_peer(const Evidence& in, const SocketRow& row) {
  return field(in.window, row, &PastRow::rwnd_limited_us).increase() >=
         field(in.window, row, &PastRow::sndbuf_limited_us).increase();
}

std::optional<Capped> capped(const Evidence& in, const PolicyWindows& windows, const SocketRow& row, Side side,
                             double cap) {
  if (!at_the_cap(in, windows, row, side, cap)) return std::nullopt;
  auto flow = limited_flow(in, windows, row, side);
  if (!flow || flow->rate < in.policy.value(kMinRate)) return std::nullopt;
  Capped out{.row = &row, .flow = *flow, .base_rtt_us = base_rtt(in, row, side)};
  out.from_handshake = row.min_rtt_us.value_or(0) > 0;
  if (out.base_rtt_us < in.policy.value(kMinRtt) * 1e6) return std::nullopt;
  if (side == Side::receive) {
    out.ratio = out.carries = payload_ratio(row);
    if (flow->rtt_us > kReceiverRttGrowth * out.base_rtt_us) return std::nullopt;
  } else {
    if (loses(in, row) || waits_for_peer(in, row)) return std::nullopt;
    out.carries = std::clamp(out.bdp() / cap, 1 / kBuffersPerBdp, 1.0);
  }
  return out;
}

/// What this kernel starts with: net/ipv4/tcp.c, tcp_init(); tcp_rmem[2] since 6.16 is 32 MiB.
std::uint64_t boots_with(const HostFacts& host, Side side) {
  const bool large = kernel_version(host.kernel).value_or(KernelVersion{}) >= KernelVersion{.major = 6, .minor = 16};
  std::uint64_t receive = large ? 32ull << 20 : 6ull << 20;
  return std::min<std::uint64_t>(side == Side::receive ? receive : 4ull << 20, host.mem_bytes / 128);
}

/// Why a larger receive buffer would do harm here: it is data that is thrown away, or packed again and again.
std::string collapses(const Evidence& in, NetnsId netns) {
  const Window& window = in.window;
  double thrown_away =
      window.increase(netns, "TcpExt.RcvPruned").value_or(0) + window.increase(netns, "TcpExt.TCPRcvQDrop").value_or(0);
  if (thrown_away > 0) {
    return fmt::format("{} of received data were thrown away here for want of room in memory",
                       counted(to_u64(thrown_away), "segment"));
  }
  double packed = window.increase(netns, "TcpExt.TCPRcvCollapsed").value_or(0);
  if (window.span_s() > 0 && packed > kManyCollapsed * window.span_s())
    return fmt::format("{} were packed together here to make room; more room makes that slower",
                       counted(to_u64(packed), "segment"));
  return "";
}

double mbit(double bytes_per_s) {
  return bytes_per_s * 8 / 1e6;
}

/// "1.5 Gbit/s"
std::string rate_text(double bytes_per_s) {
  const double rate = mbit(bytes_per_s);
  return fmt::format("{:.3g} {}", rate >= 1000 ? rate / 1000 : rate, rate >= 1000 ? "Gbit/s" : "Mbit/s");
}

/// "1.5 Gbit/s for one flow at 20.3 ms"
std::string allows(std::uint64_t buffer, const Capped& flow) {
  const double rate = static_cast<double>(buffer) * flow.carries / std::max(flow.base_rtt_us / 1e6, 1e-6);
  return fmt::format("{} for one flow at {:.3g} ms", rate_text(rate), flow.base_rtt_us / 1000);
}

void recommend(const Evidence& in, NetnsId netns, const CappedFlows& flows, Side side, Finding& finding) {
  const Sample& now = in.now();
  const Words& words = words_of(side);
  const Capped& worst = flows.neediest;
  Recommendation& cure = finding.recommendation;
  Change change = Change::in(now, netns, words.knob);
  for (std::size_t i = 0; i < 3; ++i) change.current.push_back(sysctl_value(now, netns, knob_of(side), i).value_or(0));
  const std::uint64_t current = to_u64(change.current[2]);
  const std::uint64_t beside = to_u64(sysctl_value(now, netns, knob_of(other(side)), 2).value_or(0));
  const std::uint64_t needed = pow2ceil(to_u64(worst.needed())), usual = boots_with(now.host, side);
  const MemoryGate gate(in, beside, flows.rows);
  const std::uint64_t wanted = std::max(needed, usual), target = gate.pass(wanted);
  std::string collapse = side == Side::receive ? collapses(in, netns) : "";
  std::string need =
      fmt::format("{} x BDP{} = {} x ({} x {:.3g} Mbit/s x {:.3g} ms){} = {}", kBuffersPerBdp,
                  side == Side::receive ? " / payload ratio" : "", kBuffersPerBdp, kRateToPlanFor,
                  mbit(worst.flow.rate), worst.base_rtt_us / 1000,
                  side == Side::receive ? fmt::format(" / {:.2f}", worst.ratio) : "", human_bytes(needed));
  cure.formula = need + ", as a power of two";
  if (target <= current || !collapse.empty()) {
    finding.severity = Severity::info;
    cure.kind = RecommendationKind::capacity;
    cure.text =
        fmt::format("Do not raise {} now: {}.", words.knob,
                    !collapse.empty()         ? collapse
                    : !gate.refusal().empty() ? gate.refusal()
                                              : "busy connections could take more memory than there is for them");
    cure.formula += "; memory: " + gate.arithmetic(wanted);
    cure.verify = "memory first: then ask again";
    return;
  }
  if (usual > needed && target == usual) {
    cure.formula += fmt::format("; not less than the {} that this kernel starts with", human_bytes(usual));
  } else if (target < wanted) {
    cure.formula += ", memory-capped";
  }
  if (target < needed) {
    cure.formula += fmt::format("; {} would be needed for {} in one flow that can repair a loss meanwhile",
                                human_bytes(needed), rate_text(kRateToPlanFor * worst.flow.rate));
  }
  cure.formula += fmt::format("; {} is {}, {} allows {}; memory: {}", human_bytes(current), allows(current, worst),
                              human_bytes(target), allows(target, worst), gate.arithmetic(target));
  change.lower = change.target = change.upper = change.current;
  auto as_value = [](std::uint64_t bytes) { return values_of({bytes}).front(); };
  change.lower[2] = as_value(std::clamp(needed, current, target));
  change.target[2] = as_value(target);
  change.upper[2] = as_value(std::max(target, gate.most()));
  cure.kind = RecommendationKind::sysctl;
  cure.applicability = Applicability::needs_review;
  cure.text =
      fmt::format("Let the kernel grow the {} further: {} = {}.", words.buffer, words.knob, values_text(change.target));
  if (!change.host_netns) cure.steps.push_back("to keep it: " + text_of(change).persist);
  std::uint64_t scaled = worst.row->rcv_wscale ? 65'535ull << std::min<unsigned>(*worst.row->rcv_wscale, 14) : 0;
  if (side == Side::send) {
    cure.steps.emplace_back("it acts at once, also on connections that stand");
  } else if (scaled > 0 && static_cast<double>(scaled) < worst.needed() * worst.ratio) {
    cure.steps.push_back(
        fmt::format("let connections that stand connect again: the window scale of their handshake ends at {}",
                    human_bytes(scaled)));
  } else {
    cure.steps.emplace_back(
        "connections whose rate stays as it was must connect again: the kernel grows a buffer only when more is read "
        "in "
        "a round trip than ever before, and one that stands at its end may never read more");
  }
  if (side == Side::send) {
    cure.steps.push_back(
        "where short answers share these connections: TCP_NOTSENT_LOWAT keeps what is not yet sent short");
  }
  cure.expected_effect =
      Recommendation::Effect{.metric = side == Side::receive ? "window_used_per_rtt" : "sndbuf_limited_of_busy_time",
                             .from = worst.flow.share,
                             .to = side == Side::receive ? worst.flow.share / kRateToPlanFor : 0};
  cure.worst_case_memory_bytes = gate.worst_case(target);
  cure.verify = fmt::format("tcpadvisor report --only {}: fine, and the rate is higher", words.id);
  change.knob = words.knob;
  cure.change = std::move(change);
}

void set_scope(const Evidence& in, NetnsId netns, const CappedFlows& flows, Finding& finding) {
  Scope& scope = finding.scope;
  scope.netns = netns;
  scope.netns_name = netns_name(in.now(), netns);
  scope.kind = ScopeKind::netns;
  const SocketRow& first = *flows.rows.front();
  bool one_process = first.owner && std::ranges::all_of(flows.rows, [&](const SocketRow* row) {
                       return row->owner && row->owner->pid == first.owner->pid;
                     });
  if (one_process) {
    scope.cgroup = first.cgroup;
    name_holder(scope, flows.rows);
  }
  scope.local = common_local(flows.rows);
  scope.remote = common_remote(flows.rows);
  scope.count = flows.rows.size();
}

Finding finding_for(const Evidence& in, const PolicyWindows& windows, NetnsId netns, const CappedFlows& flows,
                    Side side) {
  const Window& window = in.window;
  const Sample& now = in.now();
  const Words& words = words_of(side);
  const Capped& worst = flows.neediest;
  const auto cap = to_u64(sysctl_value(now, netns, knob_of(side), 2).value_or(0));
  Finding finding;
  finding.id = words.id;
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::kernel_config;
  set_scope(in, netns, flows, finding);
  finding.title = fmt::format("{} = {} holds {}{} to {:.3g} Mbit/s", words.bare, human_bytes(cap),
                              counted(flows.rows.size(), "flow"),
                              finding.scope.pid ? " of " + process_text(finding.scope) : "", mbit(worst.flow.rate));
  finding.confidence_why =
      "the kernel has grown these buffers to their end and the flow is limited by it in most windows";
  if (windows.shortened || !worst.from_handshake) {
    finding.confidence = Confidence::medium;
    finding.confidence_why +=
        "; " + (windows.shortened ? windows.why : std::string("how short the path's round trip can be is not known"));
  }
  std::string source = source_of(now, FactId::snapshot);
  bool receive = side == Side::receive;
  auto size = receive ? worst.row->rcvbuf : worst.row->sndbuf;
  finding.evidence.push_back(measured(window, receive ? "rcvbuf" : "sndbuf", source,
                                      static_cast<double>(size.value_or(0)), "bytes",
                                      in.policy.value(kCapShare) * static_cast<double>(cap)));
  finding.evidence.push_back(measured(window, receive ? "window_used_per_rtt" : "sndbuf_limited_of_busy_time", source,
                                      worst.flow.share, "ratio",
                                      in.policy.value(receive ? kWindowUse : kLimitedShare)));
  finding.evidence.push_back(
      measured(window, "rate", source, mbit(worst.flow.rate), "Mbit/s", mbit(in.policy.value(kMinRate))));
  finding.evidence.push_back(measured(window, "rtt", source, worst.flow.rtt_us / 1000, "ms",
                                      (receive ? kReceiverRttGrowth : kRttGrowth) * worst.base_rtt_us / 1000));
  finding.evidence.push_back(measured(window, "shortest_rtt", source, worst.base_rtt_us / 1000, "ms"));
  if (receive) {
    finding.evidence.push_back(measured(
        window, "unread_memory_of_rcvbuf", source,
        static_cast<double>(worst.row->rmem_alloc.value_or(0)) / std::max(static_cast<double>(size.value_or(0)), 1.0),
        "ratio", in.policy.value(kReaderKeepsUp)));
  }
  finding.meaning = fmt::format(
      "The kernel may not grow the {} any further: that is {}. {}, and the round trip has not grown, so the path would "
      "take more.",
      words.buffer, allows(cap, worst),
      receive ? "The program reads at once" : "The program has more to send and waits for room");
  recommend(in, netns, flows, side, finding);
  finding.not_useful = {
      {std::string(words.option_cap), fmt::format("only limits what {} may ask for", words.option)},
      {fmt::format("{} in the program", words.option), "ends the kernel's own sizing for good"},
      {fmt::format("{}[1]", words.knob), "every connection would start with it; the kernel grows those that need it"}};
  return finding;
}

bool locked(const SocketRow& row, Side side) {
  return row.locks && (side == Side::receive ? row.locks->rcvbuf : row.locks->sndbuf);
}

Outcome judge(const Evidence& in, Side side) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  PolicyWindows windows = policy_windows(in.window, in.policy);
  std::map<NetnsId, std::optional<std::int64_t>> caps;
  std::map<NetnsId, CappedFlows> groups;
  std::uint64_t at_end = 0, maybe_locked = 0;
  for (const SocketRow& row : now.sockets) {
    auto size = side == Side::receive ? row.rcvbuf : row.sndbuf;
    if (row.state != TcpState::established || row.holder == Holder::unaccepted || !size || locked(row, side)) continue;
    auto [cap, fresh] = caps.try_emplace(row.netns);
    if (fresh) cap->second = sysctl_value(now, row.netns, knob_of(side), 2);
    auto most = static_cast<double>(to_u64(cap->second.value_or(0)));
    if (most <= 0 || static_cast<double>(*size) < in.policy.value(kCapShare) * most) continue;
    ++at_end;
    if (windows.parts.empty()) continue;
    std::optional<Capped> flow = capped(in, windows, row, side, most);
    if (!flow) continue;
    if (!row.locks) {
      ++maybe_locked;
      continue;
    }
    CappedFlows& group = groups[row.netns];
    group.rows.push_back(&row);
    if (group.rows.size() == 1 || flow->needed() > group.neediest.needed()) group.neediest = *flow;
  }
  if (at_end > 0 && windows.parts.empty()) return Outcome::unknown(windows.why);
  std::vector<Finding> findings;
  findings.reserve(groups.size());
  for (const auto& [netns, flows] : groups) findings.push_back(finding_for(in, windows, netns, flows, side));
  std::string hidden;
  if (maybe_locked > 0) {
    hidden = fmt::format("{} does not show whether {} with its buffer at the maximum has {} set",
                         source_of(now, FactId::snapshot), counted(maybe_locked, "flow"), words_of(side).option);
  }
  return Outcome::of(std::move(findings), std::move(hidden), fmt::format("flows that {} limits", words_of(side).bare),
                     fmt::format("0 of {} that have grown to it", with_commas(at_end)));
}

Outcome judge_receive(const Evidence& in) {
  return judge(in, Side::receive);
}

Outcome judge_send(const Evidence& in) {
  return judge(in, Side::send);
}

constexpr std::array kReceiveThresholds = {kCapShare, kWindowUse, kReaderKeepsUp, kMinRtt, kMinRate, kShareOfParts};
constexpr std::array kSendThresholds = {kCapShare, kLimitedShare, kMinBusyShare, kMinRtt, kMinRate, kShareOfParts};
constexpr std::array kReceiveExplainedBy = {
    ExplainedBy{"reader-too-slow", Link::same_process, Then::lower,
                "{who} leaves data of other connections unread, and a higher maximum lets it leave more",
                "Let {who} read first (see {rule}): a higher maximum only holds more of what it does not read."},
};
constexpr std::array<std::string_view, 2> kReceiveReferences = {"tcp(7): tcp_rmem, tcp_moderate_rcvbuf",
                                                                "net/ipv4/tcp_input.c: tcp_rcv_space_adjust"};
constexpr std::array<std::string_view, 2> kSendReferences = {"tcp(7): tcp_wmem",
                                                             "net/ipv4/tcp_input.c: tcp_sndbuf_expand"};

}  // namespace
}  // namespace autotune_caps_rule

namespace rules {

extern const Rule rcvbuf_autotune_cap = {
    .id = "rcvbuf-bdp-autotune-cap",
    .title = "tcp_rmem[2] limits a flow",
    .explanation =
        "The kernel grows receive buffers with the flow, up to tcp_rmem[2]. This one has come to that end: in each "
        "round trip one window arrives, and the path would carry more.",
    .thresholds = autotune_caps_rule::kReceiveThresholds,
    .references = autotune_caps_rule::kReceiveReferences,
    .explained_by = autotune_caps_rule::kReceiveExplainedBy,
    .covers = {.each = EachOf::flows},
    .judge = autotune_caps_rule::judge_receive,
};

extern const Rule sndbuf_autotune_cap = {
    .id = "sndbuf-bdp-autotune-cap",
    .title = "tcp_wmem[2] limits a flow",
    .explanation =
        "The kernel grows send buffers with the flow, up to tcp_wmem[2]. This one has come to that end: the program "
        "waits for room while the peer and the path would take more.",
    .thresholds = autotune_caps_rule::kSendThresholds,
    .references = autotune_caps_rule::kSendReferences,
    .covers = {.each = EachOf::flows},
    .judge = autotune_caps_rule::judge_send,
};

}  // namespace rules
}  // namespace tcpadvisor
