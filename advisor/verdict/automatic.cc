// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/automatic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "advisor/knobs/knobs.h"

namespace tcpadvisor {
namespace {

enum class Step : std::uint8_t {
  more,       ///< the only value grows
  more_last,  ///< of three values the maximum grows, the others stay
  to_value,   ///< it becomes `value`
};

struct SafeStep {
  std::string_view knob;
  Step step;
  std::int64_t value = 0;
};

/// The maxima of the buffers have passed the memory gate by then (advisor/rules/memory_gate.h), and a longer queue
/// costs some hundred bytes a place.
constexpr auto kSafeSteps = std::to_array<SafeStep>({
    {"net.ipv4.tcp_rmem", Step::more_last},
    {"net.ipv4.tcp_wmem", Step::more_last},
    {"net.core.somaxconn", Step::more},
    {"net.ipv4.tcp_max_syn_backlog", Step::more},
    {"net.ipv4.tcp_moderate_rcvbuf", Step::to_value, 1},
    {"net.ipv4.tcp_slow_start_after_idle", Step::to_value, 0},
});

struct Reserved {
  std::string_view knob, why;
};
/// Why the others are a person's: where it is more than "not known to be safe".
constexpr auto kReserved = std::to_array<Reserved>({
    {"net.ipv4.tcp_mem", "it bounds the memory of the whole host"},
    {"net.ipv4.ip_local_port_range", "programs may listen on ports that would come into the range"},
    {"net.ipv4.tcp_tw_reuse", "it changes which old segments a new connection may meet"},
    {"net.ipv4.tcp_syncookies", "somebody may have switched them off on purpose"},
    {"net.netfilter.nf_conntrack_max", "each entry takes the kernel's memory, of the whole host"},
    {"net.ipv4.tcp_max_tw_buckets", "each entry takes the kernel's memory"},
    {"net.ipv4.tcp_fin_timeout", "peers that are slow to close would be cut off sooner"},
    {"net.core.netdev_max_backlog", "it is for the whole host, and what waits longer comes later"},
    {"net.ipv4.tcp_abort_on_overflow", "a load balancer in front may count on the reset"},
    {"net.ipv4.tcp_notsent_lowat", "it is for all programs there, and each can have its own (TCP_NOTSENT_LOWAT)"},
    {"net.ipv4.tcp_mtu_probing", "the path has the fault, and its other users too"},
});

/// What bpftune writes, in whatever namespace (its tcp_buffer, net_buffer and udp_buffer tuners).
constexpr auto kOfBpftune = std::to_array<std::string_view>(
    {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_mem", "net.ipv4.tcp_max_syn_backlog",
     "net.ipv4.tcp_moderate_rcvbuf", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_max_orphans",
     "net.core.netdev_max_backlog", "net.core.netdev_budget", "net.core.netdev_budget_usecs", "net.core.rmem_max",
     "net.core.wmem_max"});

constexpr std::size_t kMaximum = 2;

bool in_bounds(const Knob& knob, std::span<const std::int64_t> values) {
  return (knob.least != 0 || knob.most != 0) &&
         std::ranges::all_of(values, [&](std::int64_t value) { return value >= knob.least && value <= knob.most; });
}

bool is_that_step(const SafeStep& safe, std::span<const std::int64_t> current, std::span<const std::int64_t> target) {
  switch (safe.step) {
    case Step::more:
      return target.size() == 1 && target[0] > current[0];
    case Step::more_last:
      return target.size() == kMaximum + 1 && target[kMaximum] > current[kMaximum] && target[0] == current[0] &&
             target[1] == current[1];
    case Step::to_value:
      return target.size() == 1 && target[0] == safe.value;
  }
  return false;
}

/// "whatever made it": a namespace that has no name of `ip netns` belongs to a container or a program.
std::string why_not_there(const Change& change) {
  const Keeping& keeping = change.keeping;
  switch (keeping.where) {
    case Keeping::Where::file:
      if (!keeping.sysctl_conf || keeping.sysctl_conf->file == keeping.file) return "";
      return fmt::format("line {} of {} would be applied after it", keeping.sysctl_conf->line,
                         keeping.sysctl_conf->file);
    case Keeping::Where::line:
      return fmt::format("it has to be changed in line {} of {}", keeping.line, keeping.file);
    case Keeping::Where::tuned:
      return "tuned's profile sets it, and comes last";
    case Keeping::Where::pod:
      return "the pod's description sets it";
    case Keeping::Where::container:
      return "what starts the container sets it";
    case Keeping::Where::other:
      break;
  }
  if (change.host_netns) return "what starts the container sets it";
  const bool named =
      !change.netns_name.empty() && !change.netns_name.starts_with("pid:") && !change.netns_name.starts_with("net:[");
  return named ? "" : "whatever made the namespace sets it";
}

std::string why_not(const Window& window, const Finding& finding) {
  const Recommendation& cure = finding.recommendation;
  const Change& change = *cure.change;
  if (std::string why = why_not_by_values(change.knob, change.current, change.target); !why.empty()) return why;
  if (change.netns == 0) return "its namespace is not known";
  if (std::string why = why_not_there(change); !why.empty()) return why;
  const auto& files = window.latest().setting_files;
  if (files) {
    if (std::string why = other_writer(*files, change.knob, change.host_netns); !why.empty()) return why;
  }
  if (cure.set_by && cure.set_by->source == SetBySource::changed_now) return "somebody has just changed it";
  if (finding.severity == Severity::info) return "nobody is known to suffer from the present value";
  if (finding.confidence == Confidence::low) return "the finding is not certain enough";
  return finding.cause.empty() ? "" : fmt::format("finding {} explains this one, and comes first", finding.cause);
}

}  // namespace

std::string why_not_by_values(std::string_view name, std::span<const std::int64_t> current,
                              std::span<const std::int64_t> target) {
  const Knob* knob = find_knob(name);
  auto safe = std::ranges::find(kSafeSteps, name, &SafeStep::knob);
  if (knob == nullptr || safe == kSafeSteps.end()) {
    auto reserved = std::ranges::find(kReserved, name, &Reserved::knob);
    return std::string(reserved == kReserved.end() ? "it is none of the settings that are safe to change by themselves"
                                                   : reserved->why);
  }
  if (target.empty() || target.size() != current.size()) return "its present value is not known";
  if (!in_bounds(*knob, target)) return "the value is outside what the kernel is known to take";
  if (is_that_step(*safe, current, target)) return "";
  switch (safe->step) {
    case Step::more:
      return "only raising it is safe by itself";
    case Step::more_last:
      return "only raising its maximum is safe by itself";
    case Step::to_value:
      break;
  }
  return fmt::format("only {} is safe by itself", safe->value);
}

std::string other_writer(const SettingFiles& files, std::string_view knob, bool host_netns) {
  auto runs = [&](std::string_view tuner) { return std::ranges::find(files.tuners, tuner) != files.tuners.end(); };
  if (runs("bpftune") && std::ranges::find(kOfBpftune, knob) != kOfBpftune.end())
    return "bpftune runs here and sets it itself";
  const bool of_tuned = std::ranges::any_of(
      files.lines, [&](const SettingLine& line) { return line.writer == SettingWriter::tuned && line.knob == knob; });
  if (host_netns && of_tuned && runs("tuned"))
    return fmt::format("tuned runs here, and its profile {} sets it", files.tuned_profile);
  return "";
}

void mark_automatic(const Window& window, std::vector<Finding>& findings) {
  for (Finding& finding : findings) {
    Recommendation& cure = finding.recommendation;
    if (!cure.change || cure.applicability == Applicability::manual) continue;
    cure.applicability_why = why_not(window, finding);
    cure.applicability = cure.applicability_why.empty() ? Applicability::automatic : Applicability::needs_review;
  }
}

}  // namespace tcpadvisor
