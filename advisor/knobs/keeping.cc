// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/keeping.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "advisor/knobs/knobs.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kDirectory = "/etc/sysctl.d/", kSuffix = "tcpadvisor.conf";

struct SafeSysctl {
  std::string_view knob, since;  ///< `since`: empty if longer than anybody asks
};
/// Of knobs(). net.ipv4.ping_group_range, ip_unprivileged_port_start and kernel.shm_rmid_forced are the others.
constexpr auto kSafe = std::to_array<SafeSysctl>({{"net.ipv4.ip_local_port_range", ""},
                                                  {"net.ipv4.tcp_syncookies", ""},
                                                  {"net.ipv4.ip_local_reserved_ports", "1.27"},
                                                  {"net.ipv4.tcp_keepalive_time", "1.29"},
                                                  {"net.ipv4.tcp_fin_timeout", "1.29"},
                                                  {"net.ipv4.tcp_keepalive_intvl", "1.29"},
                                                  {"net.ipv4.tcp_keepalive_probes", "1.29"},
                                                  {"net.ipv4.tcp_rmem", "1.32"},
                                                  {"net.ipv4.tcp_wmem", "1.32"}});

/// In a namespace of its own: what the processes there are in tells who keeps its settings.
Keeping of_namespace(const Sample& sample, NetnsId netns) {
  Keeping keeping;
  keeping.where = Keeping::Where::other;
  keeping.file.clear();
  for (const OwnerTotals& owner : sample.owners) {
    if (owner.netns != netns) continue;
    auto group = sample.group_at(owner.cgroup);
    if (!group) continue;
    if (group->kind == GroupKind::pod || !group->pod.empty()) keeping.where = Keeping::Where::pod;
    if (keeping.where == Keeping::Where::pod) break;
    if (group->kind == GroupKind::container) keeping.where = Keeping::Where::container;
  }
  return keeping;
}

std::string_view name_in(std::string_view file) {
  std::size_t slash = file.rfind('/');
  return slash == file.npos ? file : file.substr(slash + 1);
}

}  // namespace

const SettingLine* line_at_boot(const SettingFiles& files, std::string_view knob) {
  const SettingLine* stands = nullptr;
  for (const SettingLine& line : files.lines) {
    if (line.knob == knob && line.writer != SettingWriter::sysctl_conf) stands = &line;
  }
  return stands;
}

Keeping Keeping::of(const Sample& sample, NetnsId netns, std::string_view name) {
  const Knob* knob = find_knob(name);
  const NetnsSample* place = sample.find_netns(netns);
  bool host_wide = knob != nullptr && knob->scope == KnobScope::host;
  if (!host_wide && netns != 0 && (place == nullptr || !place->is_host)) return of_namespace(sample, netns);
  Keeping keeping;
  if (!sample.setting_files) return keeping;
  const SettingFiles& files = *sample.setting_files;
  if (files.of_container && !host_wide) return of_namespace(sample, netns);

  const SettingLine* fragment = nullptr;
  for (const SettingLine& line : files.lines) {
    if (line.knob != name) continue;
    if (line.writer == SettingWriter::sysctl_conf) keeping.sysctl_conf = line;
    if (line.writer == SettingWriter::sysctl_d) fragment = &line;
  }
  if (const SettingLine* stands = line_at_boot(files, name)) {
    keeping.over = *stands;
    if (stands->writer == SettingWriter::tuned && files.tuned_is_last) {
      keeping.where = Where::tuned;
      keeping.tuned_profile = files.tuned_profile;
      keeping.file = "/etc/tuned/tcpadvisor/tuned.conf";
      return keeping;
    }
  }
  if (fragment == nullptr) return keeping;
  keeping.file = fragment->file == "/etc/sysctl.conf" ? "" : fragment_after(fragment->file);  // that is last of all
  bool is_ours = keeping.file == fragment->file;
  if (!keeping.file.empty() && !is_ours) return keeping;
  keeping.where = Where::line;
  keeping.file = fragment->file;
  keeping.line = fragment->line;
  return keeping;
}

std::string fragment_after(std::string_view file) {
  std::string_view name = name_in(file);
  if (file.starts_with(kDirectory) && name.ends_with(kSuffix)) return std::string(file);
  for (std::string_view prefix : {"99-", "99-zz-", "zz-"}) {
    std::string ours = fmt::format("{}{}", prefix, kSuffix);
    if (ours > name) return fmt::format("{}{}", kDirectory, ours);
  }
  bool plain = name.size() <= 200 && name.ends_with(".conf") && std::ranges::all_of(name, [](unsigned char c) {
                 return c < 0x80 && (std::isalnum(c) != 0 || std::string_view("-_.@+").contains(static_cast<char>(c)));
               });
  if (!plain) return "";
  // '_' sorts after the '.' of ".conf", and '-' would not.
  return fmt::format("{}{}_{}", kDirectory, name.substr(0, name.size() - 5), kSuffix);
}

std::string kubernetes_on(std::string_view knob) {
  auto safe = std::ranges::find(kSafe, knob, &SafeSysctl::knob);
  if (safe == kSafe.end()) {
    return fmt::format("not a safe one there, so the kubelet needs --allowed-unsafe-sysctls={}", knob);
  }
  return safe->since.empty() ? "a safe one there" : fmt::format("a safe one there since {}", safe->since);
}

}  // namespace tcpadvisor
