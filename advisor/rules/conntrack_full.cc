// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
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
namespace conntrack_full_rule {
namespace {

constexpr Threshold kFullShare = ratio_threshold("full_share", 0.9).clears_at(0.9);  // of nf_conntrack_max
constexpr Threshold kMinDrops = count_threshold("min_drops", 1, "packets");
constexpr Threshold kMinRaces =
    count_threshold("min_races", 10, "packets").clears_at(0.5);  // fewer lost races are no topic
constexpr Threshold kMinUnanswered = count_threshold("min_unanswered", 100, "handshakes").clears_at(0.5);
constexpr std::string_view kKnob = "net.netfilter.nf_conntrack_max";
constexpr std::string_view kDrop = "Conntrack.drop", kRaced = "Conntrack.insert_failed",
                           kEvicted = "Conntrack.early_drop";
constexpr double kShortestStayS = 120;        // nf_conntrack_tcp_timeout_time_wait: so long at least, if it was opened
constexpr std::uint64_t kBytesOfEntry = 320;  // struct nf_conn in its slab, with an extension or two
constexpr std::uint64_t kShareOfRam = 64;     // at most one part in so many may fill with entries
constexpr std::uint64_t kMostOfUnknown = 262'144;
constexpr auto kMostEntries = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
constexpr std::uint64_t kChain = 4;  // entries for each bucket of the hash table, at most
constexpr double kFewOwn = 0.1;      // of the entries: then others than the programs here fill the table
constexpr std::uint16_t kNoPort = 0;

/// The table of one namespace.
struct Table {
  const NetnsSample* netns = nullptr;
  std::uint64_t limit = 0, now = 0, peak = 0;
  std::optional<double> dropped = std::nullopt;  ///< for want of room; nothing if it was not read twice
  double raced = 0, evicted = 0;
  double unanswered = 0;      ///< SYN cookies that nobody answered
  std::uint64_t own = 0;      ///< connections that sockets of the namespace are for
  std::uint64_t in_vain = 0;  ///< attempts of its programs that got no answer
  std::uint16_t busiest = kNoPort;
  std::uint64_t at_busiest = 0;

