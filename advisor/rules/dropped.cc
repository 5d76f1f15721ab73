// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/dropped.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/sent_again.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kNamed = 3;

template <typename Fits>
DroppedList those(const DroppedList& all, Fits fits) {
  DroppedList out;
  std::ranges::copy_if(all, std::back_inserter(out), [&](const Dropped& one) { return fits(*one.what); });
  return out;
}

struct Words {
  std::string_view reason, words;
};
constexpr std::array kByReason = {
    Words{"NETFILTER_DROP", "a rule of the packet filter"},
    Words{"BPF_CGROUP_EGRESS", "a BPF program on a cgroup"},
    Words{"XDP", "an XDP program"},
    Words{"SECURITY_HOOK", "a security module"},
    Words{"XFRM_POLICY", "an IPsec policy"},
    Words{"IP_RPFILTER", "the reverse path filter (rp_filter)"},
    Words{"SOCKET_FILTER", "a filter on the socket, or a BPF program on its cgroup"},
    Words{"SOCKET_BACKLOG", "the backlog behind a call that holds the socket"},
    Words{"PROTO_MEM", "a socket without memory to receive"},
    Words{"TCP_LISTEN_OVERFLOW", "a full accept queue"},
};

std::string_view words_of(const Drops& what) {
  auto known = std::ranges::find(kByReason, what.reason, &Words::reason);
  if (known != kByReason.end()) return known->words;
  switch (place_of(what)) {
    case DropPlace::filter:
      return what.reason.starts_with("TC_") ? "a filter of tc" : "a filter";
    case DropPlace::route:
      return what.reason.starts_with("NEIGH_") ? "the search for the next host's hardware address" : "routing";
    case DropPlace::qdisc:
      return "the queue in front of a device";
    case DropPlace::device:
      return "a device";
    case DropPlace::cpu_queue:
      return "the queue of a processor";
    case DropPlace::ip:
      return "IP, for its header or its size";
    case DropPlace::socket:
      return "the socket";
    case DropPlace::tcp:
      return "TCP itself";
    case DropPlace::unknown:
      break;
  }
  return "the kernel";
}

std::string kernel_words(const Drops& what) {
  return what.function.empty() ? what.reason : fmt::format("{} in {}", what.reason, what.function);
}

}  // namespace

bool drops_are_counted(const Sample& now) {
  return now.source(FactId::drops) == SourceKind::hook;
}

bool all_drops_counted(const Sample& now) {
  const auto lost = now.self.lost.find("drops");
  return drops_are_counted(now) && (lost == now.self.lost.end() || lost->second == 0);
}

std::string drops_not_counted(const Sample& now) {
  const FactCoverage* fact = now.fact(FactId::drops);
  if (fact == nullptr || drops_are_counted(now)) return "";
  const bool off = std::ranges::any_of(
      fact->attempts, [](const Attempt& one) { return one.why_not.find("--drops off") != std::string::npos; });
  return off ? "What this host drops is not counted: leave --drops at auto, or set it to on."
             : "What this host drops is not counted (tcpadvisor doctor says why: drops).";
}

DroppedList dropped(const Past& past, const Sample& now) {
  DroppedList out;
  for (const Drops& one : now.drops) {
    const std::uint64_t segments = past.increase(one);
    if (segments > 0) out.push_back({&one, segments});
  }
  std::ranges::stable_sort(out, std::ranges::greater(), &Dropped::segments);
  return out;
}

DroppedList dropped_between(const DroppedList& all, NetnsId netns, const Endpoint& peer,
                            const std::set<Endpoint>& own) {
  return those(all, [&](const Drops& one) {
    if (one.port != 0) return false;
    if (one.netns == netns) return one.peer == peer && (one.outgoing || place_of(one) != DropPlace::tcp);
    return one.peer == peer || own.contains(one.peer);
  });
}

DroppedList dropped_for_port(const DroppedList& all, NetnsId netns, std::uint16_t port) {
  return those(all, [&](const Drops& one) { return one.netns == netns && one.port == port; });
}

DroppedList dropped_for(const DroppedList& all, std::string_view reason) {
  return those(all, [&](const Drops& one) { return one.reason == reason; });
}

std::uint64_t segments_of(const DroppedList& list) {
  std::uint64_t sum = 0;
  for (const Dropped& one : list) sum = add_sat(sum, one.segments);
  return sum;
}

std::string place_words(const Drops& what) {
  return fmt::format("{} ({})", words_of(what), printable(kernel_words(what)));
}

std::string places_words(const Sample& now, NetnsId netns, const DroppedList& list) {
  std::vector<std::string> told;
  for (const Dropped& one : list) {
    std::string words = place_words(*one.what);
    if (one.what->netns != netns) words += fmt::format(" in namespace {}", netns_name(now, one.what->netns));
    if (told.size() < kNamed && std::ranges::find(told, words) == told.end()) told.push_back(std::move(words));
  }
  return fmt::format("{}", fmt::join(told, ", "));
}

std::string where_lost(const Sample& now, NetnsId netns, const DroppedList& of_it, std::optional<double> by_devices) {
  if (!drops_are_counted(now)) {
    const std::string why_not = drops_not_counted(now);
    return place_text(by_devices) + (why_not.empty() ? "" : " " + why_not);
  }
  if (of_it.empty() && !all_drops_counted(now))
    return place_text(by_devices) + " What this host drops was not all counted, for want of room.";
  if (of_it.empty()) return "None of these packets was dropped on this host: they are lost beyond it.";
  return fmt::format("Of them {} dropped on this host, by {}; the others are lost beyond it.",
                     segments_of(of_it) == 1 ? "one was" : with_commas(segments_of(of_it)) + " were",
                     places_words(now, netns, of_it));
}

std::string step_to_see(const Drops& what, const std::string& ns) {
  switch (place_of(what)) {
    case DropPlace::filter:
      if (what.reason == "NETFILTER_DROP")
        return fmt::format("which rule's counter grows: {0}nft list ruleset; {0}iptables-save -c", ns);
      return fmt::format("what filters here: {0}tc -s filter show dev DEVICE; bpftool net; bpftool cgroup tree", ns);
    case DropPlace::route:
      return fmt::format("{0}ip route get {1}; {0}ip neigh; {0}sysctl net.ipv4.conf.all.rp_filter", ns,
                         what.peer.is_unspecified() ? "ADDRESS" : what.peer.ip_text());
    case DropPlace::socket:
      return "what the program set on its socket: ss -tnm shows d (drops) and bl; bpftool cgroup tree";
    default:
      return fmt::format("which queue or device drops: {0}tc -s qdisc; {0}ip -s link", ns);
  }
}

void add_dropped(const Window& window, const Past& past, const DroppedList& list, Finding& finding) {
  for (std::size_t i = 0; i < std::min(kNamed, list.size()); ++i) {
    Measurement one = measured(window, "dropped_here", printable(kernel_words(*list[i].what)),
                               static_cast<double>(list[i].segments), "segments");
    one.window_s = past.span_s();
    one.samples = past.samples();
    finding.evidence.push_back(std::move(one));
  }
}

}  // namespace tcpadvisor
