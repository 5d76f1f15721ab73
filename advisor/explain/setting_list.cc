// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/setting_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "advisor/base/columns.h"
#include "advisor/base/text.h"
#include "advisor/knobs/change.h"
#include "advisor/knobs/kernel_default.h"
#include "advisor/knobs/netns_words.h"

namespace tcpadvisor::explain {
namespace {

constexpr std::size_t kNameWidth = 40;

/// The table's words, with numbers of this release and memory where they are known.
std::string start_text(const Knob& knob, const HostFacts& host) {
  const bool receive = knob.name == "net.ipv4.tcp_rmem";
  if (receive || knob.name == "net.ipv4.tcp_wmem") {
    auto middle = kernel_start(knob.name, 1, host), last = kernel_start(knob.name, 2, host);
    const std::int64_t cap = receive ? 6 << 20 : 4 << 20;
    if (middle && last && *last >= cap) return fmt::format("4096 {} {}", *middle, *last);
    return std::string(knob.kernel_default);
  }
  auto one = kernel_start(knob.name, 0, host);
  return one ? fmt::format("{}", *one) : std::string(knob.kernel_default);
}

std::string value_text(const Sysctl& setting) {
  const std::string text = setting.values.empty() ? printable(setting.text) : values_text(setting.values);
  return text.empty() ? "(nothing)" : text;
}

void add_of(const Window& window, const NetnsSample& netns, const Knob& knob, std::vector<SettingHere>& out) {
  auto found = netns.sysctls.find(std::string(knob.name));
  if (found == netns.sysctls.end()) return;
  const Sample& now = window.latest();
  out.push_back({&knob, netns.id, netns_name(now, netns.id), value_text(found->second), start_text(knob, now.host),
                 who_set(window, netns.id, knob.name), binding_of(now, netns, knob)});
}

std::string binds_text(const SettingHere& one) {
  return one.binds ? fmt::format("{} {}", with_commas(one.binds->sockets), one.binds->what) : "";
}

void add(std::string& out, const SettingHere& one, std::size_t width) {
  out += fill_right(std::string(one.knob->name), kNameWidth) + " " + one.value;
  if (!one.knob->unit.empty()) out += fmt::format(" {}", one.knob->unit);
  out += "\n";
  std::string more = fmt::format("{}; starts with {}",
                                 one.knob->scope == KnobScope::host ? "of the host" : "of each namespace", one.start);
  if (one.set_by) more += "; now: " + printable(one.set_by->text);
  if (one.binds) more += "; binds now: " + binds_text(one);
  for (const std::string& line : wrap(more, width > 24 ? width - 4 : 20, 0, LongWords::whole))
    out += "    " + line + "\n";
}

}  // namespace

std::vector<SettingHere> settings_here(const Window& window, const Knob& knob) {
  std::vector<SettingHere> out;
  for (const NetnsSample& netns : window.latest().netns) {
    if (knob.scope == KnobScope::host && !out.empty()) break;
    add_of(window, netns, knob, out);
  }
  return out;
}

std::vector<SettingHere> settings_here(const Window& window) {
  std::vector<SettingHere> out;
  for (const Knob& knob : knobs()) {
    for (SettingHere& one : settings_here(window, knob)) out.push_back(std::move(one));
  }
  return out;
}

std::string settings_as_text(const std::vector<SettingHere>& settings, std::size_t width) {
  std::string out;
  std::vector<const SettingHere*> others;
  const SettingHere* of_host = nullptr;
  for (const SettingHere& one : settings) {
    if (of_host == nullptr || of_host->knob != one.knob) {
      of_host = &one;
      add(out, one, width);
    } else if (one.value != of_host->value) {
      others.push_back(&one);
    }
  }
  std::ranges::stable_sort(others, {}, &SettingHere::netns);
  NetnsId place = 0;
  for (const SettingHere* one : others) {
    if (one->netns != place) out += fmt::format("\nnetns {}, where it has another value:\n", one->netns_name);
    place = one->netns;
    add(out, *one, width);
  }
  return out;
}

std::string settings_as_json(const std::vector<SettingHere>& settings) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const SettingHere& one : settings) {
    nlohmann::ordered_json row;
    row["name"] = one.knob->name;
    row["value"] = one.value;
    row["unit"] = one.knob->unit;
    row["kernel_start"] = one.start;
    row["scope"] = one.knob->scope == KnobScope::host ? "host" : "netns";
    row["netns"] = printable(one.netns_name);
    row["set_by"] = nullptr;
    if (one.set_by) row["set_by"] = {{"source", name_of(one.set_by->source)}, {"text", printable(one.set_by->text)}};
    row["binds"] = nullptr;
    if (one.binds) row["binds"] = {{"sockets", one.binds->sockets}, {"what", one.binds->what}};
    out.push_back(std::move(row));
  }
  return out.dump() + "\n";
}

}  // namespace tcpadvisor::explain
