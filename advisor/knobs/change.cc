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

/// What else has to be known to keep a value on the host.
std::string host_remark(const Keeping& keeping) {
  std::string out;
  if (keeping.where == Keeping::Where::file && keeping.over) {
    const SettingLine& over = *keeping.over;
    bool linked = keeping.sysctl_conf && over.file.ends_with("/99-sysctl.conf");
    if (over.writer == SettingWriter::sysctl_d && !linked)
      out += fmt::format(", which comes after {}:{}", over.file, over.line);
  }
  if (keeping.sysctl_conf && keeping.sysctl_conf->file != keeping.file) {
    out += fmt::format("; change line {} of {} too: sysctl --system applies that file last", keeping.sysctl_conf->line,
                       keeping.sysctl_conf->file);
  }
  return out;
}

/// A namespace of its own starts with the kernel's defaults, whatever the host's files say; only who makes it can set
/// them for good.
std::string persist_text(const Change& change) {
  constexpr std::string_view kNotThere = "not in /etc/sysctl.d of the host";
  std::string values = values_text(change.target), setting = fmt::format("{} = {}", change.knob, values);
  const Keeping& keeping = change.keeping;
  switch (keeping.where) {
    case Keeping::Where::file:
      return fmt::format("{} in {}{}", setting, keeping.file, host_remark(keeping));
    case Keeping::Where::line:
      return fmt::format("{} in line {} of {}{}", setting, keeping.line, keeping.file, host_remark(keeping));
    case Keeping::Where::tuned:
      return fmt::format(
          "{} in [sysctl] of {}, with include={} in its [main], and tuned-adm profile tcpadvisor: tuned comes after "
          "/etc/sysctl.d here (reapply_sysctl is off)",
          setting, keeping.file, keeping.tuned_profile);
    case Keeping::Where::pod:
      return fmt::format("securityContext.sysctls of the pod: {{name: {}, value: \"{}\"}} ({}), {}", change.knob,
                         values, kubernetes_on(change.knob), kNotThere);
    case Keeping::Where::container:
      return fmt::format("{} by what starts the container (docker run --sysctl {}=\"{}\"), {}", setting, change.knob,
                         values, kNotThere);
    case Keeping::Where::other:
      break;
  }
  if (change.netns_name.starts_with("pid:") || change.host_netns) {
    return fmt::format(
        "{} by what starts the container (docker run --sysctl; securityContext.sysctls of Kubernetes: {}), {}", setting,
        kubernetes_on(change.knob), kNotThere);
  }
  return fmt::format("{} by what makes the namespace {}, {}", setting, change.netns_name, kNotThere);
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
  change.keeping = Keeping::of(sample, netns, knob);
  return change;
}

ChangeText text_of(const Change& change) {
  bool host = of_host(change), here = host || change.host_netns;
  return {.scope = host ? "host" : "netns " + change.netns_name,
          .apply = sysctl_command(change, here, change.target),
          .persist = persist_text(change),
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
