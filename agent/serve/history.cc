// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "agent/export/parts.h"

namespace tcpadvisor::serve {
namespace {

constexpr float kNotSeen = std::numeric_limits<float>::quiet_NaN();

/// What several courses are read from.
struct Numbers {
  const observe::Observation& seen;
  std::array<std::uint64_t, kStateCount> states;
  nlohmann::json rates;

  double state(TcpState which) const { return static_cast<double>(states[index_of(which)]); }
  double rate(const char* name) const {
    const auto at = rates.find(name);
    return at == rates.end() || !at->is_number() ? kNotSeen : at->get<double>();
  }
  /// Of all sockets but listeners, where it is the accept queue.
  double queued(std::uint64_t StateTotals::* which) const {
    double sum = 0;
    for (const NetnsSample& netns : seen.now().netns)
      for (std::size_t at = 1; at < kStateCount; ++at)
        if (at != index_of(TcpState::listen)) sum += static_cast<double>(netns.states[at].*which);
    return sum;
  }
  double in_programs() const {
    double sum = 0;
    for (const UserQueue& queue : seen.now().user_queues)
      if (!queue.ended) sum += static_cast<double>(queue.queued);
    return sum;
  }
  double memory() const {
    const TcpMemory& memory = seen.now().memory;
    return memory.pages ? static_cast<double>(*memory.pages) * static_cast<double>(memory.page_size) : kNotSeen;
  }
  double findings(Severity severity) const {
    return static_cast<double>(std::ranges::count(seen.verdict.findings, severity, &Finding::severity));
  }
};

struct Course {
  std::string_view name, unit;
  double (*read)(const Numbers&);
};

constexpr std::array<Course, kCourses> kAll = {
    {{"critical", "findings", [](const Numbers& n) { return n.findings(Severity::critical); }},
     {"warning", "findings", [](const Numbers& n) { return n.findings(Severity::warning); }},
     {"driver_q", "bytes", [](const Numbers& n) { return n.in_programs(); }},
     {"send_q", "bytes", [](const Numbers& n) { return n.queued(&StateTotals::send_q); }},
     {"recv_q", "bytes", [](const Numbers& n) { return n.queued(&StateTotals::recv_q); }},
     {"established", "sockets", [](const Numbers& n) { return n.state(TcpState::established); }},
     {"syn_recv", "sockets",
      [](const Numbers& n) { return n.state(TcpState::syn_recv) + n.state(TcpState::new_syn_recv); }},
     {"close_wait", "sockets", [](const Numbers& n) { return n.state(TcpState::close_wait); }},
     {"fin_wait", "sockets",
      [](const Numbers& n) { return n.state(TcpState::fin_wait_1) + n.state(TcpState::fin_wait_2); }},
     {"time_wait", "sockets", [](const Numbers& n) { return n.state(TcpState::time_wait); }},
     {"memory", "bytes", [](const Numbers& n) { return n.memory(); }},
     {"retransmits", "per_s", [](const Numbers& n) { return n.rate("retransmits_per_s"); }},
     {"segments_out", "per_s", [](const Numbers& n) { return n.rate("segments_out_per_s"); }},
     {"resets_sent", "per_s", [](const Numbers& n) { return n.rate("resets_sent_per_s"); }},
     {"listen_drops", "per_s", [](const Numbers& n) { return n.rate("listen_drops_per_s"); }}}};

/// Five digits are more than a chart shows.
void put(std::string& out, double value) {
  if (std::isfinite(value)) {
    const double rounded = std::abs(value) < 100 ? std::round(value * 100) / 100 : std::round(value);
    fmt::format_to(std::back_inserter(out), "{}", rounded);
  } else {
    out += "null";
  }
}

std::int64_t seconds_of(std::int64_t slot) {
  return slot * (History::kSlotMs / 1'000);
}

}  // namespace

void History::see(const observe::Observation& seen) {
  const std::int64_t number = seen.now().wall_ms / kSlotMs;
  while (!slots_.empty() && slots_.back().number > number) slots_.pop_back();
  while (!slots_.empty() && slots_.front().number <= number - static_cast<std::int64_t>(kMostSlots)) slots_.pop_front();
  const Numbers numbers{seen, observe::state_counts(seen.window.last()), exported::rates_json(seen)};
  Slot slot{.number = number, .values = {}};
  for (std::size_t i = 0; i < kCourses; ++i) slot.values[i] = static_cast<float>(kAll[i].read(numbers));
  if (slots_.empty() || slots_.back().number != number) {
    slots_.push_back(slot);
    return;
  }
  // fmax: what was not seen gives way to what was
  for (std::size_t i = 0; i < kCourses; ++i)
    slots_.back().values[i] = std::fmax(slots_.back().values[i], slot.values[i]);
}

std::string History::as_json() const {
  std::string out = fmt::format("{{\"step_s\":{},\"ts\":[", kSlotMs / 1'000);
  for (const Slot& slot : slots_)
    fmt::format_to(std::back_inserter(out), "{}{}", &slot == &slots_.front() ? "" : ",", seconds_of(slot.number));
  out += "],\"courses\":[";
  for (std::size_t i = 0; i < kCourses; ++i) {
    fmt::format_to(std::back_inserter(out), "{}{{\"name\":\"{}\",\"unit\":\"{}\",\"points\":[", i == 0 ? "" : ",",
                   kAll[i].name, kAll[i].unit);
    for (const Slot& slot : slots_) {
      if (&slot != &slots_.front()) out += ',';
      put(out, slot.values[i]);
    }
    out += "]}";
  }
  return out + "]}\n";
}

std::string History::latest_json() const {
  if (slots_.empty()) return "[]";
  std::string out = fmt::format("[{}", seconds_of(slots_.back().number));
  for (const float value : slots_.back().values) {
    out += ',';
    put(out, value);
  }
  return out + "]";
}

}  // namespace tcpadvisor::serve
