// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/dropped.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace softnet_drop_rule {
namespace {

constexpr Threshold kMinDrops = count_threshold("min_drops", 10, "packets").clears_at(0.5);
constexpr Threshold kSqueezeShare = ratio_threshold("squeeze_share", 0.001).clears_at(0.5);  // of the packets
constexpr Threshold kMinSqueezes = count_threshold("min_squeezes", 100, "times").clears_at(0.5);
constexpr Threshold kSteadyShare =
    ratio_threshold("steady_share", 0.5).clears_at(0.6);                // of the looks: too much all the time, no burst
constexpr Threshold kOneShare = ratio_threshold("one_processor", 0.8);  // of all packets: the others could help
constexpr std::string_view kKnob = "net.core.netdev_max_backlog", kBudget = "net.core.netdev_budget_usecs";
constexpr std::string_view kFile = "/proc/net/softnet_stat";
constexpr double kBurstS = 0.01;  // the queue should hold what comes in so long
constexpr std::uint64_t kFewestInBurst = 1'000, kMostBacklog = 16'384;
constexpr std::uint64_t kBytesOfPacket = 2'355;  // a full frame and what the kernel keeps with it: about 2.3 KiB
constexpr std::size_t kFewestSteps = 4, kNamed = 4;

/// What came to the queue of one processor while we looked.
struct Load {
  std::uint32_t cpu = 0;
  double processed = 0, dropped = 0, squeezed = 0, steered = 0, flow_limited = 0;
  double peak_per_s = 0;  ///< packets that came, in the busiest step
};

/// The kernel's counters have 32 bits and begin again at 0.
double increase(std::uint32_t before, std::uint32_t now) {
  std::uint32_t more = now - before;
  return more > 1u << 31 ? now : more;  // a step back is no way round: all of it is new
}

struct Queues {
  std::vector<Load> loads;  ///< most dropped first
  Load all;
  std::size_t steps = 0, steps_with_drops = 0;
};

Queues queues_of(const Window& window) {
  Queues out;
  std::map<std::uint32_t, Load> by_cpu;
  for (std::size_t i = 1; i < window.samples(); ++i) {
    const PastTick &before = window.at(i - 1), &now = window.at(i);
    double span_s = window.seconds_at(i) - window.seconds_at(i - 1);
    double dropped = 0;
    std::map<std::uint32_t, const Softnet*> then;
    for (const Softnet& cpu : before.softnet) then[cpu.cpu] = &cpu;
    for (const Softnet& cpu : now.softnet) {
      auto old = then.find(cpu.cpu);
      if (old == then.end()) continue;
      Load& load = by_cpu[cpu.cpu];
      load.cpu = cpu.cpu;
      double came = increase(old->second->processed, cpu.processed);
      double lost = increase(old->second->dropped, cpu.dropped);
      load.processed += came;
      load.dropped += lost;
      load.squeezed += increase(old->second->time_squeeze, cpu.time_squeeze);
      load.steered += increase(old->second->steered, cpu.steered);
      load.flow_limited += increase(old->second->flow_limited, cpu.flow_limited);
      if (span_s > 0) load.peak_per_s = std::max(load.peak_per_s, (came + lost) / span_s);
      dropped += lost;
    }
    if (now.softnet.empty() || before.softnet.empty()) continue;
    ++out.steps;
    if (dropped > 0) ++out.steps_with_drops;
  }
  for (const auto& [cpu, load] : by_cpu) {
    out.loads.push_back(load);
    out.all.processed += load.processed;
    out.all.dropped += load.dropped;
    out.all.squeezed += load.squeezed;
    out.all.steered += load.steered;
    out.all.flow_limited += load.flow_limited;
  }
  std::ranges::stable_sort(out.loads, std::ranges::greater(), &Load::dropped);
  return out;
}

/// "CPU 3 (1,204), CPU 7 (20)": those with the most of it.
std::string cpus_text(const Queues& queues, double Load::* what) {
  std::vector<const Load*> ranked;
  for (const Load& load : queues.loads) {
    if (load.*what > 0) ranked.push_back(&load);
  }
  std::ranges::stable_sort(ranked, std::ranges::greater(), [what](const Load* load) { return load->*what; });
  std::string out;
  for (std::size_t i = 0; i < std::min(kNamed, ranked.size()); ++i) {
    out += fmt::format("{}CPU {} ({})", i == 0 ? "" : ", ", ranked[i]->cpu, with_commas(to_u64(ranked[i]->*what)));
  }
  if (ranked.size() > kNamed) out += fmt::format(", {} more", ranked.size() - kNamed);
  return out;
}

/// What TCP noticed: data came out of order, or this host sent again. Nothing where no namespace tells.
std::optional<double> noticed(const Window& window) {
  auto again = window.increase("Tcp.RetransSegs"), gaps = window.increase("TcpExt.TCPOFOQueue");
  if (!again && !gaps) return std::nullopt;
  return again.value_or(0) + gaps.value_or(0);
}

std::string devices_text(const Sample& now) {
  const NetnsSample* host = now.host_netns();
  if (host != nullptr) {
    for (const Device& device : host->devices) {
      if (device.name != "lo") return printable(device.name);
    }
  }
  return "DEVICE";
}

void say_spreading(const Sample& now, const Queues& queues, Recommendation& cure) {
  const Load& worst = queues.loads.front();
  std::string device = devices_text(now);
  cure.steps.push_back(fmt::format(
      "spread first: more receive queues (ethtool -L {} combined N, interrupts on several processors){}", device,
      queues.all.steered > 0
          ? fmt::format("; RPS is in use: are CPU {} and those beside it the right ones in "
                        "/sys/class/net/{}/queues/rx-*/rps_cpus?",
                        worst.cpu, device)
          : fmt::format(", or RPS: a mask of processors into /sys/class/net/{}/queues/rx-0/rps_cpus", device)));
  if (now.host.cpus > 1) {
    cure.steps.push_back(
        fmt::format("mpstat -P ALL 1: %soft of CPU {} near 100 means that it is at its end", worst.cpu));
  }
}

/// A longer queue carries a burst. Too much all the time fills any queue, a little later.
void recommend(const Evidence& in, const Queues& queues, Finding& finding) {
  const Sample& now = in.now();
  const Load& worst = queues.loads.front();
  Recommendation& cure = finding.recommendation;
  say_spreading(now, queues, cure);
  if (queues.all.squeezed > 0) {
    cure.steps.push_back(fmt::format("{} times the kernel stopped with packets left to do: if that goes on, twice {}",
                                     with_commas(to_u64(queues.all.squeezed)), kBudget));
  }
  cure.verify = "awk '{print $2}' /proc/net/softnet_stat: the numbers (hexadecimal) stand still";
  bool steady = queues.steps >= kFewestSteps && static_cast<double>(queues.steps_with_drops) >=
                                                    in.policy.value(kSteadyShare) * static_cast<double>(queues.steps);
  const NetnsSample* host = now.host_netns();
  auto current = host == nullptr ? std::nullopt : sysctl_value(now, host->id, std::string(kKnob));
  std::uint64_t in_burst = std::max(kFewestInBurst, to_u64(worst.peak_per_s * kBurstS));
  std::uint64_t target = std::min(kMostBacklog, mul_sat<std::uint64_t>(2, in_burst));
  cure.formula = fmt::format("2 x max({}, {:.0f} packets/s x {:.0f} ms), at most {}: {}", with_commas(kFewestInBurst),
                             worst.peak_per_s, kBurstS * 1000, with_commas(kMostBacklog), with_commas(target));
  if (steady || !current || to_u64(*current) >= target) {
    cure.kind = RecommendationKind::capacity;
    cure.text =
        steady ? "Spread the packets over more processors, or send less: packets were dropped at most of the looks, so "
                 "a longer queue would be full as well, and everything would wait in it."
        : current ? fmt::format("Spread the packets over more processors: {} = {} is long enough for a burst.", kKnob,
                                with_commas(to_u64(*current)))
                  : "Spread the packets over more processors.";
    return;
  }
  Change change = Change::in(now, host->id, kKnob);
  change.current = {*current};
  change.lower = values_of({std::min(target, std::max(to_u64(*current), target / 2))});
  change.target = values_of({target});
  change.upper = values_of({kMostBacklog});
  cure.kind = RecommendationKind::sysctl;
  cure.text = fmt::format("If spreading is not possible: raise {} from {} to {}, for bursts like this.", kKnob,
                          with_commas(to_u64(*current)), with_commas(target));
  cure.change = std::move(change);
  cure.applicability = Applicability::needs_review;
  cure.expected_effect = Recommendation::Effect{.metric = "packets_dropped", .from = queues.all.dropped, .to = 0};
  cure.worst_case_memory_bytes = mul_sat(mul_sat(target, kBytesOfPacket), std::max<std::uint64_t>(now.host.cpus, 1));
}

Finding begun(const Evidence& in, const Queues& queues) {
  Finding finding;
  finding.id = "softnet-drop";
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::host;
  finding.scope.netns_name = "host";
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, std::string(kFile), value, unit, threshold));
  };
  say("packets_dropped", queues.all.dropped, "packets", in.policy.value(kMinDrops));
  say("packets", queues.all.processed, "packets");
  say("time_squeezes", queues.all.squeezed, "times", in.policy.value(kMinSqueezes));
  return finding;
}

