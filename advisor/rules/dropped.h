// SPDX-License-Identifier: Apache-2.0
// What a hook saw this host drop over a while, for rules that look for the place of a loss.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/drop_reasons.h"
#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

struct Dropped {
  const Drops* what = nullptr;
  std::uint64_t segments = 0;
};
using DroppedList = std::vector<Dropped>;  ///< most first

/// Whether a hook counts what is dropped.
bool drops_are_counted(const Sample& now);
/// None was left out for want of room in its table: only then does an empty list say that nothing was dropped where we
/// looked.
bool all_drops_counted(const Sample& now);
/// That nothing is known of drops, and how that could be changed, in one sentence; empty where something is, or where
/// nobody could have looked: in a recording of an earlier release.
std::string drops_not_counted(const Sample& now);

DroppedList dropped(const Past& past, const Sample& now);

/// Those that may be why something was sent again from `netns` to `peer`: on the way there, its answers, and what
/// another namespace of this host dropped of it. `own`: addresses of this end, as far as they are known.
DroppedList dropped_between(const DroppedList& all, NetnsId netns, const Endpoint& peer, const std::set<Endpoint>& own);
/// What came to a listening port, and SYNs that were meant for it.
DroppedList dropped_for_port(const DroppedList& all, NetnsId netns, std::uint16_t port);
DroppedList dropped_for(const DroppedList& all, std::string_view reason);  ///< by the kernel's name of it

std::uint64_t segments_of(const DroppedList& list);

/// "a rule of the packet filter (NETFILTER_DROP in nf_hook_slow)".
std::string place_words(const Drops& what);
/// The same of the most frequent ones, with their namespace where it is not `netns`.
std::string places_words(const Sample& now, NetnsId netns, const DroppedList& list);
/// Where something was lost that was sent again, as far as it can be known here. `of_it`: what this host dropped of it;
/// `by_devices`: what all its devices dropped of anything, nothing if that is not read.
std::string where_lost(const Sample& now, NetnsId netns, const DroppedList& of_it, std::optional<double> by_devices);
/// What shows more about such drops. `ns`: what to type before a command to be in that namespace.
std::string step_to_see(const Drops& what, const std::string& ns);

/// The most frequent ones as evidence.
void add_dropped(const Window& window, const Past& past, const DroppedList& list, Finding& finding);

}  // namespace tcpadvisor
