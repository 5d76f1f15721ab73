// SPDX-License-Identifier: Apache-2.0
// Listeners, destinations and limits of flows: what is counted over the ticks (tally.h), because its sources come and
// go.
#include <algorithm>
#include <span>

#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"

namespace tcpadvisor::exported {
namespace {

using enum MetricType;

/// Each name with its kinds as the last label.
void add_kinds(Family& family, const Counts& counts, std::span<const std::string_view> kinds) {
  for (const auto& [name, counted] : counts.totals()) {
    Labels labels = name;
    labels.emplace_back();
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      labels.back() = kinds[kind];
      family.add(labels, static_cast<double>(counted[kind]));
    }
  }
}

void add_counts(Family& family, const Counts& counts) {
  for (const auto& [name, counted] : counts.totals()) family.add(name, static_cast<double>(counted[0]));
}

void read_listener_drops(const MetricSource& source, Family& family) {
  add_counts(family, source.tally.listener_drops);
}

void read_dropped(const MetricSource& source, Family& family) {
  add_counts(family, source.tally.dropped);
}

constexpr Metric kListeners[] = {
    {{.name = "listener_drops_total",
      .type = counter,
      .unit = "",
      .labels = {"netns", "address", "port"},
      .help = "connections and segments that a listening socket dropped, for any reason, while it was watched"},
     read_listener_drops},
    {{.name = "dropped_segments_total",
      .type = counter,
      .unit = "",
      .labels = {"port", "direction", "reason"},
      .help = "segments of TCP that this host threw away, by the kernel's reason; port: of a listener"},
     read_dropped},
};

void read_failed_connects(const MetricSource& source, Family& family) {
  add_kinds(family, source.tally.failed_connects, kConnectErrorLabels);
}

void read_retransmits(const MetricSource& source, Family& family) {
  add_kinds(family, source.tally.retransmits, kRetransmitLabels);
}

void read_srtt(const MetricSource& source, Family& family) {
  for (const auto& [name, histogram] : source.tally.srtt) family.add(name, histogram);
}

void read_min_rtt(const MetricSource& source, Family& family) {
  for (const auto& [name, histogram] : source.tally.min_rtt) family.add(name, histogram);
}

constexpr std::array<std::string_view, 3> kLimiters = {"network", "receiver_window", "send_buffer"};
constexpr std::size_t kBlocked = kLimiters.size();

void read_limits(const MetricSource& source, Family& family) {
  for (const auto& [name, counted] : source.tally.limited_us.totals()) {
    for (std::size_t kind = 0; kind < kLimiters.size(); ++kind)
      family.add({kLimiters[kind]}, static_cast<double>(counted[kind]) / 1e6);
  }
}

void read_blocked(const MetricSource& source, Family& family) {
  for (const auto& [name, counted] : source.tally.limited_us.totals())
    family.add({}, static_cast<double>(counted[kBlocked]) / 1e6);
}

constexpr Metric kDestinations[] = {
    {{.name = "failed_connects_total",
      .type = counter,
      .unit = "",
      .labels = {"netns", "destination", "error"},
      .help = "attempts to connect that did not succeed"},
     read_failed_connects},
    {{.name = "retransmitted_segments_total",
      .type = counter,
      .unit = "",
      .labels = {"netns", "destination_network", "type"},
      .help = "segments sent again, by what made the kernel do it"},
     read_retransmits},
    {{.name = "srtt_seconds",
      .type = histogram,
      .unit = "seconds",
      .labels = {"netns", "destination_network"},
      .help = "smoothed round trips: one observation for each connection with a row at each tick",
      .edges = kRoundTripEdges},
     read_srtt},
    {{.name = "min_rtt_seconds",
      .type = histogram,
      .unit = "seconds",
      .labels = {"netns", "destination_network"},
      .help = "smallest round trips of late: one observation for each connection with a row at each tick",
      .edges = kRoundTripEdges},
     read_min_rtt},
    {{.name = "limited_seconds_total",
      .type = counter,
      .unit = "seconds",
      .labels = {"limit"},
      .help = "time in which connections with a row had data to send, by what held them back"},
     read_limits},
    {{.name = "blocked_senders_seconds_total",
      .type = counter,
      .unit = "seconds",
      .help = "time that programs waited for room in send buffers of connections with a row"},
     read_blocked},
};

}  // namespace

void listener_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kListeners);
  if (source == nullptr) return;
  all.tell_folded("listener_drops", source->tally.listener_drops.folded());
  all.tell_folded("dropped_segments", source->tally.dropped.folded());
}

void destination_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kDestinations);
  if (source == nullptr) return;
  all.tell_folded("failed_connects", source->tally.failed_connects.folded());
  all.tell_folded("retransmits", source->tally.retransmits.folded());
  all.tell_folded("round_trips", source->tally.folded_round_trips);
}

}  // namespace tcpadvisor::exported