Finding drops(const Evidence& in, const Queues& queues) {
  const Window& window = in.window;
  const Load& worst = queues.loads.front();
  Finding finding = begun(in, queues);
  finding.topic = "drops";
  finding.title = fmt::format("{} were dropped before TCP saw them: the queue of {} was full",
                              counted(to_u64(queues.all.dropped), "packet"), cpus_text(queues, &Load::dropped));
  finding.evidence.push_back(
      measured(window, "packets_per_s_at_worst", std::string(kFile), worst.peak_per_s, "packets/s"));
  if (queues.all.processed > 0) {
    double share = worst.processed / queues.all.processed;
    finding.evidence.push_back(
        measured(window, "share_of_one_processor", std::string(kFile), share, "ratio", in.policy.value(kOneShare)));
  }
  if (queues.all.flow_limited > 0) {
    finding.evidence.push_back(
        measured(window, "dropped_by_flow_limit", std::string(kFile), queues.all.flow_limited, "packets"));
  }
  std::optional<double> felt = noticed(window);
  if (felt)
    finding.evidence.push_back(
        measured(window, "sent_again_or_out_of_order", "Tcp.RetransSegs + TcpExt.TCPOFOQueue", *felt, "segments"));
  const HostPressure* pressure = window.latest().host_pressure ? &*window.latest().host_pressure : nullptr;
  if (pressure != nullptr && pressure->cpu_some) {
    finding.evidence.push_back(
        measured(window, "waited_for_a_processor", "/proc/pressure/cpu", pressure->cpu_some->percent_10, "percent"));
  }
  std::optional<std::uint64_t> of_tcp;
  if (drops_are_counted(window.latest())) {
    of_tcp = segments_of(dropped_for(dropped(window, window.latest()), "CPU_BACKLOG"));
    finding.evidence.push_back(measured(window, "of_these_tcp",
                                        source_of(window.latest(), FactId::drops) + ": CPU_BACKLOG",
                                        static_cast<double>(*of_tcp), "segments"));
  }
  bool harmless = of_tcp ? *of_tcp == 0 : felt && *felt == 0;
  finding.severity = harmless ? Severity::info : Severity::warning;
  finding.confidence = harmless ? Confidence::medium : Confidence::high;
  finding.confidence_why = harmless && of_tcp ? "the kernel's count; none of them was a TCP segment"
                           : harmless
                               ? "the kernel's count; no TCP segment was sent again or came out of order, so they "
                                 "were of other protocols, or the far ends alone felt it"
                               : "the kernel's own count, for each processor";
  finding.meaning =
      "Packets of veth pairs, of the loopback, of RPS and of drivers without NAPI wait in a queue of the processor. "
      "What comes while it is full is lost, whatever connection it belongs to: TCP sends again and slows down.";
  bool on_purpose = queues.all.flow_limited >= queues.all.dropped / 2 && queues.all.flow_limited > 0;
  if (on_purpose) {
    finding.severity = Severity::info;
    finding.recommendation.text =
        "Change nothing: the flow limit (net.core.flow_limit_cpu_bitmap) drops from one flow that has most of a queue, "
        "so that the others get through.";
    finding.recommendation.verify = "awk '{print $11}' /proc/net/softnet_stat counts them";
  } else {
    recommend(in, queues, finding);
  }
  finding.not_useful = {{"ethtool -G (rings of the device)", "these packets had left the ring already"},
                        {"net.ipv4.tcp_rmem, net.core.rmem_max", "no socket had seen them yet"},
                        {"txqueuelen", "is a queue for sending"}};
  return finding;
}