  double share() const { return static_cast<double>(peak) / static_cast<double>(std::max<std::uint64_t>(limit, 1)); }
};

/// Nothing was dropped by a table that was empty when we began, although its counters were not there to be read.
std::optional<double> increase_of(const Window& window, NetnsId netns, std::string_view counter) {
  if (auto increase = window.increase(netns, counter)) return increase;
  const PastNetns* then = window.samples() < 2 ? nullptr : window.first().find_netns(netns);
  bool began_empty = then != nullptr && then->conntrack && *then->conntrack == 0;
  return began_empty ? std::optional<double>(0) : std::nullopt;
}

Table table_of(const Window& window, const NetnsSample& netns, std::uint64_t limit) {
  const Sample& now = window.latest();
  Table out{.netns = &netns, .limit = limit, .now = netns.conntrack->count};
  Series entries = window.series([&](const PastTick& tick) -> std::optional<double> {
    const PastNetns* then = tick.find_netns(netns.id);
    if (then == nullptr || !then->conntrack) return std::nullopt;
    return static_cast<double>(*then->conntrack);
  });
  out.peak = std::max(out.now, to_u64(entries.max()));
  out.raced = increase_of(window, netns.id, kRaced).value_or(0);
  out.evicted = increase_of(window, netns.id, kEvicted).value_or(0);
  // "drop" counts both: what found no room, and what lost a race for its addresses and ports.
  if (auto dropped = increase_of(window, netns.id, kDrop)) out.dropped = std::max(0.0, *dropped - out.raced);
  out.unanswered = std::max(0.0, window.increase(netns.id, "TcpExt.SyncookiesSent").value_or(0) -
                                     window.increase(netns.id, "TcpExt.SyncookiesRecv").value_or(0));
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (state != index_of(TcpState::listen) && state != index_of(TcpState::close))
      out.own = add_sat(out.own, netns.states[state].count);
  }
  for (const FailedConnects& failed : now.failed_connects) {
    if (failed.netns == netns.id && failed.end == ConnectEnd::timed_out)
      out.in_vain = add_sat(out.in_vain, failed.count);
  }
  out.in_vain = add_sat(out.in_vain, netns.states[index_of(TcpState::syn_sent)].count);
  for (const PortTotals& port : now.ports) {
    std::uint64_t here = 0;
    for (std::uint32_t count : port.sockets) here = add_sat<std::uint64_t>(here, count);
    if (port.netns != netns.id || here <= out.at_busiest) continue;
    out.busiest = port.port;
    out.at_busiest = here;
  }
  return out;
}

enum class Kind : std::uint8_t { fine, lost, evicting, near_full, races };

Kind kind_of(const Policy& policy, const Table& table) {
  if (table.dropped.value_or(0) >= policy.value(kMinDrops)) return Kind::lost;
  if (table.evicted >= policy.value(kMinDrops)) return Kind::evicting;
  if (table.share() >= policy.value(kFullShare)) return Kind::near_full;
  return table.raced >= policy.value(kMinRaces) ? Kind::races : Kind::fine;
}

/// Handshakes that nobody completes take a place each: more places fill as well.
bool is_flood(const Policy& policy, const Table& table) {
  return table.unanswered >= policy.value(kMinUnanswered) && table.unanswered >= table.dropped.value_or(0) / 2;
}

void say_steps(const Sample& now, const Table& table, Recommendation& cure) {
  std::string prefix = in_netns(now, table.netns->id);
  cure.steps.push_back(fmt::format(
      "see what fills it: {}conntrack -L -p tcp | awk '{{print $4}}' | sort | uniq -c; many ESTABLISHED are idle or "
      "dead (they stay for net.netfilter.nf_conntrack_tcp_timeout_established, five days unless set: not below "
      "net.ipv4.tcp_keepalive_time), many TIME_WAIT are short connections: reuse them, many SYN_SENT and SYN_RECV are "
      "a scan or a flood",
      prefix));
  if (table.busiest != kNoPort) {
    cure.steps.push_back(fmt::format(
        "connections to port {} ({} of the entries) need no entry unless they are translated (NAT) or filtered by "
        "state: {}nft add rule ip raw prerouting tcp dport {} notrack, the same for their answers in output",
        table.busiest, with_commas(table.at_busiest), prefix, table.busiest));
  }
  cure.verify = fmt::format("{}conntrack -S: drop and early_drop stand still, and nf_conntrack_count stays below {}",
                            prefix, with_commas(to_u64(0.9 * static_cast<double>(table.limit))));
}

void recommend_filter(const Sample& now, const Table& table, Finding& finding) {
  finding.finding_class = FindingClass::attack;
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::capacity;
  cure.text =
      "Filter the senders before their packets are tracked, or answer them without an entry (SYNPROXY): handshakes "
      "that nobody completes would fill a larger table as well.";
  cure.steps.push_back(fmt::format("see who sends: {}ss -tn state syn-recv", in_netns(now, table.netns->id)));
  say_steps(now, table, cure);
}

/// Room for those that were there, and for as many as were turned away in the time that an entry stays at least; not
/// more than twice as many, since who is turned away comes again.
void recommend_room(const Window& window, const Table& table, Finding& finding) {
  const Sample& now = window.latest();
  double dropped = table.dropped.value_or(0), span_s = window.span_s();
  std::uint64_t held = dropped > 0 ? std::max(table.peak, table.limit) : table.peak;
  std::uint64_t beyond = std::min(to_u64(std::ceil(span_s > 0 ? dropped / span_s * kShortestStayS : dropped)), held);
  std::uint64_t wanted = std::max(pow2ceil(to_u64(std::ceil(1.5 * static_cast<double>(add_sat(held, beyond))))),
                                  pow2ceil(add_sat<std::uint64_t>(table.limit, 1)));
  std::uint64_t most = now.host.mem_bytes == 0
                           ? kMostOfUnknown
                           : std::min(now.host.mem_bytes / kShareOfRam / kBytesOfEntry, kMostEntries);
  std::uint64_t target = std::min(wanted, most);
  Recommendation& cure = finding.recommendation;
  cure.formula = fmt::format(
      "pow2ceil(1.5 x ({} entries + {} that come beyond them in {:.0f} s at this rate)), above the limit of now = {}, "
      "{} bytes each; at most a "
      "{}th of the memory: {}",
      with_commas(held), with_commas(beyond), kShortestStayS, with_commas(wanted), kBytesOfEntry, kShareOfRam,
      with_commas(most));
  say_steps(now, table, cure);
  if (target <= table.limit) {
    cure.kind = RecommendationKind::capacity;
    cure.text = fmt::format(
        "Do not raise {}: more would not fit into the memory that is sensible for it. Track fewer connections.", kKnob);
    return;
  }
  Change change = Change::in(now, table.netns->id, kKnob);
  change.current = values_of({table.limit});
  change.lower = values_of({std::min(std::max(add_sat(held, beyond), table.limit), target)});
  change.target = values_of({target});
  change.upper = values_of({std::max(target, most)});
  cure.kind = RecommendationKind::sysctl;
  cure.text = fmt::format("If all these connections are wanted: raise {} from {} to {}, {} at most.", kKnob,
                          with_commas(table.limit), with_commas(target), human_bytes(mul_sat(target, kBytesOfEntry)));
  if (!table.netns->is_host)
    cure.steps.push_back("the limit is the host's, for each namespace: it cannot be set in a container");
  cure.steps.push_back(fmt::format("keep the chains short: net.netfilter.nf_conntrack_buckets of {} or more",
                                   with_commas(target / kChain)));
  cure.change = std::move(change);
  cure.applicability = Applicability::needs_review;
  cure.expected_effect = Recommendation::Effect{.metric = "packets_without_a_place", .from = dropped, .to = 0};
  cure.worst_case_memory_bytes = mul_sat(target, kBytesOfEntry);
}

std::string title_of(const Table& table, Kind kind) {
  std::string of = fmt::format("{} of {} entries", with_commas(table.peak), with_commas(table.limit));
  switch (kind) {
    case Kind::lost:
      return fmt::format("{} for new connections {} dropped: the table of tracked connections is full ({})",
                         counted(to_u64(*table.dropped), "packet"), *table.dropped == 1 ? "was" : "were", of);
    case Kind::evicting:
      return fmt::format("The table of tracked connections is full: {} of its entries made room for others ({})",
                         with_commas(to_u64(table.evicted)), of);
    case Kind::races:
      return fmt::format("{} lost a race for an entry of the table of tracked connections, which has room ({})",
                         counted(to_u64(table.raced), "packet"), of);
    default:
      return fmt::format("The table of tracked connections is nearly full: {}", of);
  }
}

void say_races(const Window& window, const Table& table, Finding& finding) {
  finding.topic = "races";
  finding.meaning =
      "Two packets wanted an entry for the same addresses and ports at the same moment, one of them was dropped: "
      "mostly two DNS questions from one socket, or connections that NAT gives the same port. A larger table changes "
      "nothing.";
  Recommendation& cure = finding.recommendation;
  cure.text = "Change no setting. Where names are resolved slowly, by 5 s at a time, that is the reason.";
  cure.steps = {"for DNS: options single-request-reopen or use-vc in resolv.conf, or a resolver on the same host",
                "for NAT: iptables … -j MASQUERADE --random-fully, so that ports are not given in order"};
  cure.verify = fmt::format("{}conntrack -S: insert_failed stands still", in_netns(window.latest(), table.netns->id));
  finding.not_useful = {{std::string(kKnob), "the table has room"},
                        {"net.ipv4.tcp_syn_retries", "sends again what is lost by chance, and only TCP"}};
}

Finding finding_for(const Evidence& in, const Table& table, Kind kind) {
  const Window& window = in.window;
  Finding finding;
  finding.id = "conntrack-full";
  bool full_now = table.share() >= in.policy.value(kFullShare);
  finding.severity = kind == Kind::races              ? Severity::info
                     : kind == Kind::lost && full_now ? Severity::critical
                                                      : Severity::warning;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = table.netns->id;
  finding.scope.netns_name = netns_name(window.latest(), table.netns->id);
  finding.title = title_of(table, kind);
  finding.confidence = kind == Kind::lost && !full_now ? Confidence::medium : Confidence::high;
  finding.confidence_why =
      kind == Kind::near_full ? "the kernel's own count; nothing was dropped yet"
      : kind == Kind::lost && !full_now
          ? "the kernel counts what it drops; the table was not full at any look, so they came in a burst"
          : "the kernel counts what it drops, for want of room and for lost races apart";
  auto say = [&](const char* metric, std::string_view source, double value, const char* unit,
                 std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(window, metric, std::string(source), value, unit, threshold));
  };
  say("entries", "nf_conntrack_count", static_cast<double>(table.peak), "entries",
      in.policy.value(kFullShare) * static_cast<double>(table.limit));
  say("limit", kKnob, static_cast<double>(table.limit), "entries");
  if (table.dropped) say("packets_without_a_place", kDrop, *table.dropped, "packets", in.policy.value(kMinDrops));
  say("entries_that_made_room", kEvicted, table.evicted, "entries");
  say("lost_races", kRaced, table.raced, "packets");
  say("own_connections", source_of(window.latest(), FactId::snapshot), static_cast<double>(table.own), "sockets");
  if (table.in_vain > 0) {
    say("attempts_without_answer", source_of(window.latest(), FactId::connects), static_cast<double>(table.in_vain),
        "attempts");
  }
  if (kind == Kind::races) {
    say_races(window, table, finding);
    return finding;
  }
  finding.meaning =
      "Each connection through the packet filter takes an entry. When none is free, the packet that would begin a new "
      "connection is dropped without an answer: connect() waits for seconds and fails, and nothing reaches a listener. "
      "Connections that stand go on.";
  if (static_cast<double>(table.own) < kFewOwn * static_cast<double>(table.peak)) {
    finding.meaning += fmt::format(
        " Programs in this namespace have {}: the other entries are forwarded connections (containers, NAT), UDP, or "
        "those whose ends are long gone.",
        counted(table.own, "connection"));
  }
  if (is_flood(in.policy, table)) {
    say("unanswered_handshakes", "TcpExt.SyncookiesSent - SyncookiesRecv", table.unanswered, "handshakes",
        in.policy.value(kMinUnanswered));
    recommend_filter(window.latest(), table, finding);
  } else {
    recommend_room(window, table, finding);
  }
  finding.not_useful = {
      {"net.core.somaxconn, net.ipv4.tcp_max_syn_backlog", "these packets never reach a listener"},
      {"net.ipv4.tcp_max_tw_buckets, net.ipv4.tcp_fin_timeout", "are about sockets; the entry has its own time"},
      {"net.netfilter.nf_conntrack_tcp_loose, nf_conntrack_tcp_be_liberal", "are about entries that exist"}};
  return finding;
}

