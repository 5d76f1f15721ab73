// SPDX-License-Identifier: Apache-2.0
// What was sent again over a while, by what made the kernel do it: towards one address, or in a whole namespace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

struct SentAgain {
  NetnsId netns = 0;
  Endpoint destination;  ///< port 0
  RetransmitCounts counts;
};

/// Towards each address something was sent again to, from its namespace's point of view elsewhere.
std::vector<SentAgain> sent_again(const Evidence& in, const Past& past);

/// By the counters of the namespace, where no hook counts; nothing if they are not read. Probes with new data are in
/// it.
std::optional<RetransmitCounts> sent_again_in(const Past& past, NetnsId netns);

/// Without those of handshakes.
double of_connections(const RetransmitCounts& counts);
/// Of those, the part that a probe or the timer had to repair because nothing came behind that told of the loss.
double tail_share(const RetransmitCounts& counts);

/// Each kind that there was, as evidence.
void add_kinds(const Window& window, const Past& past, const RetransmitCounts& counts, const std::string& source,
               Finding& finding);

/// Why the place of a loss is not known: what this host looked at, and what it cannot look at. `dropped_here`: packets
/// that its own devices dropped.
std::string place_text(std::optional<double> dropped_here);
/// Packets that devices of this namespace, or their queueing disciplines, dropped; nothing if that is not read.
std::optional<double> local_drops(const Past& past, const NetnsSample* netns);

}  // namespace tcpadvisor
