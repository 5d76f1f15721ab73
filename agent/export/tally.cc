// SPDX-License-Identifier: Apache-2.0
#include "agent/export/tally.h"

#include <algorithm>
#include <string>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "advisor/evidence/past.h"
#include "agent/export/metric_labels.h"

namespace tcpadvisor::exported {
namespace {

constexpr std::uint64_t kRestMs = 600'000;  // after that a name may make room
constexpr std::size_t kMostNetworks = 6;    // of histograms, whose lines are many
constexpr std::size_t kMostSources = 20'000;

std::uint64_t key_of_text(const std::string& text) {
  return stable_hash(text);
}

/// Kinds are told apart by the place of their edge; the last one takes what is larger.
void count_seconds(Histogram& histogram, double seconds) {
  histogram.counts.resize(kRoundTripEdges.size() + 1);
  const auto slot = std::ranges::lower_bound(kRoundTripEdges, seconds) - kRoundTripEdges.begin();
  ++histogram.counts[static_cast<std::size_t>(slot)];
  histogram.sum += seconds;
}

void see_retransmits(Counts& counts, const Sample& now) {
  counts.begin(now.mono_ms);
  for (const Retransmits& one : now.retransmits) {
    const Labels name{netns_label(now, one.netns), network_label(one.destination)};
    for (std::size_t kind = 0; kind < kRetransmitKinds.size(); ++kind)
      counts.see(past_key(one), name, kind, one.segments.*kRetransmitKinds[kind]);
  }
  counts.end();
}

void see_failed_connects(Counts& counts, const Sample& now) {
  counts.begin(now.mono_ms);
  for (const FailedConnects& one : now.failed_connects) {
    const std::string destination = one.destination.text();
    const std::uint64_t source =
        key_of_text(std::to_string(one.netns) + ' ' + std::to_string(one.pid) + ' ' + one.comm + ' ' + destination);
    counts.see(source, {netns_label(now, one.netns), destination}, static_cast<std::size_t>(one.end), one.count);
  }
  counts.end();
}

void see_listener_drops(Counts& counts, const Sample& now) {
  counts.begin(now.mono_ms);
  for (const SocketRow& row : now.sockets) {
    if (row.state == TcpState::listen && row.drops) counts.see(past_key(row), listener_labels(now, row), 0, *row.drops);
  }
  counts.end();
}

void see_dropped(Counts& counts, const Sample& now) {
  counts.begin(now.mono_ms);
  for (const Drops& one : now.drops) {
    const std::string port = one.port != 0 ? port_label(now, one.netns, one.port) : "";
    counts.see(past_key(one), {port, std::string(one.outgoing ? kTransmit : kReceive), one.reason}, 0, one.segments);
  }
  counts.end();
}

void see_limits(Counts& counts, const Sample& now) {
  counts.begin(now.mono_ms);
  for (const SocketRow& row : now.sockets) {
    const std::uint64_t key = past_key(row);
    const std::uint64_t window = row.rwnd_limited_us.value_or(0), buffer = row.sndbuf_limited_us.value_or(0);
    if (row.busy_us) {
      counts.see(key, {}, 0, sub_sat(sub_sat(*row.busy_us, window), buffer));
      counts.see(key, {}, 1, window);
      counts.see(key, {}, 2, buffer);
    }
    if (row.blocked_us) counts.see(key, {}, 3, *row.blocked_us);
  }
  counts.end();
}

}  // namespace

void Counts::begin(std::uint64_t mono_ms) {
  now_ms_ = mono_ms;
  ++round_;
  folded_ = 0;
}

void Counts::see(std::uint64_t source, const Labels& name, std::size_t kind, std::uint64_t value) {
  if (kind >= kMostKinds) return;
  auto at = sources_.find(source);
  if (at == sources_.end()) {
    if (sources_.size() >= kMostSources) {
      ++folded_;
      return;
    }
    at = sources_.emplace(source, Source{}).first;
  }
  Source& known = at->second;
  known.round = round_;
  const std::uint64_t before = known.last[kind];
  known.last[kind] = value;
  std::uint64_t more = value >= before ? value - before : value;
  if (!std::exchange(known.known[kind], true) && first_ == First::is_ahead) more = 0;
  if (other_name_.empty()) other_name_.assign(name.size(), std::string(kOther));
  Name& here = name_for(name);
  if (&here == &other_) {
    has_other_ = true;
    if (std::exchange(known.folded_in, round_) != round_) ++folded_;
  }
  if (more == 0) return;
  here.counts[kind] = add_sat(here.counts[kind], more);
  here.grew_ms = now_ms_;
}

void Counts::end() {
  std::erase_if(sources_, [&](const auto& entry) { return entry.second.round != round_; });
}

Counts::Name& Counts::name_for(const Labels& name) {
  auto found = names_.find(name);
  if (found != names_.end()) return found->second;
  if (names_.size() >= most_) {
    auto rests = std::ranges::min_element(names_, {}, [](const auto& entry) { return entry.second.grew_ms; });
    if (rests == names_.end() || sub_sat(now_ms_, rests->second.grew_ms) < kRestMs) return other_;
    for (std::size_t kind = 0; kind < kMostKinds; ++kind)
      other_.counts[kind] = add_sat(other_.counts[kind], rests->second.counts[kind]);
    names_.erase(rests);
    has_other_ = true;
  }
  Name& made = names_[name];
  made.grew_ms = now_ms_;
  return made;
}

std::map<Labels, Counts::Kinds> Counts::totals() const {
  std::map<Labels, Kinds> all;
  for (const auto& [name, counted] : names_) all[name] = counted.counts;
  if (!has_other_) return all;
  Kinds& other = all[other_name_];
  for (std::size_t kind = 0; kind < kMostKinds; ++kind) other[kind] = add_sat(other[kind], other_.counts[kind]);
  return all;
}

void Tally::see(const observe::Observation& seen) {
  const Sample& now = seen.now();
  ++ticks;
  see_retransmits(retransmits, now);
  see_failed_connects(failed_connects, now);
  see_listener_drops(listener_drops, now);
  see_dropped(dropped, now);
  see_limits(limited_us, now);
  see_round_trips(seen);
}

void Tally::see_round_trips(const observe::Observation& seen) {
  const Sample& now = seen.now();
  const Labels other{std::string(kOther), std::string(kOther)};
  auto place = [&](std::map<Labels, Histogram>& all, const Labels& name) -> Histogram& {
    if (auto found = all.find(name); found != all.end()) return found->second;
    return all[all.size() < kMostNetworks ? name : other];
  };
  folded_round_trips = 0;
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::established || !row.srtt_us || *row.srtt_us == 0) continue;
    const Labels name{netns_label(now, row.netns), network_label(row.remote)};
    count_seconds(place(srtt, name), static_cast<double>(*row.srtt_us) / 1e6);
    if (!srtt.contains(name)) ++folded_round_trips;
    if (row.min_rtt_us) count_seconds(place(min_rtt, name), static_cast<double>(*row.min_rtt_us) / 1e6);
  }
}

}  // namespace tcpadvisor::exported