/// Why no namespace has a table; most hosts without a packet filter have none.
Outcome without_table(const Sample& now) {
  const FactCoverage* known = now.fact(FactId::conntrack);
  if (known == nullptr || known->attempts.empty()) return Outcome::unknown("nobody looked for tracked connections");
  const Attempt& tried = known->attempts.back();
  return tried.sys_errno == ENOENT ? Outcome::absent(tried.why_not) : Outcome::unknown(tried.why_not);
}

Outcome judge_conntrack(const Evidence& in) {
  const Sample& now = in.now();
  std::vector<Finding> findings;
  std::string not_assessed;
  std::optional<Table> fullest;
  bool any = false;
  for (const NetnsSample& netns : now.netns) {
    if (!netns.conntrack) continue;
    any = true;
    if (netns.conntrack->count == 0 || netns.conntrack->max == 0) continue;  // 0: without a limit
    std::optional<std::uint64_t> limit = netns.conntrack->max;
    if (!limit) {
      if (auto of_host = now.host_netns(); of_host != nullptr && of_host->conntrack) limit = of_host->conntrack->max;
    }
    if (!limit) {
      keep_one(not_assessed, fmt::format("{} is not visible in namespace {}", kKnob, netns_name(now, netns.id)));
      continue;
    }
    if (*limit == 0) continue;
    Table table = table_of(in.window, netns, *limit);
    if (!fullest || table.share() > fullest->share()) fullest = table;
    Kind kind = kind_of(in.policy, table);
    if (kind != Kind::fine) {
      findings.push_back(finding_for(in, table, kind));
    } else if (!table.dropped) {
      keep_one(not_assessed, not_read_twice(in.window, netns.id, kDrop));
    }
  }
  if (!any) return without_table(now);
  std::string value = !fullest ? "0 entries"
                               : fmt::format("{} of {} entries, and nothing dropped", with_commas(fullest->peak),
                                             with_commas(fullest->limit));
  return Outcome::of(std::move(findings), std::move(not_assessed), "fullest table of tracked connections",
                     std::move(value));
}

constexpr std::array kThresholds = {kFullShare, kMinDrops, kMinRaces, kMinUnanswered};
constexpr std::array<std::string_view, 2> kReferences = {
    "Documentation/networking/nf_conntrack-sysctl.rst",
    "net/netfilter/nf_conntrack_core.c: __nf_conntrack_alloc, nf_ct_resolve_clash"};

}  // namespace
}  // namespace conntrack_full_rule

namespace rules {

extern const Rule conntrack_full = {
    .id = "conntrack-full",
    .title = "the packet filter's table of tracked connections is full",
    .explanation =
        "Where the packet filter tracks connections (NAT, containers, rules by state), each takes an entry, for as "
        "long "
        "as its time-out says. A full table drops the first packet of every new connection: from outside the host "
        "looks "
        "dead, while old connections go on. Packets that lost a race for an entry are counted as drops, too; they are "
        "told apart, because more room does not help them.",
    .thresholds = conntrack_full_rule::kThresholds,
    .references = conntrack_full_rule::kReferences,
    .judge = conntrack_full_rule::judge_conntrack,
};

}  // namespace rules
}  // namespace tcpadvisor
