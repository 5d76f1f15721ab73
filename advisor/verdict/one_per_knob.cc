// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/one_per_knob.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/knobs.h"
#include "advisor/rules/memory_gate.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kReceive = "net.ipv4.tcp_rmem", kSend = "net.ipv4.tcp_wmem";
constexpr std::size_t kMost = 2;  // of the three values: the maximum

using Place = std::pair<std::string_view, NetnsId>;  ///< a setting, and where it is set

Place place_of(const Change& change) {
  const Knob* knob = find_knob(change.knob);
  const bool of_host = change.host_netns || (knob != nullptr && knob->scope == KnobScope::host);
  return {change.knob, of_host ? 0 : change.netns};
}

/// The range of ports grows downwards at its first value.
bool less_is_more(const Change& change, std::size_t at) {
  return change.knob == "net.ipv4.ip_local_port_range" && at == 0;
}

enum class Way : std::uint8_t { stays, less, more };

Way way_of(const Change& change, std::size_t at) {
  if (at >= change.target.size() || at >= change.current.size() || change.target[at] == change.current[at])
    return Way::stays;
  return (change.target[at] > change.current[at]) != less_is_more(change, at) ? Way::more : Way::less;
}

/// Whether `one` gives more of the setting than `other`.
bool gives_more(const Change& one, const Change& other, std::size_t at) {
  return less_is_more(one, at) ? one.target[at] < other.target[at] : one.target[at] > other.target[at];
}

/// What several findings make of one setting.
struct Merged {
  Change change;
  std::vector<Way> ways;  ///< of each value
};

/// Of two that want the same way: the one that gives more, except that what saves memory is not watered down.
bool is_heard_before(const Finding& one, const Finding& other, Way way, std::size_t at) {
  const Change &wish = *one.recommendation.change, &other_wish = *other.recommendation.change;
  const bool saves = way == Way::less && one.finding_class == FindingClass::memory;
  const bool other_saves = way == Way::less && other.finding_class == FindingClass::memory;
  if (saves != other_saves) return saves;
  return saves ? gives_more(other_wish, wish, at) : gives_more(wish, other_wish, at);
}

/// Parts of several wishes may not be in order, as the values of a setting have to be: then one of them counts, that
/// which gives the most of the last value without being against anybody who lowers it.
void take_one_whole(const std::vector<Finding*>& wishes, Merged& out) {
  auto in_order = [](const Change& change) { return std::ranges::is_sorted(change.target); };
  auto whole = [](const Finding* wish) -> const Change& { return *wish->recommendation.change; };
  if (in_order(out.change) || !std::ranges::any_of(wishes, in_order, whole)) return;
  const std::size_t last = out.change.target.size() - 1;
  const Change* best = nullptr;
  for (const Finding* wish : wishes) {
    const Change& change = whole(wish);
    if (!in_order(change) || way_of(change, last) != out.ways[last]) continue;
    if (best == nullptr || gives_more(change, *best, last)) best = &change;
  }
  if (best == nullptr) best = &whole(*std::ranges::find_if(wishes, in_order, whole));
  out.change = *best;
}

Merged merged(const std::vector<Finding*>& wishes) {
  Merged out{.change = *wishes.front()->recommendation.change, .ways = {}};
  for (std::size_t at = 0; at < out.change.target.size(); ++at) {
    auto anybody = [&](Way way) {
      return std::ranges::any_of(wishes,
                                 [&](const Finding* wish) { return way_of(*wish->recommendation.change, at) == way; });
    };
    const Way way = anybody(Way::less) ? Way::less : anybody(Way::more) ? Way::more : Way::stays;
    out.ways.push_back(way);
    const Finding* heard = nullptr;
    for (const Finding* wish : wishes) {
      if (way_of(*wish->recommendation.change, at) != way) continue;
      if (heard == nullptr || is_heard_before(*wish, *heard, way, at)) heard = wish;
    }
    const Change& best = *heard->recommendation.change;
    out.change.target[at] = best.target[at];
    out.change.lower[at] = best.lower[at];
    out.change.upper[at] = best.upper[at];
  }
  take_one_whole(wishes, out);
  return out;
}

