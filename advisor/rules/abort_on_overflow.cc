// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace abort_on_overflow_rule {
namespace {

constexpr std::string_view kKnob = "net.ipv4.tcp_abort_on_overflow";
constexpr std::string_view kOverflows = "TcpExt.ListenOverflows", kResets = "TcpExt.EmbryonicRsts";

/// What the setting did in one namespace; nothing where a counter was not read twice.
struct Effect {
  std::optional<double> overflows, resets;
  bool overflowed() const { return overflows.value_or(0) > 0; }
  /// EmbryonicRsts also counts clients that take their SYN back: no more were reset than found the queue full.
  double reset() const { return std::min(resets.value_or(0), overflows.value_or(0)); }
};

/// The listeners that had no room, by name; the others have nothing to do with it.
std::vector<std::string> full_listeners(const Evidence& in, NetnsId netns) {
  std::vector<std::string> out;
  for (const QueueHistory& queue : in.accept_queues()) {
    if (queue.listener->netns != netns || !queue.known() || *queue.drops <= 0 || !queue.overflowed()) continue;
    out.push_back(fmt::format("{} on {}", process_text(scope_of_listener(in.now(), *queue.listener)),
                              port_text(*queue.listener)));
  }
  return out;
}

Finding finding_for(const Evidence& in, const NetnsSample& netns, std::int64_t value, const Effect& effect) {
  const Window& window = in.window;
  Finding finding;
  finding.id = "abort-on-overflow-set";
  finding.severity = effect.reset() > 0 ? Severity::warning : Severity::info;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = netns.id;
  finding.scope.netns_name = netns_name(in.now(), netns.id);
  finding.title =
      effect.reset() > 0
          ? fmt::format("{} reset because an accept queue was full: {} = {}",
                        effect.reset() == 1 ? "1 client was" : counted(to_u64(effect.reset()), "client") + " were",
                        kKnob, value)
          : fmt::format("A full accept queue would reset clients: {} = {}", kKnob, value);
  finding.confidence = effect.overflows ? Confidence::high : Confidence::medium;
  finding.confidence_why = effect.reset() > 0    ? "the kernel counts both the overflows and the resets"
                           : effect.overflowed() ? "a queue was full, but only SYNs came then, which are dropped"
                           : effect.overflows    ? "the value of the setting; no queue was full in this time"
                                                 : "the value of the setting; whether a queue was full is not known";
  finding.evidence.push_back(
      measured(window, "tcp_abort_on_overflow", std::string(kKnob), static_cast<double>(value), "", 0));
  if (effect.overflows)
    finding.evidence.push_back(
        measured(window, "overflows", std::string(kOverflows), *effect.overflows, "connections", 0));
  if (effect.resets)
    finding.evidence.push_back(
        measured(window, "resets_in_handshake", std::string(kResets), *effect.resets, "connections", 0));
  finding.meaning =
      "The client believes that it is connected when its last step of the handshake finds the queue full. With this "
      "setting it gets a reset; without it the step is tried again, and a burst is over by then.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::sysctl;
  cure.text = fmt::format("Set {} = 0 in this namespace, unless a load balancer in front counts on the reset.", kKnob);
  Change change = Change::in(in.now(), netns.id, kKnob);
  change.current = change.upper = {value};
  change.lower = change.target = {0};
  if (!change.host_netns) cure.steps.push_back("to keep it: " + text_of(change).persist);
  cure.change = std::move(change);
  cure.applicability = Applicability::needs_review;
  cure.formula = "0 is what the kernel starts with";
  std::vector<std::string> full = full_listeners(in, netns.id);
  if (!full.empty()) cure.steps.push_back("the queue that was full: " + most_frequent(full));
  if (effect.overflowed()) {
    cure.expected_effect = Recommendation::Effect{.metric = "resets_in_handshake", .from = effect.reset(), .to = 0};
  }
  cure.verify =
      fmt::format("{}nstat -az TcpExtEmbryonicRsts stands still at the next burst", in_netns(in.now(), netns.id));
  finding.not_useful = {{"net.ipv4.tcp_max_syn_backlog",
                         "limits half-open connections, not those that wait for "
                         "accept()"},
                        {"net.ipv4.tcp_synack_retries",
                         "how often the last step is asked for again; nothing is asked "
                         "for after a reset"}};
  return finding;
}

Outcome judge_abort_on_overflow(const Evidence& in) {
  std::vector<Finding> findings;
  std::string not_assessed;
  std::uint64_t read = 0;
  for (const NetnsSample& netns : in.now().netns) {
    if (!netns.error.empty()) continue;
    auto value = sysctl_value(in.now(), netns.id, std::string(kKnob));
    if (!value) {
      keep_one(not_assessed, fmt::format("{} of namespace {} was not read", kKnob, netns_name(in.now(), netns.id)));
      continue;
    }
    ++read;
    if (*value == 0) continue;
    Effect effect{.overflows = in.window.increase(netns.id, kOverflows),
                  .resets = in.window.increase(netns.id, kResets)};
    findings.push_back(finding_for(in, netns, *value, effect));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "namespaces in which a full queue resets clients",
                     fmt::format("0 of {}", read));
}

constexpr std::array<std::string_view, 2> kReferences = {
    "net/ipv4/tcp_minisocks.c: tcp_check_req", "Documentation/networking/ip-sysctl.rst: tcp_abort_on_overflow"};

}  // namespace
}  // namespace abort_on_overflow_rule

namespace rules {

extern const Rule abort_on_overflow_set = {
    .id = "abort-on-overflow-set",
    .title = "a full accept queue resets clients",
    .explanation =
        "With tcp_abort_on_overflow a client whose handshake ends while the accept queue is full gets a reset. Without "
        "it the kernel waits for the next attempt, and a short burst does no harm.",
    .references = abort_on_overflow_rule::kReferences,
    .judge = abort_on_overflow_rule::judge_abort_on_overflow,
};

}  // namespace rules
}  // namespace tcpadvisor
