// SPDX-License-Identifier: Apache-2.0
// Connections that programs have closed with data unsent, and whose peers do not take it: how many, towards whom, who
// has closed them, and how near the kernel's limit for all such connections is.
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
#include "advisor/rules/holder.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/unanswered.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace orphan_buildup_rule {
namespace {

constexpr Threshold kLimitShare =
    ratio_threshold("limit_share", 0.25).clears_at(0.4);  // the kernel counts some two or four times
constexpr Threshold kMinAborts = count_threshold("min_aborts", 1, "connections");
constexpr Threshold kStandsFor = time_threshold("stands_for", 10);  // never longer than the policy's windows
constexpr const char* kId = "orphan-buildup";
constexpr const char* kLimit = "net.ipv4.tcp_max_orphans";
constexpr const char* kRetries = "net.ipv4.tcp_orphan_retries";
constexpr const char* kAborts = "TcpExt.TCPAbortOnMemory";
constexpr std::uint64_t kMostOfAll = 65'536;   // bytes that one may keep: ip-sysctl.rst, tcp_max_orphans
constexpr std::uint64_t kSomeOrphans = 1'000;  // fewer are far from any limit that a kernel starts with
constexpr double kFirstTimeoutS = 0.2;         // TCP_RTO_MIN

/// What the whole host has of them.
struct Host {
  std::optional<std::uint64_t> orphans, limit;
  double aborts = 0;  ///< in the window, for want of room for orphans or of memory
  std::uint64_t finishing = 0, standing = 0;
  double share() const {
    return orphans && limit.value_or(0) > 0 ? static_cast<double>(*orphans) / static_cast<double>(*limit) : 0;
  }
};

/// Those of one namespace that stand still.
struct Standing {
  const NetnsSample* netns = nullptr;
  std::vector<const SocketRow*> rows;
  std::uint64_t unsent = 0, memory = 0;
  std::uint64_t probed = 0;  ///< of them: the peer's kernel answers, and its program has no room for more
  double stand_s = 0;        ///< the longest
};

/// Closed by its program, and not yet done: what FIN_WAIT_2 keeps is fin-wait2-orphan-buildup's.
bool is_orphan(const SocketRow& row) {
  bool last = row.state == TcpState::fin_wait_1 || row.state == TcpState::last_ack || row.state == TcpState::closing;
  return last && row.kind == SocketKind::full && row.holder == Holder::orphan;
}

double needed_s(const Policy& policy) {
  return std::min(policy.value(kStandsFor), static_cast<double>(policy.window.count()) * policy.windows / 1000);
}

Host host_of(const Evidence& in) {
  const Sample& now = in.now();
  Host out{.aborts = in.window.increase(kAborts).value_or(0)};
  if (now.host_sockstat) out.orphans = now.host_sockstat->orphan;
  const NetnsSample* host = now.host_netns();
  auto limit = host == nullptr ? std::nullopt : sysctl_value(now, host->id, kLimit);
  if (limit && *limit > 0) out.limit = to_u64(*limit);
  return out;
}

std::vector<Standing> standing_in(const Evidence& in, Host& host) {
  const Sample& now = in.now();
  const double long_s = needed_s(in.policy);
  std::map<NetnsId, Standing> found;
  for (const SocketRow& row : now.sockets) {
    if (!is_orphan(row) || row.send_q == 0) continue;
    const double stands = standing_s(in.window, row);
    if (stands + in.window.interval_s() / 2 < long_s || stands <= 0) {
      ++host.finishing;
      continue;
    }
    ++host.standing;
    Standing& here = found[row.netns];
    here.rows.push_back(&row);
    here.unsent = add_sat(here.unsent, row.send_q);
    here.memory = add_sat(here.memory, std::max(row.send_q, row.wmem_queued.value_or(0)));
    here.probed += row.timer == Timer::persist ? 1 : 0;
    here.stand_s = std::max(here.stand_s, stands);
  }
  std::vector<Standing> out;
  for (auto& [id, here] : found) {
    here.netns = now.find_netns(id);
    if (here.netns != nullptr) out.push_back(std::move(here));
  }
  return out;
}

/// A peer that answers its probes keeps the connection until they are as far apart as they can be: tcp_probe_timer().
double probes_for_s(const Sample& now, NetnsId netns) {
  const double most = static_cast<double>(sysctl_value(now, netns, "net.ipv4.tcp_rto_max_ms").value_or(120'000)) / 1000;
  double sum = most;  // the last wait is as long as it can be
  for (double next = kFirstTimeoutS; next < most; next *= 2) sum += next;
  return sum;
}

double retries_for_s(std::int64_t retries) {
  return patience_s(retries <= 0 ? 8 : to_u64(retries));
}

/// Of those that came to a listener here the port says nothing.
std::string peers_of(const Connections& connections, const std::vector<const SocketRow*>& rows) {
  std::vector<std::string> names;
  names.reserve(rows.size());
  for (const SocketRow* row : rows) {
    const bool came = !connections.listeners(row->netns, row->local.port).empty();
    names.push_back(came ? row->remote.ip_text() : row->remote.text());
  }
  return most_frequent(names);
}

bool is_near_limit(const Policy& policy, const Host& host) {
  return host.share() >= policy.value(kLimitShare) || host.aborts >= policy.value(kMinAborts);
}

void add_host_evidence(const Evidence& in, const Host& host, Finding& finding) {
  if (host.orphans) {
    finding.evidence.push_back(measured(
        in.window, "orphans_of_host", "sockstat", static_cast<double>(*host.orphans), "sockets",
        host.limit ? std::optional(in.policy.value(kLimitShare) * static_cast<double>(*host.limit)) : std::nullopt));
  }
  if (host.limit && host.orphans) {
    finding.evidence.push_back(
        measured(in.window, "share_of_tcp_max_orphans", kLimit, host.share(), "ratio", in.policy.value(kLimitShare)));
  }
  finding.evidence.push_back(
      measured(in.window, "ended_for_memory", kAborts, host.aborts, "connections", in.policy.value(kMinAborts)));
}

/// What the limit does, and whether it can be raised: it is a limit of memory.
void say_limit(const Evidence& in, const Host& host, Finding& finding) {
  if (!is_near_limit(in.policy, host)) return;
  if (host.aborts >= in.policy.value(kMinAborts)) {
    finding.meaning += fmt::format(
        " {} were ended with a reset because there were too many or too little memory: what they had not sent is lost.",
        counted(to_u64(host.aborts), "connection"));
  } else {
    finding.meaning += " Beyond the limit the kernel ends such connections with a reset, and what they had is lost.";
  }
  const std::uint64_t ram = in.now().host.mem_bytes;
  if (!host.limit || ram == 0) return;
  const std::uint64_t all = mul_sat(*host.limit, std::uint64_t{2} * kMostOfAll);
  finding.recommendation.steps.push_back(
      fmt::format("only for time: {} may rise ({} now) while orphans x 64 KiB fit; twice as many are {} of {}{}",
                  kLimit, with_commas(*host.limit), human_bytes(all), human_bytes(ram),
                  all > ram / 4 ? ", more than a quarter: do not" : ""));
}

void say_common(Finding& finding) {
  finding.recommendation.verify =
      "tcpadvisor report --only orphan-buildup; orphan in /proc/net/sockstat falls, TcpExtTCPAbortOnMemory stands "
      "still";
  finding.not_useful = {
      {"net.ipv4.tcp_fin_timeout",
       "counts from the acknowledgement of our FIN (FIN_WAIT_2); these have not sent it yet"},
      {"net.ipv4.tcp_max_orphans (lower)", "resets connections whose peers would still have read their answers"},
      {"net.ipv4.tcp_wmem", "a larger buffer leaves more behind at each close"},
  };
}

void say_cure(const Evidence& in, const Standing& here, const std::string& closers, Finding& finding) {
  const Sample& now = in.now();
  const std::string ns = in_netns(now, here.netns->id);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "In {}: before close(), set TCP_USER_TIMEOUT (30 s, say) on a connection whose peer takes nothing; it then ends "
      "after that time.",
      closers.empty() ? "the program that closes them" : closers);
  cure.steps.push_back(fmt::format(
      "see them: {}ss -tno state fin-wait-1 state last-ack state closing: Send-Q, timer, and no process", ns));
  const std::uint64_t retried = here.rows.size() - here.probed;
  auto retries = sysctl_value(now, here.netns->id, kRetries);
  if (retries && retried > 0) {
    const bool lower = *retries <= 0 || *retries > 4;
    cure.steps.push_back(fmt::format(
        "{} of them hear nothing: the kernel gives up after about {} ({} = {}{}){}", with_commas(retried),
        seconds_text(std::round(retries_for_s(*retries))), kRetries, *retries, *retries <= 0 ? ", which acts as 8" : "",
        lower ? fmt::format("; {}sysctl -w {}=4 makes that about {}, and its price is that a client which is gone for "
                            "so long never gets the rest of its answer",
                            ns, kRetries, seconds_text(std::round(retries_for_s(4))))
              : ""));
  }
  if (here.probed > 0) {
    cure.steps.push_back(fmt::format(
        "{} of them have peers whose kernels answer and whose programs do not read: {} hardly shortens that, about {} "
        "from the last byte that was taken",
        with_commas(here.probed), kRetries, seconds_text(std::round(probes_for_s(now, here.netns->id)))));
  }
}

Finding stand_still(const Evidence& in, const Host& host, const Standing& here) {
  const Sample& now = in.now();
  Finding finding;
  finding.id = kId;
  finding.finding_class = FindingClass::application;
  finding.severity = is_near_limit(in.policy, host) ? Severity::warning : Severity::info;
  Scope& scope = finding.scope;
  scope.kind = ScopeKind::netns;
  scope.netns = here.netns->id;
  scope.netns_name = netns_name(now, here.netns->id);
  scope.local = common_local(here.rows);
  scope.remote = common_remote(here.rows);
  scope.count = here.rows.size();
  const std::string closers = last_users_text(here.rows), peers = peers_of(in.window.connections(), here.rows);
  finding.title = fmt::format("{} closed by {} still {} {} for {}, and none of it is taken",
                              counted(here.rows.size(), "connection"), closers.empty() ? "programs" : closers,
                              here.rows.size() == 1 ? "holds" : "hold", human_bytes(here.unsent), peers);
  finding.confidence_why =
      fmt::format("none of it was acknowledged for {}, and they have no descriptor{}", seconds_text(here.stand_s),
                  closers.empty() ? "; who closed them was not seen" : "; who used them last is named");
  if (closers.empty()) finding.confidence = Confidence::medium;
  const std::string source = source_of(now, FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("orphans_standing_still", static_cast<double>(here.rows.size()), "sockets", in.policy.value(kMinCount));
  say("unsent_bytes", static_cast<double>(here.unsent), "bytes");
  say("memory", static_cast<double>(here.memory), "bytes");
  say("stands_for", here.stand_s, "s", needed_s(in.policy));
  say("peers_without_room", static_cast<double>(here.probed), "sockets");
  add_host_evidence(in, host, finding);
  finding.meaning =
      "close() returned at once, and the kernel keeps what was not sent, without a process and against two limits of "
      "the whole host: tcp_max_orphans and tcp_mem.";
  say_cure(in, here, closers, finding);
  say_limit(in, host, finding);
  say_common(finding);
  return finding;
}

/// The number alone, where no connection was seen to stand still.
Finding many_orphans(const Evidence& in, const Host& host) {
  Finding finding;
  finding.id = kId;
  finding.topic = "limit";
  finding.finding_class = FindingClass::capacity;
  finding.scope.kind = ScopeKind::host;
  finding.scope.count = host.orphans.value_or(0);
  const bool aborts = host.aborts >= in.policy.value(kMinAborts);
  finding.severity = aborts ? Severity::warning : Severity::info;
  finding.title = aborts
                      ? fmt::format("{} closed by programs ended for want of memory or of room for orphans",
                                    counted(to_u64(host.aborts), "connection"))
                      : fmt::format("{} of {} closed connections that the kernel keeps are there: they are finishing",
                                    with_commas(host.orphans.value_or(0)), with_commas(host.limit.value_or(0)));
  finding.confidence = Confidence::medium;
  finding.confidence_why = host.finishing > 0 ? "what they hold is being taken by their peers"
                                              : "the kernel's own count; which connections they are was not seen";
  add_host_evidence(in, host, finding);
  finding.meaning = "Programs close connections before the peers have taken everything, faster than those finish.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Find the program that closes with much unsent: it should let its peers read to the end first.";
  cure.steps.push_back("see them: ss -tno state fin-wait-1 state last-ack state closing");
  say_limit(in, host, finding);
  say_common(finding);
  return finding;
}

Outcome judge_orphans(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  if (in.window.samples() < 2) return Outcome::unknown(too_few_samples(in.window, 2));
  Host host = host_of(in);
  std::vector<Finding> findings;
  for (const Standing& here : standing_in(in, host)) {
    if (static_cast<double>(here.rows.size()) >= in.policy.value(kMinCount)) {
      findings.push_back(stand_still(in, host, here));
    }
  }
  // Under pressure it is memory that ends them: tcp-mem-pressure-global tells of it.
  const bool many = host.share() >= in.policy.value(kLimitShare);
  const bool ended = host.aborts >= in.policy.value(kMinAborts) && !now.memory.under_pressure.value_or(false);
  if (findings.empty() && (many || ended)) findings.push_back(many_orphans(in, host));
  std::string not_assessed;
  if (host.orphans.value_or(0) >= kSomeOrphans && !host.limit) not_assessed = fmt::format("{} was not read", kLimit);
  return Outcome::of(std::move(findings), std::move(not_assessed), "closed connections whose data nobody takes",
                     fmt::format("{}, {} are finishing", with_commas(host.standing), with_commas(host.finishing)));
}

constexpr std::array kThresholds = {kMinCount, kStandsFor, kLimitShare, kMinAborts};
constexpr std::array<std::string_view, 3> kReferences = {
    "Documentation/networking/ip-sysctl.rst: tcp_max_orphans, tcp_orphan_retries",
    "net/ipv4/tcp_timer.c: tcp_out_of_resources, tcp_probe_timer", "tcp(7): TCP_USER_TIMEOUT"};

}  // namespace
}  // namespace orphan_buildup_rule

namespace rules {

extern const Rule orphan_buildup = {
    .id = orphan_buildup_rule::kId,
    .title = "closed connections whose data nobody takes",
    .explanation =
        "A program may close a connection before the peer has taken everything. The kernel goes on with it as an "
        "orphan, in FIN_WAIT_1, CLOSING or LAST_ACK, with its data and a timer. Towards peers that do not read or have "
        "vanished these stay for minutes, and all of the host share one limit, beyond which the kernel resets them.",
    .thresholds = orphan_buildup_rule::kThresholds,
    .references = orphan_buildup_rule::kReferences,
    .judge = orphan_buildup_rule::judge_orphans,
};

}  // namespace rules
}  // namespace tcpadvisor