/// It asks for something that the one value does not give, because another finding lowers it.
bool loses(const Change& wish, const Merged& one) {
  for (std::size_t at = 0; at < wish.target.size(); ++at) {
    if (way_of(wish, at) == Way::more && one.ways[at] == Way::less) return true;
  }
  return false;
}

/// Who carries the change: who has asked for just that, if possible not one that loses something by it.
Finding* bearer_of(const std::vector<Finding*>& wishes, const Merged& one) {
  return *std::ranges::min_element(wishes, {}, [&](const Finding* wish) {
    const Change& change = *wish->recommendation.change;
    return std::tuple(change.target != one.change.target, loses(change, one), -static_cast<int>(wish->severity),
                      std::string_view(wish->id), std::string_view(wish->instance));
  });
}

std::string named(const Finding& finding) {
  return fmt::format("{} ({})", finding.instance, finding.id);
}

/// A finding without a change of its own: what to do, and how to see that it has helped, stay.
void refer(Finding& finding, std::string text) {
  Recommendation& cure = finding.recommendation;
  Recommendation other;
  other.text = std::move(text);
  other.steps = std::move(cure.steps);
  other.formula = std::move(cure.formula);
  other.verify = std::move(cure.verify);
  cure = std::move(other);
}

void lose(Finding& finding, std::string text) {
  refer(finding, std::move(text));
  finding.recommendation.kind = RecommendationKind::capacity;
  if (finding.severity == Severity::warning) finding.severity = Severity::info;
}

bool comparable(const std::vector<Finding*>& wishes) {
  const std::size_t values = wishes.front()->recommendation.change->target.size();
  return std::ranges::all_of(wishes, [&](const Finding* wish) {
    const Change& change = *wish->recommendation.change;
    return change.target.size() == values && change.current.size() == values && change.lower.size() == values &&
           change.upper.size() == values;
  });
}

/// All findings of one place as one change.
void agree(const std::vector<Finding*>& wishes) {
  if (!comparable(wishes)) return;
  const Merged one = merged(wishes);
  Finding* bearer = bearer_of(wishes, one);
  Recommendation& cure = bearer->recommendation;
  const std::string value = fmt::format("{} = {}", one.change.knob, values_text(one.change.target));
  const bool of_several = cure.change->target != one.change.target;
  std::string others;
  for (Finding* wish : wishes) {
    if (wish == bearer) continue;
    const Recommendation& asked = wish->recommendation;
    cure.worst_case_memory_bytes = std::max(cure.worst_case_memory_bytes, asked.worst_case_memory_bytes);
    if (of_several) {
      others += fmt::format("{}{}", others.empty() ? "" : ", ", named(*wish));
      if (!asked.formula.empty()) cure.formula += fmt::format("; {}: {}", wish->id, asked.formula);
    }
    if (loses(*asked.change, one)) {
      lose(*wish, fmt::format("Do not raise {} now: finding {} lowers it, and memory comes before speed ({}).",
                              one.change.knob, named(*bearer), value));
    } else {
      refer(*wish, fmt::format("Covered by {} of finding {}.", value, bearer->instance));
    }
  }
  if (of_several) cure.text = fmt::format("{}: one value for this finding and for {}.", value, others);
  cure.change->lower = one.change.lower;
  cure.change->target = one.change.target;
  cure.change->upper = one.change.upper;
}

/// A maximum that is raised, as the finding that carries it says.
struct Raise {
  Finding* finding = nullptr;
  std::string_view knob;
  std::uint64_t current = 0, target = 0;
  explicit Raise(Finding* of) : finding(of) {
    const Change& change = *of->recommendation.change;
    knob = change.knob;
    current = to_u64(change.current[kMost]);
    target = to_u64(change.target[kMost]);
  }
  bool raises() const { return target > current; }
  void step_down() { target = std::max(current, std::bit_floor(sub_sat(target, 1))); }
};

