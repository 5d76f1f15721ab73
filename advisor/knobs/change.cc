// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/change.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <utility>

#include "advisor/knobs/knobs.h"
#include "advisor/knobs/netns_words.h"

namespace tcpadvisor {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view kUnnamed = "net:[";  // a namespace that only its number names

bool of_host(const Change& change) {
  const Knob* knob = find_knob(change.knob);
  return knob != nullptr && knob->scope == KnobScope::host;
}

/// A namespace of its own starts with the kernel's defaults, whatever the host's files say; only who makes it can set
/// them for good.
std::string persist_text(const Change& change, bool here) {
  std::string setting = fmt::format("{} = {}", change.knob, values_text(change.target));
  if (here) return setting + " in /etc/sysctl.d/";
  if (change.netns_name.starts_with("pid:")) {
    return fmt::format(
        "{} by what starts the container (docker run --sysctl, securityContext.sysctls of Kubernetes), not in "
        "/etc/sysctl.d of the host",
        setting);
  }
  return fmt::format("{} by what makes the namespace {}, not in /etc/sysctl.d of the host", setting, change.netns_name);
}

std::string sysctl_command(const Change& change, bool here, const std::vector<std::int64_t>& values) {
  const char* quote = values.size() > 1 ? "\"" : "";
  bool unnamed = !here && change.netns_name.starts_with(kUnnamed);
  return fmt::format("{}sysctl -w {}={}{}{}{}", netns_prefix(change.netns_name, here), change.knob, quote,
                     values_text(values), quote, unnamed ? ", run in " + change.netns_name : "");
}

}  // namespace

Change Change::in(const Sample& sample, NetnsId netns, std::string_view knob) {
  const NetnsSample* place = sample.find_netns(netns);
  Change change;
  change.knob = knob;
  change.netns = netns;
  change.netns_name = tcpadvisor::netns_name(sample, netns);
  change.host_netns = netns == 0 || (place != nullptr && place->is_host);
  return change;
}

ChangeText text_of(const Change& change) {
  bool host = of_host(change), here = host || change.host_netns;
  return {.scope = host ? "host" : "netns " + change.netns_name,
          .apply = sysctl_command(change, here, change.target),
          .persist = persist_text(change, here),
          .rollback = sysctl_command(change, here, change.current)};
}

std::vector<std::int64_t> values_of(std::span<const std::uint64_t> numbers) {
  std::vector<std::int64_t> out;
  for (std::uint64_t number : numbers)
    out.push_back(std::cmp_less(number, kMost) ? static_cast<std::int64_t>(number) : kMost);
  return out;
}

std::string values_text(const std::vector<std::int64_t>& values) {
  return fmt::format("{}", fmt::join(values, " "));
}

}  // namespace tcpadvisor
