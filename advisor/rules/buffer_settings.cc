// SPDX-License-Identifier: Apache-2.0
// Settings of buffers that contradict each other, switch the kernel's own sizing off, or do nothing for TCP.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/kernel_version.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/memory_gate.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace buffer_settings_rule {
namespace {

constexpr std::string_view kId = "mem-max-relation";
constexpr Threshold kFarAbove = {"far_above", 2, "times", 1, 1e6};            // of tcp_rmem[2]
constexpr Threshold kLargeStart = size_threshold("large_start", 256 * 1024);  // of tcp_rmem[1]
constexpr Threshold kManySockets = count_threshold("many_sockets", 50'000);
constexpr std::int64_t kLargestDefault = 4 << 20;  // net.core.[rw]mem_max as kernels start with it: 212,992, or this
constexpr std::int64_t kUsualLeast = 4'096, kUsualStart = 131'072, kUsualMost = 6 << 20;  // of tcp_rmem
constexpr std::int64_t kUsualSendStart = 16'384, kUsualSendMost = 4 << 20;                // of tcp_wmem
constexpr std::uint32_t kUnscaledWindow = 65'535;
// net/ipv4/tcp_input.c, tcp_init_buffer_space(): from 4.19.86 on a buffer of 128 KiB waited for a whole window of large
// segments before it grew, until 5.10 and the stable kernels of its time counted in segments as they come.
constexpr KernelVersion kWaitsFrom = {.major = 4, .minor = 19}, kCured = {.major = 5, .minor = 10};
constexpr std::uint32_t kLargeFrames = 2'000;
constexpr std::int64_t kStartBefore = 87'380;

Finding about(const Evidence& in, NetnsId netns, std::string_view topic, std::string title) {
  Finding finding;
  finding.id = kId;
  finding.topic = topic;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = netns;
  finding.scope.netns_name = netns_name(in.now(), netns);
  finding.title = std::move(title);
  finding.confidence_why = "the values of the settings";
  return finding;
}

Measurement value_of(const Evidence& in, std::string_view knob, std::size_t at, std::int64_t value,
                     std::optional<double> threshold, std::string unit) {
  bool triple = knob.ends_with("tcp_rmem") || knob.ends_with("tcp_wmem");
  std::string name(knob.substr(knob.rfind('.') + 1));
  return measured(in.window, triple ? fmt::format("{}[{}]", name, at) : name, std::string(knob),
                  static_cast<double>(value), std::move(unit), threshold);
}

void change_to(const Evidence& in, NetnsId netns, std::string_view knob, std::vector<std::int64_t> current,
               std::vector<std::int64_t> target, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  Change change = Change::in(in.now(), netns, knob);
  change.current = std::move(current);
  change.lower = change.target = change.upper = std::move(target);
  cure.kind = RecommendationKind::sysctl;
  cure.applicability = Applicability::needs_review;
  cure.text = fmt::format("Set {} = {}.", knob, values_text(change.target));
  if (!change.host_netns) cure.steps.push_back("to keep it: " + text_of(change).persist);
  cure.verify = fmt::format("sysctl {}; tcpadvisor report --only {}", knob, kId);
  cure.change = std::move(change);
}

/// In order the maximum is higher than now: no higher than memory allows, and then the others come down to it. Says
/// how.
std::string raised_by_order(const Evidence& in, NetnsId netns, std::string_view knob,
                            const std::vector<std::int64_t>& now, std::vector<std::int64_t>& ordered) {
  const bool receive = knob.ends_with("tcp_rmem");
  const std::string beside = receive ? "net.ipv4.tcp_wmem" : "net.ipv4.tcp_rmem";
  std::vector<const SocketRow*> flows;
  for (const SocketRow& row : in.now().sockets) {
    if (row.netns == netns && row.state == TcpState::established) flows.push_back(&row);
  }
  const MemoryGate gate(in, to_u64(sysctl_value(in.now(), netns, beside, 2).value_or(0)), flows);
  const auto passes = values_of({gate.pass(to_u64(ordered[2]))}).front();
  ordered[2] = std::clamp(passes, std::min(std::max(now[2], now[0]), ordered[2]), ordered[2]);
  ordered[1] = std::min(ordered[1], ordered[2]);
  return "; memory: " + gate.arithmetic(to_u64(ordered[2]));
}

/// The three values of tcp_rmem and tcp_wmem: least, start and most.
void disorder(const Evidence& in, const NetnsSample& netns, std::string_view knob, std::vector<Finding>& out) {
  auto known = netns.sysctls.find(std::string(knob));
  if (known == netns.sysctls.end() || known->second.values.size() != 3) return;
  const std::vector<std::int64_t>& now = known->second.values;
  if (std::ranges::is_sorted(now)) return;
  std::string_view name = knob.substr(knob.rfind('.') + 1);
  const bool receive = name == "tcp_rmem";
  Finding finding = about(in, netns.id, name, fmt::format("The values of {} are not in order", knob));
  for (std::size_t i = 1; i < 3; ++i) {
    if (now[i] < now[i - 1])
      finding.evidence.push_back(value_of(in, knob, i, now[i], static_cast<double>(now[i - 1]), "bytes"));
  }
  finding.meaning =
      "They are the least, the first and the largest size of a buffer; a buffer that starts above its largest size "
      "never grows.";
  std::vector<std::int64_t> ordered = now;
  std::ranges::sort(ordered);
  const bool overflowed = ordered.front() < 0;  // whoever computed it had more than 31 bits
  std::string formula = "the same three values, in order";
  if (overflowed) {
    ordered = {kUsualLeast, receive ? kUsualStart : kUsualSendStart, receive ? kUsualMost : kUsualSendMost};
    formula = "what kernels start with: a size below 0 is one of 2 GiB or more that did not fit";
  } else if (ordered[2] > now[2]) {
    formula += raised_by_order(in, netns.id, knob, now, ordered);
  }
  change_to(in, netns.id, knob, now, ordered, finding);
  finding.recommendation.formula = std::move(formula);
  finding.not_useful = {{"net.core.rmem_max, net.core.wmem_max", "have no part in the kernel's own sizing"}};
  out.push_back(std::move(finding));
}

/// Flows of this namespace whose buffers nobody has fixed, and whose window is used up all the same.
struct Small {
  std::uint64_t fixed = 0, unscaled = 0;
  double rate = 0;  ///< of the fastest, bytes per second
};

std::map<NetnsId, Small> small_windows(const Evidence& in, const PolicyWindows& windows) {
  std::map<NetnsId, Small> out;
  for (const SocketRow& row : in.now().sockets) {
    if (row.state != TcpState::established || row.holder == Holder::unaccepted) continue;
    if (!row.locks || row.locks->rcvbuf) continue;
    auto most = sysctl_value(in.now(), row.netns, "net.ipv4.tcp_rmem", 2);
    bool may_grow = most && row.rcvbuf && *row.rcvbuf < to_u64(*most);
    bool unscaled = row.rcv_wscale == 0 && row.rcv_wnd.value_or(kUnscaledWindow + 1) <= kUnscaledWindow;
    if (!may_grow && !unscaled) continue;
    std::optional<LimitedFlow> flow = limited_flow(in, windows, row, Side::receive);
    if (!flow) continue;
    Small& small = out[row.netns];
    ++(unscaled ? small.unscaled : small.fixed);
    small.rate = std::max(small.rate, flow->rate);
  }
  return out;
}

struct Switch {
  std::string_view knob, topic, title, meaning;
  std::uint64_t Small::* held;
};
constexpr std::array kSwitches = {
    Switch{"net.ipv4.tcp_moderate_rcvbuf", "moderate-rcvbuf", "The kernel does not size receive buffers",
           "Without it a receive buffer keeps the size that it starts with, tcp_rmem[1], however fast and long the "
           "path is.",
           &Small::fixed},
    Switch{"net.ipv4.tcp_window_scaling", "window-scaling", "Windows end at 64 KiB",
           "Without window scaling no window is larger than 65,535 bytes, whatever the buffers are; in both "
           "directions.",
           &Small::unscaled}};

void switched_off(const Evidence& in, const NetnsSample& netns, const Switch& one, const Small& small,
                  std::vector<Finding>& out) {
  auto now = netns.sysctls.find(std::string(one.knob));
  if (now == netns.sysctls.end() || now->second.values != std::vector<std::int64_t>{0}) return;
  Finding finding = about(in, netns.id, one.topic, fmt::format("{}: {} = 0", one.title, one.knob));
  finding.evidence.push_back(value_of(in, one.knob, 0, 0, 1, ""));
  finding.meaning = one.meaning;
  if (std::uint64_t held = small.*one.held; held > 0) {
    finding.severity = Severity::warning;
    finding.scope.count = held;
    finding.title += fmt::format(", and holds {} back", counted(held, "flow"));
    finding.evidence.push_back(measured(in.window, "flows_with_used_up_windows", source_of(in.now(), FactId::snapshot),
                                        static_cast<double>(held), "flows", 0));
    finding.evidence.push_back(measured(in.window, "rate_of_the_fastest", source_of(in.now(), FactId::snapshot),
                                        small.rate * 8 / 1e6, "Mbit/s"));
  }
  change_to(in, netns.id, one.knob, {0}, {1}, finding);
  finding.recommendation.formula = "1 is what every kernel starts with";
  finding.recommendation.steps.push_back("it acts on new connections");
  finding.not_useful = {{"net.ipv4.tcp_rmem[2]", "a larger maximum is not reached while this is off"},
                        {"net.ipv4.tcp_rmem[1]", "would give every connection what a few need"}};
  out.push_back(std::move(finding));
}

/// Whether any program asks for a buffer of its own, as far as that is visible.
bool somebody_asks(const Sample& now) {
  return std::ranges::any_of(now.sockets, [](const SocketRow& row) {
    return row.kind == SocketKind::full && (!row.locks || row.locks->rcvbuf || row.locks->sndbuf);
  });
}

void without_effect(const Evidence& in, const NetnsSample& netns, std::vector<Finding>& out) {
  const Sample& now = in.now();
  if (!netns.is_host || now.rows_suppressed > 0 || now.sockets.empty() || somebody_asks(now)) return;
  if (unlisted_connections(now).count > 0) return;  // whether those have asked nobody knows
  for (auto [knob, tcp] :
       {std::pair("net.core.rmem_max", "net.ipv4.tcp_rmem"), std::pair("net.core.wmem_max", "net.ipv4.tcp_wmem")}) {
    auto most = sysctl_value(now, netns.id, knob), used = sysctl_value(now, netns.id, tcp, 2);
    if (!most || !used || *most <= kLargestDefault) continue;
    double mark = in.policy.value(kFarAbove) * static_cast<double>(*used);
    if (static_cast<double>(*most) <= mark) continue;
    Finding finding = about(in, netns.id, std::string_view(knob).substr(9),
                            fmt::format("{} = {} does nothing for TCP here", knob, human_bytes(to_u64(*most))));
    finding.evidence.push_back(value_of(in, knob, 0, *most, mark, "bytes"));
    finding.meaning = fmt::format(
        "It only limits what a program may ask for with SO_RCVBUF or SO_SNDBUF, and no TCP socket here has asked. The "
        "kernel's own sizing ends at {}[2] = {}.",
        tcp, human_bytes(to_u64(*used)));
    finding.recommendation.text = "Change nothing for TCP: UDP, QUIC and netlink may still need it.";
    finding.not_useful = {{knob, "a larger one makes no TCP connection faster that does not set its buffers"}};
    out.push_back(std::move(finding));
  }
}

void large_start(const Evidence& in, const NetnsSample& netns, std::vector<Finding>& out) {
  constexpr std::string_view kKnob = "net.ipv4.tcp_rmem";
  auto known = netns.sysctls.find(std::string(kKnob));
  if (known == netns.sysctls.end() || known->second.values.size() != 3) return;
  const std::vector<std::int64_t>& now = known->second.values;
  const std::uint64_t sockets = netns.states[index_of(TcpState::established)].count;
  bool large = static_cast<double>(now[1]) > in.policy.value(kLargeStart);
  const std::int64_t start = std::max(now[0], kUsualStart);
  if (!large || start >= now[1] || !std::ranges::is_sorted(now)) return;
  if (static_cast<double>(sockets) <= in.policy.value(kManySockets)) return;
  Finding finding = about(in, netns.id, "large-start",
                          fmt::format("{} connections may each take {} before anything is known about them",
                                      with_commas(sockets), human_bytes(to_u64(now[1]))));
  finding.evidence.push_back(value_of(in, kKnob, 1, now[1], in.policy.value(kLargeStart), "bytes"));
  finding.evidence.push_back(measured(in.window, "established", source_of(in.now(), FactId::snapshot),
                                      static_cast<double>(sockets), "sockets", in.policy.value(kManySockets)));
  finding.meaning =
      fmt::format("tcp_rmem[1] is what each one starts with, without asking: {} in all if their peers send.",
                  human_bytes(mul_sat(sockets, to_u64(now[1]))));
  change_to(in, netns.id, kKnob, now, {now[0], start, std::max(now[2], start)}, finding);
  finding.recommendation.formula = "131,072 is what the kernel starts with; it grows the buffers that need more";
  finding.not_useful = {{"net.ipv4.tcp_rmem[0]", "is only what a socket keeps under memory pressure"}};
  out.push_back(std::move(finding));
}

/// Kernels between 4.19.86 and 5.10, where frames are large and the peers' are not.
void late_growth(const Evidence& in, const NetnsSample& netns, std::vector<Finding>& out) {
  constexpr std::string_view kKnob = "net.ipv4.tcp_rmem";
  const std::optional<KernelVersion> kernel = kernel_version(in.now().host.kernel);
  if (!kernel || *kernel < kWaitsFrom || *kernel >= kCured) return;
  auto known = netns.sysctls.find(std::string(kKnob));
  if (known == netns.sysctls.end() || known->second.values.size() != 3) return;
  const std::vector<std::int64_t>& now = known->second.values;
  auto device =
      std::ranges::find_if(netns.devices, [](const Device& one) { return one.name != "lo" && one.mtu > kLargeFrames; });
  if (device == netns.devices.end() || now[1] < kUsualStart || now[0] > kStartBefore) return;
  Finding finding = about(in, netns.id, "late-growth",
                          fmt::format("Receive buffers may grow late: kernel {} with frames of {} bytes on {}",
                                      printable(in.now().host.kernel), device->mtu, printable(device->name)));
  finding.confidence = Confidence::low;
  finding.confidence_why = "the release and two settings; many stable kernels since December 2020 have the cure";
  finding.evidence.push_back(value_of(in, kKnob, 1, now[1], static_cast<double>(kUsualStart), "bytes"));
  finding.evidence.push_back(measured(in.window, "mtu", printable(device->name), device->mtu, "bytes", kLargeFrames));
  finding.meaning =
      "From 4.19.86 on, and before 5.10, a buffer that starts with 128 KiB is not grown before a whole window of large "
      "segments has come. A peer that sends small ones never fills it, and downloads from far away stall.";
  change_to(in, netns.id, kKnob, now, {now[0], kStartBefore, now[2]}, finding);
  finding.recommendation.text = "If downloads from far away are slow here: take a newer kernel, or set " +
                                fmt::format("{} = {}.", kKnob, values_text(finding.recommendation.change->target));
  finding.recommendation.formula = "87,380 is what kernels started with before";
  finding.not_useful = {{"net.ipv4.tcp_rmem[2], net.core.rmem_max", "the buffer does not come near them"}};
  out.push_back(std::move(finding));
}

Outcome judge_buffer_settings(const Evidence& in) {
  const Sample& now = in.now();
  PolicyWindows windows = policy_windows(in.window, in.policy);
  std::vector<Finding> findings;
  std::map<NetnsId, Small> small = small_windows(in, windows);
  std::uint64_t read = 0;
  for (const NetnsSample& netns : now.netns) {
    if (netns.sysctls.empty()) continue;
    ++read;
    for (std::string_view knob : {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}) disorder(in, netns, knob, findings);
    for (const Switch& one : kSwitches) switched_off(in, netns, one, small[netns.id], findings);
    without_effect(in, netns, findings);
    large_start(in, netns, findings);
    late_growth(in, netns, findings);
  }
  return Outcome::of(std::move(findings), read == 0 ? "no setting could be read" : "",
                     "namespaces whose buffer settings contradict each other", fmt::format("0 of {}", read));
}

constexpr std::array kThresholds = {kFarAbove,      kLargeStart, kManySockets, kWindowUse,
                                    kReaderKeepsUp, kMinRtt,     kMinRate,     kShareOfParts};
constexpr std::array<std::string_view, 2> kReferences = {"tcp(7): tcp_rmem, tcp_moderate_rcvbuf, tcp_window_scaling",
                                                         "socket(7): rmem_max"};

}  // namespace
}  // namespace buffer_settings_rule

namespace rules {

extern const Rule mem_max_relation = {
    .id = buffer_settings_rule::kId,
    .title = "settings of buffers that contradict each other",
    .explanation =
        "Some settings of buffers only work together: the three values of tcp_rmem, the kernel's own sizing, window "
        "scaling, and net.core.rmem_max, which TCP looks at only where a program sets its buffers.",
    .thresholds = buffer_settings_rule::kThresholds,
    .references = buffer_settings_rule::kReferences,
    .judge = buffer_settings_rule::judge_buffer_settings,
};

}  // namespace rules
}  // namespace tcpadvisor
