// SPDX-License-Identifier: Apache-2.0
// Settings that take away what TCP mends losses and waits with.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/knobs.h"
#include "advisor/rules/port_share.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace recovery_settings_rule {
namespace {

constexpr std::string_view kId = "recovery-settings";
constexpr std::int64_t kFewRetries2 = 8;  // RFC 1122, 4.2.3.5: at least 100 s
constexpr std::int64_t kFewSynRetries = 2, kRack = 1;
constexpr std::int64_t kShortestRtoUs = 5'000, kLongestRtoMinUs = 1'000'000, kShortestRtoMaxMs = 10'000;
constexpr std::uint64_t kSequenceSpace = 1ull << 32;  // bytes until the numbers of a connection begin again
constexpr std::int64_t kDefaultRtoMinUs = 200'000, kDefaultRtoMaxMs = 120'000, kDefaultRetries2 = 15;

/// A setting of one namespace that is not as it should be.
struct Fault {
  std::string_view knob;
  std::int64_t value = 0, restored = 0;  ///< what it is, and what the kernel starts with
  std::optional<double> mark;            ///< what it is compared with
  std::string reason;
};

/// What the settings of one namespace say, and what is seen of its connections.
struct Place {
  const Evidence& in;
  const NetnsSample& netns;
  std::optional<std::int64_t> value(std::string_view knob) const {
    return sysctl_value(in.now(), netns.id, std::string(knob));
  }
};

/// How long the kernel sends again until it gives up: tcp_model_timeout() in net/ipv4/tcp_timer.c, in seconds.
double gives_up_after_s(const Place& place) {
  auto first = static_cast<double>(kDefaultRtoMinUs) / 1e6;
  auto number = [&](std::string_view knob, std::int64_t initial) {
    return std::max(static_cast<double>(place.value(knob).value_or(initial)), 0.0);
  };
  double most = number("net.ipv4.tcp_rto_max_ms", kDefaultRtoMaxMs) / 1e3;
  double tries = number("net.ipv4.tcp_retries2", kDefaultRetries2);
  double doubled = std::floor(std::log2(std::max(most / first, 1.0)));
  double steps = std::min(tries, doubled);
  return (std::exp2(steps + 1) - 1) * first + std::max(tries - doubled, 0.0) * most;
}

/// Where a missing timestamp is missed; empty where it is not.
std::string who_misses_timestamps(const Place& place) {
  const Sample& now = place.in.now();
  if (place.in.window.increase(place.netns.id, "TcpExt.SyncookiesSent").value_or(0) > 0) {
    return "SYN cookies are in use, and without timestamps such connections have no window scaling and no SACK";
  }
  auto reuse = place.value("net.ipv4.tcp_tw_reuse");
  if (reuse == 1 && fullest_share(port_shares(now), place.netns.id) >= place.in.policy.value(kPortShare)) {
    return "local ports are scarce, and tcp_tw_reuse = 1 does nothing without timestamps";
  }
  auto wrapped = std::ranges::count_if(now.sockets, [&](const SocketRow& row) {
    return row.netns == place.netns.id &&
           std::max(row.bytes_acked.value_or(0), row.bytes_received.value_or(0)) >= kSequenceSpace;
  });
  if (wrapped == 0) return "";
  return fmt::format("{} moved more than 4 GiB, and only timestamps tell an old segment from a new one then",
                     counted(static_cast<std::uint64_t>(wrapped), "connection"));
}

void add_retries(const Place& place, std::vector<Fault>& out) {
  auto retries = place.value("net.ipv4.tcp_retries2");
  if (retries && *retries < kFewRetries2) {
    out.push_back({"net.ipv4.tcp_retries2", *retries, kDefaultRetries2, static_cast<double>(kFewRetries2),
                   fmt::format("connections end after {} without an answer: a short outage breaks them all",
                               seconds_text(gives_up_after_s(place)))});
  }
  auto syns = place.value("net.ipv4.tcp_syn_retries");
  if (syns && *syns < kFewSynRetries) {
    out.push_back({"net.ipv4.tcp_syn_retries", *syns, 6, static_cast<double>(kFewSynRetries),
                   "connect() fails after 2 or 3 s when two segments are lost"});
  }
}

void add_rto(const Place& place, std::vector<Fault>& out) {
  auto least = place.value("net.ipv4.tcp_rto_min_us");
  if (least && *least < kShortestRtoUs) {
    out.push_back({"net.ipv4.tcp_rto_min_us", *least, kDefaultRtoMinUs, static_cast<double>(kShortestRtoUs),
                   "peers may hold an acknowledgement back for 40 ms: segments are sent again that were not lost"});
  } else if (least && *least > kLongestRtoMinUs) {
    out.push_back({"net.ipv4.tcp_rto_min_us", *least, kDefaultRtoMinUs, static_cast<double>(kLongestRtoMinUs),
                   "a loss at the end of what is sent waits so long"});
  }
  auto most = place.value("net.ipv4.tcp_rto_max_ms");
  if (most && *most < kShortestRtoMaxMs) {
    out.push_back({"net.ipv4.tcp_rto_max_ms", *most, kDefaultRtoMaxMs, static_cast<double>(kShortestRtoMaxMs),
                   fmt::format("attempts do not thin out in an outage, and end after {}",
                               seconds_text(gives_up_after_s(place)))});
  }
}

/// Those that hurt most first.
std::vector<Fault> faults_of(const Place& place) {
  std::vector<Fault> out;
  auto is = [&](std::string_view knob, std::int64_t wanted) { return place.value(knob) == wanted; };
  if (is("net.ipv4.tcp_sack", 0)) {
    out.push_back({"net.ipv4.tcp_sack", 0, 1, std::nullopt,
                   "of several losses in a round trip only one is mended, or all is sent again"});
  }
  add_retries(place, out);
  auto recovery = place.value("net.ipv4.tcp_recovery");
  if (recovery && (*recovery & kRack) == 0) {
    out.push_back({"net.ipv4.tcp_recovery", *recovery, 1, std::nullopt,
                   "losses are found by counting segments, not by their times (RACK); newer kernels may ignore it"});
  }
  if (is("net.ipv4.tcp_early_retrans", 0)) {
    out.push_back({"net.ipv4.tcp_early_retrans", 0, 3, std::nullopt,
                   "no probe follows the last segment (TLP): when that one is lost, a time-out is waited for"});
  }
  add_rto(place, out);
  if (is("net.ipv4.tcp_timestamps", 0)) {
    std::string reason = who_misses_timestamps(place);
    if (!reason.empty()) out.push_back({"net.ipv4.tcp_timestamps", 0, 1, std::nullopt, std::move(reason)});
  }
  return out;
}

Change change_of(const Place& place, const Fault& fault) {
  Change change = Change::in(place.in.now(), place.netns.id, fault.knob);
  change.current = {fault.value};
  change.lower = change.target = change.upper = {fault.restored};
  return change;
}

Finding finding_for(const Place& place, const std::vector<Fault>& faults) {
  const Sample& now = place.in.now();
  Finding finding;
  finding.id = kId;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = place.netns.id;
  finding.scope.netns_name = netns_name(now, place.netns.id);
  const Fault& first = faults.front();
  finding.title = faults.size() == 1 ? fmt::format("{} = {} makes losses cost more", first.knob, first.value)
                                     : fmt::format("{} make losses cost more, {} = {} first",
                                                   counted(faults.size(), "setting"), first.knob, first.value);
  finding.confidence_why = "the values of the settings; what they cost shows only when something is lost";
  for (const Fault& fault : faults) {
    const Knob* knob = find_knob(fault.knob);
    finding.evidence.push_back(measured(place.in.window, std::string(fault.knob.substr(fault.knob.rfind('.') + 1)),
                                        std::string(fault.knob), static_cast<double>(fault.value),
                                        knob == nullptr ? "" : std::string(knob->unit), fault.mark));
    finding.meaning += fmt::format("{}{} = {} (the kernel starts with {}): {}.", finding.meaning.empty() ? "" : " ",
                                   fault.knob, fault.value, fault.restored, fault.reason);
  }
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::sysctl;
  cure.applicability = Applicability::needs_review;
  cure.change = change_of(place, first);
  cure.text = fmt::format("Set {} = {} again, unless somebody can say why it differs.", first.knob, first.restored);
  cure.formula = "what the kernel starts with";
  for (const Fault& fault : faults) {
    if (&fault != &first) cure.steps.push_back("also: " + text_of(change_of(place, fault)).apply);
  }
  if (!cure.change->host_netns) cure.steps.push_back("to keep it: " + text_of(*cure.change).persist);
  cure.verify = fmt::format("{}sysctl {}; tcpadvisor report --only {}", in_netns(now, place.netns.id), first.knob, kId);
  finding.not_useful = {
      {"net.ipv4.tcp_congestion_control", "a better one knows losses by the same means, and cannot do without them"}};
  return finding;
}

Outcome judge_recovery_settings(const Evidence& in) {
  std::vector<Finding> findings;
  std::string not_assessed;
  std::uint64_t read = 0;
  for (const NetnsSample& netns : in.now().netns) {
    if (!netns.error.empty()) continue;
    const Place place{in, netns};
    if (!place.value("net.ipv4.tcp_sack") || !place.value("net.ipv4.tcp_retries2")) {
      not_assessed =
          fmt::format("tcp_sack and tcp_retries2 of namespace {} were not read", netns_name(in.now(), netns.id));
      continue;
    }
    ++read;
    std::vector<Fault> faults = faults_of(place);
    if (!faults.empty()) findings.push_back(finding_for(place, faults));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed),
                     "namespaces with settings that make losses cost more", fmt::format("0 of {}", read));
}

constexpr std::array kThresholds = {kPortShare};
constexpr std::array<std::string_view, 3> kReferences = {
    "Documentation/networking/ip-sysctl.rst: tcp_sack, tcp_retries2, tcp_recovery, tcp_early_retrans",
    "net/ipv4/tcp_timer.c: tcp_model_timeout", "RFC 1122, 4.2.3.5"};

}  // namespace
}  // namespace recovery_settings_rule

namespace rules {

extern const Rule recovery_settings = {
    .id = recovery_settings_rule::kId,
    .title = "settings that make losses cost more",
    .explanation =
        "TCP mends losses with selective acknowledgements, probes, and patience. A setting that takes one of these "
        "away does no harm until a segment is lost or a path is down for a moment; then connections stall or end.",
    .thresholds = recovery_settings_rule::kThresholds,
    .references = recovery_settings_rule::kReferences,
    .judge = recovery_settings_rule::judge_recovery_settings,
};

}  // namespace rules
}  // namespace tcpadvisor