/// Work that was put off is no loss.
Finding squeezed(const Evidence& in, const Queues& queues) {
  Finding finding = begun(in, queues);
  finding.topic = "squeezed";
  finding.severity = Severity::info;
  finding.title = fmt::format("The kernel put off packets {} times at its budget, none was dropped: {}",
                              with_commas(to_u64(queues.all.squeezed)), cpus_text(queues, &Load::squeezed));
  finding.confidence_why = "the kernel's own count; a budget that is used up is no loss";
  finding.meaning =
      "A run of the network's soft interrupt ends after netdev_budget packets or netdev_budget_usecs, so that programs "
      "get the processor; the rest is done a little later.";
  finding.recommendation.text = "Change nothing as long as nothing is dropped.";
  finding.recommendation.verify = "tcpadvisor report --only softnet-drop";
  finding.not_useful = {
      {"net.core.netdev_budget, net.core.netdev_budget_usecs", "larger ones take the time from the programs that read"},
      {"net.core.netdev_max_backlog", "no queue was full"}};
  return finding;
}

Outcome judge_softnet(const Evidence& in) {
  const Sample& now = in.now();
  if (now.softnet.empty()) {
    const FactCoverage* known = now.fact(FactId::softnet);
    return Outcome::unknown(known == nullptr || known->attempts.empty() || known->attempts.back().why_not.empty()
                                ? fmt::format("{} was not read", kFile)
                                : known->attempts.back().why_not);
  }
  Queues queues = queues_of(in.window);
  if (queues.steps == 0) return Outcome::unknown(too_few_samples(in.window, 2));
  std::vector<Finding> findings;
  if (queues.all.dropped >= in.policy.value(kMinDrops)) {
    findings.push_back(drops(in, queues));
  } else if (queues.all.dropped == 0 && queues.all.squeezed >= in.policy.value(kMinSqueezes) &&
             queues.all.squeezed >= in.policy.value(kSqueezeShare) * queues.all.processed) {
    findings.push_back(squeezed(in, queues));
  }
  return Outcome::of(std::move(findings), "", "packets dropped before TCP saw them",
                     fmt::format("{:.0f} of {:.0f} in {}", queues.all.dropped, queues.all.processed,
                                 seconds_text(in.window.span_s())));
}

constexpr std::array kThresholds = {kMinDrops, kSqueezeShare, kMinSqueezes, kSteadyShare, kOneShare};
constexpr std::array<std::string_view, 2> kReferences = {
    "net/core/dev.c: enqueue_to_backlog, net_rx_action",
    "Documentation/admin-guide/sysctl/net.rst: netdev_max_backlog"};

}  // namespace
}  // namespace softnet_drop_rule

namespace rules {

extern const Rule softnet_drop = {
    .id = "softnet-drop",
    .title = "a processor's queue of packets is full",
    .explanation =
        "Before TCP, packets of veth pairs, the loopback, RPS and simple drivers wait in a queue of each processor, "
        "netdev_max_backlog long. What finds it full is dropped, and counted only in /proc/net/softnet_stat. Spreading "
        "the packets comes before a longer queue; time_squeeze alone is no loss.",
    .thresholds = softnet_drop_rule::kThresholds,
    .references = softnet_drop_rule::kReferences,
    .covers = {.every_namespace = false},
    .judge = softnet_drop_rule::judge_softnet,
};

}  // namespace rules
}  // namespace tcpadvisor
