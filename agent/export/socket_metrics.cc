// SPDX-License-Identifier: Apache-2.0
// Sockets of each namespace, and what they do over their lives.
#include <algorithm>
#include <array>

#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"

namespace tcpadvisor::exported {
namespace {

using enum MetricType;

void read_connections(const MetricSource& source, Family& family) {
  for (const NetnsSample& netns : source.now().netns) {
    for (std::size_t state = 1; state < kStateCount; ++state)
      family.add({netns_label(source.now(), netns.id), kStateLabels[state]},
                 static_cast<double>(netns.states[state].count));
  }
}

template <std::uint64_t StateTotals::* Receive, std::uint64_t StateTotals::* Transmit>
void read_bytes(const MetricSource& source, Family& family) {
  for (const NetnsSample& netns : source.now().netns) {
    double receive = 0, transmit = 0;
    for (std::size_t state = 1; state < kStateCount; ++state) {
      if (state == index_of(TcpState::listen)) continue;  // there it is the accept queue
      receive += static_cast<double>(netns.states[state].*Receive);
      transmit += static_cast<double>(netns.states[state].*Transmit);
    }
    const std::string name = netns_label(source.now(), netns.id);
    family.add({name, kReceive}, receive);
    family.add({name, kTransmit}, transmit);
  }
}

constexpr Metric kSockets[] = {
    {{.name = "connections", .type = gauge, .unit = "", .labels = {"netns", "state"}, .help = "TCP sockets by state"},
     read_connections},
    {{.name = "queue_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"netns", "direction"},
      .help = "received and not read; sent and not acknowledged, or not sent"},
     read_bytes<&StateTotals::recv_q, &StateTotals::send_q>},
    {{.name = "buffer_memory_bytes",
      .type = gauge,
      .unit = "bytes",
      .labels = {"netns", "direction"},
      .help = "memory of receive and send buffers, as the kernel charges it"},
     read_bytes<&StateTotals::rmem, &StateTotals::wmem>},
};

template <std::uint64_t LifecycleTotals::* Member>
void read_life(const MetricSource& source, Family& family) {
  if (const auto& life = source.now().lifecycle) family.add({}, static_cast<double>((*life).*Member));
}

void read_closed(const MetricSource& source, Family& family) {
  const auto& life = source.now().lifecycle;
  if (!life) return;
  family.add({"local"}, static_cast<double>(life->closed_by_us));
  family.add({"remote"}, static_cast<double>(life->closed_by_peer));
  family.add({"reset"}, static_cast<double>(life->reset));
}

void read_lost_at_close(const MetricSource& source, Family& family) {
  const auto& life = source.now().lifecycle;
  if (!life) return;
  family.add({kReceive}, static_cast<double>(life->unread_bytes_at_close));
  family.add({kTransmit}, static_cast<double>(life->unsent_bytes_at_close));
}

void read_io(const MetricSource& source, Family& family) {
  const auto& life = source.now().lifecycle;
  if (!life) return;
  family.add({kReceive}, static_cast<double>(life->bytes_received));
  family.add({kTransmit}, static_cast<double>(life->bytes_sent));
}

void read_resets(const MetricSource& source, Family& family) {
  const auto& life = source.now().lifecycle;
  if (!life) return;
  for (const auto& [reason, count] : life->resets_sent) family.add({reason}, static_cast<double>(count));
}

void read_refusals(const MetricSource& source, Family& family) {
  const auto& refusals = source.now().refusals;
  if (!refusals) return;
  family.add({"host", kReceive}, static_cast<double>(refusals->host_recv));
  family.add({"host", kTransmit}, static_cast<double>(refusals->host_send));
  family.add({"group", kReceive}, static_cast<double>(refusals->cgroup_recv));
  family.add({"group", kTransmit}, static_cast<double>(refusals->cgroup_send));
}

/// Every second edge of the kernel's slots: 2^k ms <= t < 2^(k+1) ms, where the first one also takes what is shorter.
/// A time of exactly an edge is in the slot above it, which `le` would put below: the error is one of equality.
constexpr std::array kDwellEdges = {0.004,  0.016,  0.064,   0.256,    1.024,   4.096,
                                    16.384, 65.536, 262.144, 1048.576, 4194.304};

void read_dwell(const MetricSource& source, Family& family) {
  const auto& life = source.now().lifecycle;
  if (!life) return;
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (state == index_of(TcpState::listen)) continue;
    Histogram histogram{.counts = std::vector<std::uint64_t>(kDwellEdges.size() + 1), .sum = 0};
    double middle_s = 0.0015;
    for (std::size_t slot = 0; slot < life->dwell_log2_ms[state].size(); ++slot, middle_s *= 2) {
      const std::uint64_t count = life->dwell_log2_ms[state][slot];
      histogram.counts[std::min(slot / 2, kDwellEdges.size())] += count;
      histogram.sum += static_cast<double>(count) * middle_s;
    }
    family.add(Labels{std::string(kStateLabels[state])}, histogram);
  }
}

constexpr Metric kLife[] = {
    {{.name = "connections_opened_total", .type = counter, .unit = "", .help = "connections that were established"},
     read_life<&LifecycleTotals::opened>},
    {{.name = "connections_closed_total",
      .type = counter,
      .unit = "",
      .labels = {"by"},
      .help = "connections that ended, by who ended them first, or by a reset"},
     read_closed},
    {{.name = "connection_io_bytes_total",
      .type = counter,
      .unit = "bytes",
      .labels = {"direction"},
      .help = "payload of closed connections, without retransmissions"},
     read_io},
    {{.name = "lost_at_close_bytes_total",
      .type = counter,
      .unit = "bytes",
      .labels = {"direction"},
      .help = "received and never read, or sent and not acknowledged, when a connection was closed"},
     read_lost_at_close},
    {{.name = "resets_sent_total",
      .type = counter,
      .unit = "",
      .labels = {"reason"},
      .help = "resets that this host sent, by the kernel's reason"},
     read_resets},
    {{.name = "buffer_refusals_total",
      .type = counter,
      .unit = "",
      .labels = {"limit", "direction"},
      .help = "times that a socket was refused memory, by whose limit"},
     read_refusals},
    {{.name = "state_dwell_seconds",
      .type = histogram,
      .unit = "seconds",
      .labels = {"state"},
      .help = "how long connections stayed in a state that they have left; the sum is of the middles of slots",
      .edges = kDwellEdges},
     read_dwell},
};

}  // namespace

void socket_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kSockets);
  if (source == nullptr) return;
  const auto is_folded = [&](const NetnsSample& one) { return netns_label(source->now(), one.id) == kOther; };
  all.tell_folded("namespace", static_cast<std::uint64_t>(std::ranges::count_if(source->now().netns, is_folded)));
}

void life_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kLife);
}

}  // namespace tcpadvisor::exported