/// What became of one of two maxima: as it was meant, less, or nothing.
void settle(const Evidence& in, const std::vector<const SocketRow*>& flows, const Raise& raise, const Raise& beside) {
  Finding& finding = *raise.finding;
  Recommendation& cure = finding.recommendation;
  const MemoryGate gate(in, beside.target, flows);
  const auto meant = to_u64(cure.change->target[kMost]);
  if (raise.target == meant && !beside.raises()) return;  // what its rule has said stands
  const std::string by = beside.raises()
                             ? fmt::format("finding {} raises {} as well", named(*beside.finding), beside.knob)
                             : "others here would get it, too";
  cure.formula += fmt::format("; with {} = {}: {}", beside.knob, human_bytes(beside.target),
                              gate.arithmetic(raise.raises() ? raise.target : meant));
  if (!raise.raises()) {
    lose(finding, !gate.refusal().empty()
                      ? fmt::format("Do not raise {} now: {}.", raise.knob, gate.refusal())
                      : fmt::format("Do not raise {} now: {}, and busy connections could take more memory than there "
                                    "is for them.",
                                    raise.knob, by));
    return;
  }
  Change& change = *cure.change;
  const auto target = values_of({raise.target}).front();
  const std::uint64_t upper = std::min(to_u64(change.upper[kMost]), gate.most());
  change.target[kMost] = target;
  change.lower[kMost] = std::min(change.lower[kMost], target);
  change.upper[kMost] = values_of({std::max(raise.target, upper)}).front();
  cure.worst_case_memory_bytes = gate.worst_case(raise.target);
  if (raise.target == meant) return;
  cure.formula += "; memory-capped";
  cure.text =
      fmt::format("{} = {}: less than it would be alone, because {}.", raise.knob, values_text(change.target), by);
}

using Flows = std::map<NetnsId, std::vector<const SocketRow*>>;

Flows flows_of(const Sample& now) {
  Flows out;
  for (const SocketRow& row : now.sockets) {
    if (row.state == TcpState::established) out[row.netns].push_back(&row);
  }
  return out;
}

/// tcp_rmem and tcp_wmem of one namespace: one connection may take both.
void fit_together(const Evidence& in, const std::vector<const SocketRow*>& flows, Finding* receive, Finding* send) {
  Raise one(receive), other(send);
  if (!one.raises() || !other.raises()) return;
  const MemoryGate gate(in, 0, flows);
  while ((one.raises() || other.raises()) && !gate.passes(add_sat(one.target, other.target))) {
    const bool of_one = one.raises() && (!other.raises() || one.target >= other.target);
    (of_one ? one : other).step_down();
  }
  settle(in, flows, one, other);
  settle(in, flows, other, one);
}

}  // namespace

void one_per_knob(const Evidence& in, std::vector<Finding>& findings) {
  std::map<Place, std::vector<Finding*>> places;
  for (Finding& finding : findings) {
    const Boxed<Change>& change = finding.recommendation.change;
    if (change) places[place_of(*change)].push_back(&finding);
  }
  for (auto& [place, wishes] : places) {
    if (wishes.size() > 1) agree(wishes);
    std::erase_if(wishes, [](const Finding* wish) { return !wish->recommendation.change; });
  }
  std::optional<Flows> flows;  // wanted seldom
  for (auto& [place, wishes] : places) {
    if (place.first != kReceive) continue;
    auto send = places.find(Place(kSend, place.second));
    if (send == places.end()) continue;
    if (!flows) flows = flows_of(in.now());
    Finding* receive = wishes.front();
    fit_together(in, (*flows)[receive->recommendation.change->netns], receive, send->second.front());
  }
}

}  // namespace tcpadvisor
