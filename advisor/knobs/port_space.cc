// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/port_space.h"

#include <algorithm>
#include <charconv>

#include "advisor/base/saturate.h"

namespace tcpadvisor {
namespace {

constexpr std::uint64_t kPorts = 65'536;

std::optional<std::uint64_t> port_in(std::string_view text) {
  std::uint64_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port >= kPorts) return std::nullopt;
  return port;
}

const Sysctl* setting(const Sample& sample, NetnsId id, const char* name) {
  const NetnsSample* netns = sample.find_netns(id);
  if (netns == nullptr) return nullptr;
  auto found = netns->sysctls.find(name);
  return found == netns->sysctls.end() ? nullptr : &found->second;
}

}  // namespace

std::uint64_t PortSpace::available() const {
  return sub_sat(sub_sat(high >= low ? high - low + 1 : 0, reserved), listening);
}

std::uint64_t reserved_between(std::string_view list, std::uint64_t low, std::uint64_t high) {
  std::uint64_t count = 0;
  while (!list.empty()) {  // the kernel writes it in order and without overlaps
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    std::size_t dash = item.find('-');
    auto first = port_in(item.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : port_in(item.substr(dash + 1));
    if (!first || !last) continue;
    std::uint64_t from = std::max(*first, low), to = std::min(*last, high);
    if (from <= to) count = add_sat(count, to - from + 1);
  }
  return std::min(count, high >= low ? high - low + 1 : 0);
}

std::optional<PortSpace> port_space(const Sample& sample, NetnsId netns) {
  const Sysctl* range = setting(sample, netns, "net.ipv4.ip_local_port_range");
  if (range == nullptr || range->values.size() != 2) return std::nullopt;
  auto port = [&](std::size_t i) {
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(range->values[i], 0, 65'535));
  };
  PortSpace space{.low = port(0), .high = port(1)};
  if (const Sysctl* reserved = setting(sample, netns, "net.ipv4.ip_local_reserved_ports")) {
    space.reserved = reserved_between(reserved->text, space.low, space.high);
  }
  space.listening = static_cast<std::uint64_t>(std::ranges::count_if(sample.ports, [&](const PortTotals& totals) {
    return totals.netns == netns && totals.port >= space.low && totals.port <= space.high;
  }));
  return space;
}

bool chosen_by_bind(const PortUse& use) {
  return use.destination == Endpoint{};
}

std::string destination_text(const PortUse& use) {
  return chosen_by_bind(use) ? "* (bind)" : use.destination.text();
}

bool takes_time_wait_again(const Sample& sample, const PortUse& use) {
  auto value = [&](const char* name) -> std::int64_t {
    const Sysctl* found = setting(sample, use.netns, name);
    return found == nullptr || found->values.empty() ? 0 : found->values.front();
  };
  if (chosen_by_bind(use)) return false;  // connect() does, bind() does not
  std::int64_t reuse = value("net.ipv4.tcp_tw_reuse");
  bool loopback = use.source.is_loopback() || use.destination.is_loopback();
  return (reuse == 1 || (reuse == 2 && loopback)) && value("net.ipv4.tcp_timestamps") != 0;
}

double share_of(const Sample& sample, const PortUse& use, const PortSpace& space) {
  std::uint64_t taken = takes_time_wait_again(sample, use) ? sub_sat(use.used, use.timewait) : use.used;
  return static_cast<double>(taken) / static_cast<double>(std::max<std::uint64_t>(space.available(), 1));
}

}  // namespace tcpadvisor
