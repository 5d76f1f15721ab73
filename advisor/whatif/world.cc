// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "advisor/base/text.h"
#include "advisor/knobs/change.h"
#include "advisor/knobs/netns_words.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/words.h"

namespace tcpadvisor::whatif {
namespace {

std::string where(const Sample& sample, NetnsId netns) {
  const NetnsSample* found = sample.find_netns(netns);
  return found == nullptr || found->is_host ? "" : ", netns " + netns_name(sample, netns);
}

std::string holder_text(const SocketRow& row) {
  Scope scope;
  const std::array rows = {&row};
  name_holder(scope, rows);
  return process_text(scope);
}

std::string value_text(const Sysctl& setting) {
  return setting.values.empty() ? printable(setting.text) : values_text(setting.values);
}

}  // namespace

std::optional<std::int64_t> World::now(NetnsId netns, std::string_view knob, std::size_t at) const {
  const std::string name(knob);
  if (auto value = sysctl_value(sample(), netns, name, at)) return value;
  const Knob* known = find_knob(knob);
  if (known == nullptr || known->scope != KnobScope::host) return std::nullopt;
  for (const NetnsSample& place : sample().netns) {
    if (auto value = sysctl_value(sample(), place.id, name, at)) return value;
  }
  return std::nullopt;
}

std::optional<std::int64_t> World::then(NetnsId netns, std::string_view knob, std::size_t at) const {
  for (const Asked& asked : question.knobs) {
    if (asked.knob != nullptr && asked.knob->name == knob && at < asked.values.size() && asked.values[at])
      return asked.values[at];
  }
  return now(netns, knob, at);
}

const Sysctl* setting_in(const NetnsSample& netns, std::string_view knob) {
  auto found = netns.sysctls.find(std::string(knob));
  return found == netns.sysctls.end() ? nullptr : &found->second;
}

std::vector<const NetnsSample*> World::places(const Knob& knob) const {
  std::vector<const NetnsSample*> out;
  for (const NetnsSample& netns : sample().netns) {
    if (setting_in(netns, knob.name) == nullptr) continue;
    out.push_back(&netns);
    if (knob.scope == KnobScope::host) break;  // the host's comes first
  }
  return out;
}

std::string flow_text(const Sample& sample, const SocketRow& row, std::string_view arrow) {
  return fmt::format("{}, {} {} {}{}", holder_text(row), row.local.text(), arrow, row.remote.text(),
                     where(sample, row.netns));
}

std::string listener_text(const Sample& sample, const SocketRow& row) {
  return fmt::format("{}, listening on {}{}", holder_text(row), row.local.text(), where(sample, row.netns));
}

std::string rate_text(double bytes_per_s) {
  const double mbit = bytes_per_s * 8 / 1e6;
  return fmt::format("{:.3g} {}", mbit >= 1000 ? mbit / 1000 : mbit, mbit >= 1000 ? "Gbit/s" : "Mbit/s");
}

std::string ms_text(double us) {
  return fmt::format("{:.3g} ms", us / 1000);
}

Answer begin(const World& world, const Asked& asked) {
  Answer out;
  out.asked = printable(asked.text);
  if (asked.knob == nullptr) return out;
  out.knob = asked.knob->name;
  std::vector<std::string> values;
  for (const NetnsSample* place : world.places(*asked.knob)) {
    std::string text = value_text(*setting_in(*place, out.knob));
    if (std::ranges::find(values, text) == values.end()) values.push_back(std::move(text));
  }
  constexpr std::size_t kMost = 3;
  for (std::size_t i = 0; i < std::min(values.size(), kMost); ++i) out.now += (i > 0 ? " | " : "") + values[i];
  if (values.size() > kMost) out.now += fmt::format(" and {} more, by namespace", values.size() - kMost);
  return out;
}

void conclude(Answer& answer, std::string because) {
  std::ranges::stable_sort(answer.effects, std::greater<>(), [](const Effect& one) {
    return std::abs(one.to - one.from) / std::max({std::abs(one.from), std::abs(one.to), 1e-9});
  });
  answer.changes = !answer.effects.empty();
  if (!answer.changes) answer.summary = "no effect here, because " + because;
}

}  // namespace tcpadvisor::whatif
