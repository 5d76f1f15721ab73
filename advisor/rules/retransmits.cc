// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/dropped.h"
#include "advisor/rules/flows.h"
#include "advisor/rules/retransmits_by_address.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace retransmits_rule {
namespace {

constexpr Threshold kMinShare = ratio_threshold("min_share", 0.001);   // of the segments sent; fewer are no topic
constexpr Threshold kMuchShare = ratio_threshold("much_share", 0.02);  // from here on a full path is a trouble, too
constexpr Threshold kSpuriousShare = ratio_threshold("spurious_share", 0.5);  // that the peer had already
constexpr Threshold kLocalShare = ratio_threshold("local_share", 0.5);        // that devices of this namespace dropped
constexpr Threshold kBusyShare = ratio_threshold("busy_share", 0.5);          // of the time: a flow that wants more
constexpr double kLeastS = 10;
constexpr std::size_t kFewestLooks = 4;
constexpr std::size_t kFewestTimes = 3;  // between two looks: one burst of losses is the start of a flow
constexpr double kNoQueue = 1.25;        // srtt / min_rtt: no queue stands where the segments are lost
constexpr double kQueue = 1.5;
constexpr double kMostlyOurs = 2;  // so many times what was sent again here, at most, in the place whose kinds count
constexpr double kModelRange = 3;  // the rate that losses allow is known no better

enum class Why : std::uint8_t { spurious, local, lossy, congested, unclear, tail };
constexpr std::array<std::string_view, 6> kTopics = {"spurious",   "local-drop", "lossy-path",
                                                     "congestion", "unclear",    "tail"};

/// What one connection had to send again.
struct Loss {
  const SocketRow* row = nullptr;
  double sent = 0, again = 0, duplicates = 0, acked = 0, span_s = 0;
  double srtt_us = 0, busy_share = 0, window_share = 0;  ///< window_share: of the busy time, limited by the peer
  bool duplicates_known = false;
};

std::optional<Loss> loss_of(const Window& window, const Past& past, const SocketRow& row) {
  if (row.kind != SocketKind::full || row.total_retrans.value_or(0) < kFewestTimes) return std::nullopt;
  const PastRow* first = past.first().find(row);
  if (first != nullptr && first->total_retrans == Maybe<std::uint32_t>(row.total_retrans)) return std::nullopt;
  if (stays_inside(window, row)) return std::nullopt;
  Progress progress = progress_of(past, row);
  // Where nothing is acknowledged any more, nothing is known about the path: the peer may be gone.
  if (progress.retransmits.value_or(0) == 0 || progress.acked.value_or(0) == 0 || !progress.segs_out)
    return std::nullopt;
  Series again = numbers(past, row, &PastRow::total_retrans);
  if (again.rises() < kFewestTimes) return std::nullopt;
  Loss out{.row = &row,
           .sent = *progress.segs_out,
           .again = *progress.retransmits,
           .duplicates = progress.duplicates.value_or(0),
           .acked = *progress.acked,
           .span_s = progress.span_s,
           .srtt_us = progress.srtt_us,
           .duplicates_known = progress.duplicates.has_value()};
  Series busy = numbers(past, row, &PastRow::busy_us);
  if (busy.span_s() > 0) out.busy_share = busy.increase() / 1e6 / busy.span_s();
  if (busy.increase() > 0) {
    out.window_share = numbers(past, row, &PastRow::rwnd_limited_us).increase() / busy.increase();
  }
  return out;
}

/// All that one process sent again towards one address.
struct Towards {
  double sent = 0, again = 0, duplicates = 0;
  double queue = 0;                       ///< srtt / min_rtt, weighted by what was sent again; 0 if not known
  std::optional<RetransmitCounts> kinds;  ///< of all that was sent to this address, or in the namespace
  bool kinds_of_address = false;
  bool duplicates_known = true;
  DroppedList dropped;  ///< of it, on this host
  double dropped_here = 0;
  std::vector<Loss> losses;
};

void add(Towards& sum, const Loss& loss) {
  sum.sent += loss.sent;
  sum.again += loss.again;
  sum.duplicates += loss.duplicates;
  sum.duplicates_known = sum.duplicates_known && loss.duplicates_known;
  sum.losses.push_back(loss);
}

double queue_of(const Towards& towards) {
  double weighted = 0, weight = 0;
  for (const Loss& loss : towards.losses) {
    double min_rtt = loss.row->min_rtt_us.value_or(0);
    if (min_rtt == 0 || loss.srtt_us == 0) continue;
    weighted += loss.again * loss.srtt_us / min_rtt;
    weight += loss.again;
  }
  return weight > 0 ? weighted / weight : 0;
}

Why why_of(const Policy& policy, const Towards& towards) {
  if (towards.duplicates_known && towards.duplicates > policy.value(kSpuriousShare) * towards.again)
    return Why::spurious;
  if (towards.dropped_here >= policy.value(kLocalShare) * towards.again) return Why::local;
  if (towards.queue >= kQueue) return Why::congested;
  // The kinds are those of these connections, for the most part.
  if (towards.kinds && of_connections(*towards.kinds) <= kMostlyOurs * towards.again &&
      tail_share(*towards.kinds) >= policy.value(kTailShare))
    return Why::tail;
  return towards.queue > 0 && towards.queue <= kNoQueue ? Why::lossy : Why::unclear;
}

/// What a loss-based control can carry over this round trip with this loss (Mathis and others, 1997): bytes per second.
double rate_by_losses(const Loss& loss) {
  double p = loss.again / std::max(1.0, loss.sent);
  return p > 0 && loss.srtt_us > 0 ? 1.22 * loss.row->mss.value_or(1448) / (loss.srtt_us / 1e6 * std::sqrt(p)) : 0;
}

/// The losses, and nothing else, set its rate.
bool held_back(const Policy& policy, const Loss& loss) {
  double rate = loss.span_s > 0 ? loss.acked / loss.span_s : 0, model = rate_by_losses(loss);
  return !is_model_based(loss.row->congestion_control) && loss.busy_share >= policy.value(kBusyShare) &&
         loss.window_share < 0.5 && rate <= kModelRange * model && model <= kModelRange * rate;
}

struct Group {
  const FlowGroup& flows;
  Why why = Why::unclear;
  Towards sum;
  std::optional<double> dropped_here;  ///< by devices, of anything
  Loss worst;
  std::string where;  ///< they are lost
  bool held_back = false;
  double share() const { return sum.again / std::max(1.0, sum.sent); }
};

/// A queue that drops may do what it is there for; a filter or a route that drops a part of a connection hardly does.
bool is_mistake(const DroppedList& dropped) {
  if (dropped.empty()) return false;
  const DropPlace place = place_of(*dropped.front().what);
  return place == DropPlace::filter || place == DropPlace::route;
}

void say_meaning(const Sample& now, const Group& group, Finding& finding) {
  const std::string who = process_text(finding.scope);
  Recommendation& cure = finding.recommendation;
  switch (group.why) {
    case Why::spurious:
      finding.meaning =
          "The peer reports most of what was sent again as duplicates: nothing was lost. Segments came late or out of "
          "order, by several ways through the network or a delay that jumped.";
      cure.text = "Change nothing here. Look at link bundles and parallel routes only if the rate matters.";
      break;
    case Why::local:
      if (!group.sum.dropped.empty()) {
        const Drops& most = *group.sum.dropped.front().what;
        finding.meaning = fmt::format("This host itself drops these packets: {}. Nothing is wrong with the network.",
                                      places_words(now, finding.scope.netns, group.sum.dropped));
        finding.confidence = Confidence::high;
        finding.confidence_why = "the kernel told of each packet, by its address, why and where it was dropped";
        cure.kind = RecommendationKind::capacity;
        cure.text = is_mistake(group.sum.dropped)
                        ? fmt::format("Correct what drops them: {}.", place_words(most))
                        : fmt::format("See why {} drops them: a rate or a limit that is too small for what is sent.",
                                      place_words(most));
        cure.steps = {step_to_see(most, in_netns(now, most.netns))};
        break;
      }
      finding.meaning =
          "About as many packets were dropped by devices of this namespace, or by the queues in front of them: the "
          "losses happen on this host.";
      cure.kind = RecommendationKind::capacity;
      cure.text =
          "See which queue drops (ip -s link, tc -s qdisc): a shaper's rate, a queue that is too short for its rate, "
          "or "
          "a reader of a TUN device that does not keep up.";
      break;
    case Why::lossy:
      finding.meaning =
          "Segments are lost although no queue stands on the path (the round trip is as short as ever): a line that "
          "damages packets, a policer, or a queue too short to be seen. " +
          group.where;
      if (group.held_back) {
        finding.meaning += fmt::format(
            " {} takes each loss for a full path: at {:.2f} % over {:.0f} ms it gets about {}/s, whatever the line is "
            "worth.",
            group.worst.row->congestion_control.empty() ? "The congestion control"
                                                        : group.worst.row->congestion_control,
            group.share() * 100, group.worst.srtt_us / 1000,
            human_bytes(static_cast<std::uint64_t>(rate_by_losses(group.worst))));
      }
      cure.kind = RecommendationKind::peer;
      cure.text = "Find the line that loses packets (errors at its ports, radio, a policer) and repair it.";
      if (group.held_back) {
        cure.kind = RecommendationKind::application;
        cure.text += fmt::format(" Until then, try bbr for {} alone: it does not slow down for single losses.", who);
        cure.steps = {
            "in the program: setsockopt(TCP_CONGESTION, \"bbr\"); or ip route change <peer's net> … congctl bbr",
            "compare the rate and the retransmissions, also of others on that path, before "
            "net.ipv4.tcp_congestion_control is set for all"};
        const NetnsSample* netns = now.find_netns(finding.scope.netns);
        auto known = netns == nullptr ? Sysctls::const_iterator{}
                                      : netns->sysctls.find("net.ipv4.tcp_available_congestion_control");
        if (netns != nullptr && known != netns->sysctls.end() && !known->second.text.contains("bbr"))
          cure.steps.insert(cure.steps.begin(), "bbr is not loaded in this kernel: modprobe tcp_bbr on the host");
      }
      break;
    case Why::congested:
      finding.meaning = fmt::format(
          "Round trips take {:.1f} times as long as on the empty path: a queue is full, and what does not fit is lost. "
          "So a sender finds out what the path carries. {}",
          group.sum.queue, group.where);
      cure.kind = RecommendationKind::capacity;
      cure.text =
          "No setting of this host makes the path wider. At the narrow place: a queue that drops early (fq_codel, "
          "cake), "
          "or more capacity; here: fewer flows at once.";
      break;
    case Why::tail:
      finding.meaning = fmt::format(
          "Most of what is lost is the last of what was sent at once, as short answers are: nothing comes behind that "
          "would tell of the loss. A probe after two round trips repairs it, and where that is lost, too, the timer, "
          "after 200 ms at least. The answers are late by that; the rate does not suffer. {}",
          group.where);
      cure.kind = RecommendationKind::peer;
      cure.text = "Find the line that loses packets (errors at its ports, radio, a policer) and repair it.";
      cure.steps = {
          "is the probe on (the default): sysctl net.ipv4.tcp_early_retrans is 3, net.ipv4.tcp_sack is 1",
          "inside a network of your own: ip route change <peer's net> … rto_min 50ms lets the timer run out sooner; "
          "not where acknowledgements may be delayed for longer"};
      break;
    case Why::unclear:
      finding.meaning =
          "Round trips are a little longer than on the empty path: losses of the line and of a queue cannot "
          "be told apart. " +
          group.where;
      cure.text = "Observe for longer, and at the other hosts on that path, before anything is changed.";
      break;
  }
  cure.verify = "tcpadvisor report --only retrans-cc-qdisc; ss -ti: retrans stays, dsack_dups tells duplicates";
}

Severity severity_of(const Policy& policy, const Group& group) {
  const bool much = group.share() >= policy.value(kMuchShare);
  switch (group.why) {
    case Why::spurious:
    case Why::unclear:
      return Severity::info;
    case Why::tail:
      return much ? Severity::warning : Severity::info;
    case Why::lossy:
      return group.held_back || much ? Severity::warning : Severity::info;
    case Why::local:
      return much || is_mistake(group.sum.dropped) ? Severity::warning : Severity::info;
    case Why::congested:
      return much ? Severity::warning : Severity::info;
  }
  return Severity::info;
}

constexpr std::array<std::string_view, 6> kTitles = {
    "were sent again without need", "were lost on this host", "are lost on a path without a queue",
    "are lost on a full path",      "are lost on the path",   "are lost at the end of what is sent"};

void say_kinds(const Past& past, const Evidence& in, const Group& group, Finding& finding) {
  if (!group.sum.kinds) return;
  add_kinds(
      in.window, past, *group.sum.kinds,
      group.sum.kinds_of_address ? source_of(in.now(), FactId::retransmits) : "/proc/net/netstat of the namespace",
      finding);
  if (group.why == Why::tail) {
    finding.evidence.push_back(measured(in.window, "repaired_by_probe_or_timer", "the kinds above",
                                        tail_share(*group.sum.kinds), "ratio", in.policy.value(kTailShare)));
  }
}

Finding finding_for(const Evidence& in, const Past& past, const Group& group) {
  const Sample& now = in.now();
  Finding finding;
  finding.id = "retrans-cc-qdisc";
  finding.topic = kTopics[static_cast<std::size_t>(group.why)];
  finding.severity = severity_of(in.policy, group);
  finding.finding_class = group.why == Why::local ? FindingClass::kernel_config : FindingClass::network_path;
  finding.scope = group.flows.scope;
  finding.title =
      fmt::format("{:.2g} % of the segments from {} to {} {}", group.share() * 100, process_text(finding.scope),
                  peers_text(group.flows), kTitles[static_cast<std::size_t>(group.why)]);
  finding.confidence = group.why == Why::spurious || group.held_back ? Confidence::high : Confidence::medium;
  finding.confidence_why = group.why == Why::spurious ? "the peer's own reports (DSACK)"
                           : group.why == Why::tail && !group.sum.kinds_of_address
                               ? "by counters of the whole namespace: no hook counts what is sent again to each address"
                               : "from counts and round trips at this end; no single loss is followed to its place";
  std::string source = source_of(now, FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    Measurement one = measured(in.window, metric, source, value, unit, threshold);
    one.window_s = past.span_s();
    one.samples = past.samples();
    finding.evidence.push_back(std::move(one));
  };
  say("retransmitted_share", group.share(), "ratio", in.policy.value(kMinShare));
  say("retransmitted", group.sum.again, "segments", in.policy.value(kMinRetransmits));
  if (group.sum.duplicates_known) {
    say("reported_as_duplicates", std::min(1.0, group.sum.duplicates / group.sum.again), "ratio",
        in.policy.value(kSpuriousShare));
  }
  if (group.sum.queue > 0)
    say("rtt_of_min_rtt", group.sum.queue, "ratio", group.why == Why::congested ? kQueue : kNoQueue);
  if (group.dropped_here) {
    finding.evidence.push_back(
        measured(in.window, "dropped_by_own_devices", "netlink", *group.dropped_here, "packets"));
  }
  add_dropped(in.window, past, group.sum.dropped, finding);
  const bool beyond = all_drops_counted(now) && group.sum.dropped.empty();
  if (beyond) {
    Measurement none = measured(in.window, "dropped_here", source_of(now, FactId::drops), 0, "segments");
    none.window_s = past.span_s();
    none.samples = past.samples();
    finding.evidence.push_back(std::move(none));
  }
  if (beyond && (group.why == Why::lossy || group.why == Why::congested)) {
    finding.confidence = Confidence::high;
    finding.confidence_why =
        "round trips tell whether a queue stands on the path, and a hook saw no packet of this address dropped on this "
        "host";
  }
  if (group.worst.span_s > 0) say("rate", group.worst.acked / group.worst.span_s * 8 / 1e6, "Mbit/s");
  if (group.held_back) say("rate_that_losses_allow", rate_by_losses(group.worst) * 8 / 1e6, "Mbit/s");
  say_kinds(past, in, group, finding);
  say_meaning(now, group, finding);
  finding.not_useful = {
      {"net.ipv4.tcp_sack, net.ipv4.tcp_dsack, net.ipv4.tcp_timestamps",
       "turned off, each loss takes longer to repair"},
      {"net.ipv4.tcp_wmem, net.ipv4.tcp_rmem", "no buffer is full; a larger one loses as much"},
      {"net.ipv4.tcp_retries2", "says when to give up, not what gets lost"},
  };
  if (group.why == Why::tail) {
    finding.not_useful.push_back(
        {"net.ipv4.tcp_congestion_control = bbr", "every control waits for the same probe and the same timer"});
  }
  if (group.why != Why::local) {
    finding.not_useful.push_back({"txqueuelen", "this host's own queues are not where they are lost"});
  } else {
    finding.not_useful.push_back({"txqueuelen 10000", "the packets wait longer instead, and TCP still fills it"});
  }
  return finding;
}

/// Each address counts once, however many of the connections go there.
void add_up_kinds(const FlowGroup& flows, const std::map<const SocketRow*, const Towards*>& towards_of, Towards& sum) {
  std::set<const Towards*> added;
  for (const SocketRow* row : flows.rows) {
    const auto found = towards_of.find(row);
    if (found == towards_of.end()) continue;
    const Towards* towards = found->second;
    if (!towards->kinds || !added.insert(towards).second) continue;
    if (!sum.kinds || !towards->kinds_of_address) {
      sum.kinds = towards->kinds;
    } else {
      for (auto kind : kRetransmitKinds) (*sum.kinds).*kind = add_sat((*sum.kinds).*kind, (*towards->kinds).*kind);
    }
    sum.kinds_of_address = towards->kinds_of_address;
  }
}

/// The same for what was dropped: what stands for several addresses counts once.
void add_up_drops(const FlowGroup& flows, const std::map<const SocketRow*, const Towards*>& towards_of, Towards& sum) {
  std::set<const Drops*> added;
  for (const SocketRow* row : flows.rows) {
    const auto found = towards_of.find(row);
    if (found == towards_of.end()) continue;
    for (const Dropped& one : found->second->dropped) {
      if (added.insert(one.what).second) sum.dropped.push_back(one);
    }
  }
  std::ranges::stable_sort(sum.dropped, std::ranges::greater(), &Dropped::segments);
}

/// Packets of it that this host dropped: those that the kernel told of one by one, or by its devices' counters what is
/// in none of those.
double dropped_of(const Towards& towards, std::optional<double> by_devices, double told_in_netns) {
  const double unexplained = std::max(0.0, by_devices.value_or(0) - told_in_netns);
  return std::max(static_cast<double>(segments_of(towards.dropped)), unexplained);
}

std::set<Endpoint> own_addresses(const Towards& towards) {
  std::set<Endpoint> out;
  for (const Loss& loss : towards.losses) {
    Endpoint own = loss.row->local;
    own.port = 0;
    out.insert(own);
  }
  return out;
}

Outcome judge(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = progress_problem(in, kFewestLooks); !problem.empty()) return Outcome::unknown(problem);
  const Past past = recent(in, kLeastS);
  std::map<std::tuple<Pid, NetnsId, std::string>, Towards> all;
  for (const SocketRow& row : now.sockets) {
    if (auto loss = loss_of(in.window, past, row)) {
      add(all[{row.owner ? row.owner->pid : 0, row.netns, row.remote.ip_text()}], *loss);
    }
  }
  const std::vector<SentAgain> kinds = sent_again(in, past);
  const bool hooked = now.source(FactId::retransmits) == SourceKind::hook;
  std::map<std::pair<NetnsId, std::string>, RetransmitCounts> kinds_of;
  for (const SentAgain& one : kinds) kinds_of[{one.netns, one.destination.ip_text()}] = one.counts;
  const DroppedList all_dropped = dropped(past, now);
  std::map<NetnsId, double> told_of_drops;
  for (const Dropped& one : all_dropped) told_of_drops[one.what->netns] += static_cast<double>(one.segments);
  std::set<std::pair<NetnsId, std::string>> told;
  // One finding for all peers of a process that fare alike.
  FlowGroups groups;
  std::map<const SocketRow*, const Towards*> towards_of;
  std::map<NetnsId, std::optional<double>> drops;
  double worst_share = 0;
  for (auto& [key, towards] : all) {
    double share = towards.again / std::max(1.0, towards.sent);
    worst_share = std::max(worst_share, share);
    if (towards.again < in.policy.value(kMinRetransmits) || share < in.policy.value(kMinShare)) continue;
    NetnsId netns = std::get<NetnsId>(key);
    if (!drops.contains(netns)) drops[netns] = local_drops(past, now.find_netns(netns));
    towards.queue = queue_of(towards);
    const std::pair address{netns, std::get<std::string>(key)};
    told.insert(address);
    if (auto counted = kinds_of.find(address); counted != kinds_of.end()) {
      towards.kinds = counted->second;
      towards.kinds_of_address = true;
    } else if (!hooked) {
      towards.kinds = sent_again_in(past, netns);
    }
    Endpoint peer = towards.losses.front().row->remote;
    peer.port = 0;
    towards.dropped = dropped_between(all_dropped, netns, peer, own_addresses(towards));
    towards.dropped_here = dropped_of(towards, drops[netns], told_of_drops[netns]);
    Why why = why_of(in.policy, towards);
    for (const Loss& loss : towards.losses) {
      groups.add(now, *loss.row, std::string(kTopics[static_cast<std::size_t>(why)]));
      towards_of[loss.row] = &towards;
    }
  }
  std::vector<Finding> findings;
  for (const FlowGroup& flows : groups.take()) {
    Group group{
        .flows = flows, .why = {}, .sum = {}, .dropped_here = drops[flows.scope.netns], .worst = {}, .where = {}};
    group.why = why_of(in.policy, *towards_of[flows.rows.front()]);
    for (const SocketRow* row : flows.rows) {
      for (const Loss& loss : towards_of[row]->losses) {
        if (loss.row != row) continue;
        add(group.sum, loss);
        const bool held = group.why == Why::lossy && held_back(in.policy, loss);
        if (group.worst.row == nullptr || std::pair(held, loss.again) > std::pair(group.held_back, group.worst.again))
          group.worst = loss;
        group.held_back = group.held_back || held;
      }
    }
    group.sum.queue = queue_of(group.sum);
    add_up_kinds(flows, towards_of, group.sum);
    add_up_drops(flows, towards_of, group.sum);
    group.where = where_lost(now, flows.scope.netns, group.sum.dropped, group.dropped_here);
    findings.push_back(finding_for(in, past, group));
  }
  std::ranges::move(retransmits_by_address(in, past, kinds, told), std::back_inserter(findings));
  return Outcome::of(std::move(findings), "", "largest share of segments sent again towards one peer",
                     fmt::format("{:.2f} %", worst_share * 100));
}

constexpr std::array kThresholds = {kMinShare,   kMinRetransmits, kMuchShare, kSpuriousShare,
                                    kLocalShare, kBusyShare,      kTailShare};
constexpr std::array<std::string_view, 3> kReferences = {
    "RFC 8985 (RACK-TLP)", "RFC 3708 (DSACK tells spurious retransmissions)",
    "M. Mathis et al., The macroscopic behavior of the TCP congestion avoidance algorithm, 1997"};

}  // namespace
}  // namespace retransmits_rule

namespace rules {

extern const Rule retrans_cc_qdisc = {
    .id = "retrans-cc-qdisc",
    .title = "why segments are sent again",
    .explanation =
        "Retransmissions are explained for each process and peer: needless ones that the peer reports as duplicates, "
        "drops by this host's own devices, losses on a path without a queue, those of a full path, and those at the "
        "end "
        "of what is sent, which only a probe or the timer repairs. Towards an address whose connections are gone too "
        "soon to be seen: whether anything arrives there at all, and whether handshakes are answered. Only some of "
        "them have a cure at this end.",
    .thresholds = retransmits_rule::kThresholds,
    .references = retransmits_rule::kReferences,
    .covers = {.each = EachOf::flows},
    .judge = retransmits_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
