// SPDX-License-Identifier: Apache-2.0
// Lines of files that set what this kernel no longer uses, or that keep an old value below what it starts with; and a
// tcp_mem that guards nothing.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/keeping.h"
#include "advisor/knobs/kernel_default.h"
#include "advisor/knobs/kernel_version.h"
#include "advisor/knobs/knobs.h"
#include "advisor/knobs/set_by.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace stale_settings_rule {
namespace {

constexpr Threshold kMemoryShare = ratio_threshold("memory_share", 0.25);  // of RAM that tcp_mem[2] may be
constexpr Threshold kMuchMemory = ratio_threshold("much_memory", 0.5);     // a warning from there
constexpr Threshold kCapShare = ratio_threshold("cap_share", 0.95);        // a buffer that has met the maximum
constexpr const char* kId = "stale-settings";
constexpr std::string_view kMem = "net.ipv4.tcp_mem", kRmem = "net.ipv4.tcp_rmem", kWmem = "net.ipv4.tcp_wmem";
constexpr std::uint64_t kFewestPages = 128;  // tcp_init_mem()
constexpr std::size_t kMostLines = 12;

/// What still can be written, and no code reads it.
struct Unused {
  std::string_view knob;
  KernelVersion since;
  std::string_view reason;
};
constexpr std::array kUnused = {
    Unused{"net.ipv4.tcp_low_latency", {4, 14}, "the queue that it passed over is gone"},
    Unused{"net.ipv4.tcp_fack", {4, 15}, "RACK took its place"},
    Unused{"net.ipv4.tcp_adv_win_scale", {6, 6}, "the window follows what segments really take"},
};

/// Gone altogether: writing it fails, and nothing else happens.
constexpr std::array<std::string_view, 5> kGone = {"net.ipv4.tcp_tw_recycle", "net.ipv4.tcp_thin_dupack",
                                                   "net.ipv4.tcp_frto_response", "net.ipv4.tcp_max_ssthresh",
                                                   "net.ipv4.tcp_abc"};

struct Stale {
  const SettingLine* line = nullptr;
  std::string reason;
  std::optional<double> value, starts_with;
  bool costs = false;
};

/// The host's own settings, and the files that give them values.
struct Place {
  const Evidence& in;
  const NetnsSample& netns;
  const Sample& now() const { return in.now(); }
  const Sysctl* setting(std::string_view knob) const {
    auto found = netns.sysctls.find(std::string(knob));
    return found == netns.sysctls.end() ? nullptr : &found->second;
  }
  bool since(KernelVersion version) const {
    return kernel_version(now().host.kernel).value_or(KernelVersion{}) >= version;
  }
};

std::string place_of(const SettingLine& line) {
  return line.line == 0 ? line.file : fmt::format("{}:{}", line.file, line.line);
}

/// Nothing of the value is used.
std::string why_unused(const Place& place, std::string_view knob) {
  for (const Unused& one : kUnused) {
    if (one.knob == knob && place.since(one.since)) {
      return fmt::format("this kernel does not read it (since {}.{}: {})", one.since.major, one.since.minor,
                         one.reason);
    }
  }
  const bool gone = std::ranges::find(kGone, knob) != kGone.end();
  if (gone && place.setting(knob) == nullptr && place.setting("net.ipv4.tcp_sack") != nullptr) {
    return "this kernel has no such setting";
  }
  return "";
}

/// Buffers of connections that have grown to the maximum, and that no program has fixed.
std::uint64_t met(const Place& place, std::string_view knob, std::int64_t most) {
  const double limit = place.in.policy.value(kCapShare) * static_cast<double>(most);
  return static_cast<std::uint64_t>(std::ranges::count_if(place.now().sockets, [&](const SocketRow& row) {
    const bool receive = knob == kRmem;
    const bool fixed = row.locks && (receive ? row.locks->rcvbuf : row.locks->sndbuf);
    const auto buffer = receive ? row.rcvbuf : row.sndbuf;
    return row.netns == place.netns.id && row.kind == SocketKind::full && row.state != TcpState::listen && !fixed &&
           static_cast<double>(buffer.value_or(0)) >= limit;
  }));
}

/// A value that the line gives, that the kernel has now, and that is less than what it starts with.
std::optional<Stale> pinned(const Place& place, const SettingLine& line) {
  const Sysctl* setting = place.setting(line.knob);
  if (setting == nullptr || !says(line.value, *setting)) return std::nullopt;
  for (std::size_t at = setting->values.size(); at-- > 0;) {
    const std::int64_t value = setting->values[at];
    const std::int64_t start = kernel_start(line.knob, at, place.now().host).value_or(0);
    if (value < 0 || value >= start) continue;
    Stale out{.line = &line,
              .reason = fmt::format("{} is less than the {} that this kernel starts with", with_commas(to_u64(value)),
                                    with_commas(to_u64(start))),
              .value = static_cast<double>(value),
              .starts_with = static_cast<double>(start)};
    const bool maximum = at == 2 && (line.knob == kRmem || line.knob == kWmem);
    const std::int64_t old_start = line.knob == kRmem ? 6 << 20 : 4 << 20;
    if (std::uint64_t count = maximum ? met(place, line.knob, value) : 0; count > 0) {
      out.reason += fmt::format(", and the buffers of {} have grown to it", counted(count, "connection"));
      out.costs = value < std::min(old_start, start);
    }
    return out;
  }
  return std::nullopt;
}

std::vector<Stale> stale_lines(const Place& place) {
  std::vector<Stale> out;
  const SettingFiles& files = *place.now().setting_files;
  for (const SettingLine& line : files.lines) {
    if (std::string reason = why_unused(place, line.knob); !reason.empty()) {
      out.push_back({.line = &line, .reason = std::move(reason)});
    } else if (&line == line_at_boot(files, line.knob)) {
      if (auto found = pinned(place, line)) out.push_back(std::move(*found));
    }
  }
  std::ranges::stable_sort(out, std::greater(), &Stale::costs);
  return out;
}

Finding start(const Place& place) {
  Finding finding;
  finding.id = kId;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = place.netns.id;
  finding.scope.netns_name = netns_name(place.now(), place.netns.id);
  return finding;
}

Finding about_lines(const Place& place, const std::vector<Stale>& lines) {
  Finding finding = start(place);
  finding.topic = "files";
  if (lines.front().costs) finding.severity = Severity::warning;
  finding.scope.count = lines.size();
  const SettingLine& first = *lines.front().line;
  finding.title =
      lines.size() == 1
          ? fmt::format("{} sets {} = {}: {}", place_of(first), first.knob, first.value, lines.front().reason)
          : fmt::format("{} set what this kernel does not use or hold it below its own start: {} at {}, and others",
                        counted(lines.size(), "line"), first.knob, place_of(first));
  finding.confidence_why = "the files were read, and compared with the settings and the release of the kernel";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::capacity;
  cure.text = lines.size() == 1 ? fmt::format("Delete {}, unless somebody can say why it is there.", place_of(first))
                                : "Delete these lines, unless somebody can say why they are there.";
  for (const Stale& one : lines) {
    if (cure.steps.size() == kMostLines) break;
    const SettingLine& line = *one.line;
    finding.evidence.push_back(measured(place.in.window, line.knob.substr(line.knob.rfind('.') + 1), place_of(line),
                                        one.value.value_or(0), one.value ? "" : "not used", one.starts_with));
    cure.steps.push_back(fmt::format("{}: {} = {}: {}", place_of(line), line.knob, line.value, one.reason));
  }
  finding.meaning =
      "Such lines are copied from old advice. They change nothing, or take away what newer kernels do better by "
      "themselves; what the kernel starts with comes back at the next boot.";
  cure.verify = fmt::format("tcpadvisor report --only {}", kId);
  finding.not_useful = {{"a newer value in the same line", "the kernel's own start moves on with its releases"}};
  return finding;
}

/// The three marks that the kernel computes at boot, and never below twice of what is in use.
std::optional<std::array<std::uint64_t, 3>> sensible_mem(const Sample& now, std::uint64_t ram_pages, double share) {
  std::uint64_t limit = std::max({ram_pages / 16, kFewestPages, mul_sat(now.memory.pages.value_or(0), 2)});
  std::array<std::uint64_t, 3> out = {limit / 4 * 3, limit, mul_sat(limit / 4 * 3, 2)};
  if (static_cast<double>(out[2]) > share * static_cast<double>(ram_pages)) return std::nullopt;
  return out;
}

std::optional<Finding> about_memory(const Place& place) {
  const Sample& now = place.now();
  const Sysctl* mem = place.setting(kMem);
  const std::uint64_t page = std::max<std::uint64_t>(now.memory.page_size, 1), ram_pages = now.host.mem_bytes / page;
  if (mem == nullptr || mem->values.size() != 3 || ram_pages == 0) return std::nullopt;
  const std::uint64_t most = to_u64(mem->values[2]);
  const double share = static_cast<double>(most) / static_cast<double>(ram_pages);
  const double allowed = place.in.policy.value(kMemoryShare);
  if (share <= allowed) return std::nullopt;
  // So many pages are more than there are; as bytes they would be a part of the memory.
  const bool bytes = most > ram_pages && most >= now.host.mem_bytes / 100 && most / 4 <= now.host.mem_bytes;
  Finding finding = start(place);
  finding.topic = "tcp_mem";
  finding.scope.kind = ScopeKind::host;
  finding.scope.count = now.memory.pages.value_or(0);
  if (share > place.in.policy.value(kMuchMemory)) finding.severity = Severity::warning;
  finding.title =
      fmt::format("tcp_mem allows TCP {}, {} of this host's memory{}", human_bytes(mul_sat(most, page)),
                  share >= 1 ? fmt::format("{:.1f} times all", share) : fmt::format("{:.0f} %", 100 * share),
                  bytes ? ": it is written in bytes, and the unit is pages" : "");
  finding.confidence_why = "the setting and the memory of the host were read";
  finding.evidence.push_back(measured(place.in.window, "tcp_mem_max", std::string(kMem), static_cast<double>(most),
                                      "pages", allowed * static_cast<double>(ram_pages)));
  finding.evidence.push_back(measured(place.in.window, "share_of_memory", std::string(kMem), share, "ratio", allowed));
  if (now.memory.pages) {
    finding.evidence.push_back(
        measured(place.in.window, "in_use", "/proc/net/sockstat", static_cast<double>(*now.memory.pages), "pages"));
  }
  finding.meaning =
      "tcp_mem is the last guard of the host's memory against TCP: from the second mark on buffers stop growing, and "
      "at the third nothing more is kept. A mark that is never reached guards nothing: unread or unsent data of many "
      "connections then ends in the OOM killer.";
  Recommendation& cure = finding.recommendation;
  if (auto target = sensible_mem(now, ram_pages, allowed)) {
    Change change = Change::in(now, place.netns.id, kMem);
    change.current = mem->values;
    change.lower = change.target = change.upper = values_of({(*target)[0], (*target)[1], (*target)[2]});
    cure.kind = RecommendationKind::sysctl;
    cure.applicability = Applicability::needs_review;
    cure.text = fmt::format("Set it to what the kernel would start with: {}, {} at most.", values_text(change.target),
                            human_bytes(mul_sat((*target)[2], page)));
    cure.formula =
        fmt::format("max({} pages of memory / 16, 2 x {} in use) = {}; three quarters, all and one and a half of it",
                    with_commas(ram_pages), with_commas(now.memory.pages.value_or(0)), with_commas((*target)[1]));
    cure.change = std::move(change);
  } else {
    cure.kind = RecommendationKind::capacity;
    cure.text = "TCP uses so much that less than this would hurt now: see first who holds it.";
  }
  if (now.setting_files && !now.setting_files->of_container) {
    if (const SettingLine* line = line_at_boot(*now.setting_files, kMem)) {
      cure.steps.push_back(fmt::format("delete {} ({} = {})", place_of(*line), kMem, line->value));
    }
  }
  cure.verify = "sysctl net.ipv4.tcp_mem; grep MemTotal /proc/meminfo";
  finding.not_useful = {
      {"net.ipv4.tcp_mem (higher)", "it is a limit, not a reservation: a higher one makes nothing faster"}};
  return finding;
}

Outcome judge_stale_settings(const Evidence& in) {
  const NetnsSample* host = in.now().host_netns();
  if (host == nullptr) return Outcome::absent("the host's own namespace is not looked at, and files are for it");
  if (!host->error.empty() || host->sysctls.empty()) return Outcome::unknown("the settings of the host were not read");
  const Place place{in, *host};
  std::vector<Finding> findings;
  if (auto memory = about_memory(place)) findings.push_back(std::move(*memory));
  if (!in.now().setting_files) {
    if (!findings.empty()) return Outcome::of(std::move(findings), "", "", "");
    return Outcome::absent("no file that sets values was looked for");
  }
  if (in.now().setting_files->of_container) {
    return Outcome::of(std::move(findings), "", "lines about settings that are stale",
                       "none: a container applies none");
  }
  const std::vector<Stale> lines = stale_lines(place);
  if (!lines.empty()) findings.push_back(about_lines(place, lines));
  return Outcome::of(std::move(findings), "", "lines about settings that are stale",
                     fmt::format("0 of {}", in.now().setting_files->lines.size()));
}

constexpr std::array kThresholds = {kMemoryShare, kMuchMemory, kCapShare};
constexpr std::array<std::string_view, 3> kReferences = {
    "Documentation/networking/ip-sysctl.rst: tcp_low_latency, tcp_fack, tcp_mem",
    "net/ipv4/tcp.c: tcp_init, tcp_init_mem", "sysctl.d(5)"};

}  // namespace
}  // namespace stale_settings_rule

namespace rules {

extern const Rule stale_settings = {
    .id = stale_settings_rule::kId,
    .title = "lines about settings that this kernel does not need",
    .explanation =
        "Files of settings live longer than kernels. Some lines name what is gone or no longer read; others hold a "
        "value that was large once and is less than what the kernel starts with today; and tcp_mem counts pages, not "
        "bytes, so that a copied value may allow more than all the memory.",
    .thresholds = stale_settings_rule::kThresholds,
    .references = stale_settings_rule::kReferences,
    .judge = stale_settings_rule::judge_stale_settings,
};

}  // namespace rules
}  // namespace tcpadvisor
