// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/setting_files.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/knobs/setting_lines.h"
#include "advisor/knobs/tuned_profile.h"

namespace tcpadvisor::sources {
namespace {

constexpr std::size_t kLargestFile = 1u << 20, kMostNames = 4096, kMostProfiles = 32;
constexpr const char* kSysctlConf = "/etc/sysctl.conf";
using Directories = std::vector<std::string>;

class Reader {
 public:
  Reader(const os::ProcRoot& root, SettingFiles& out) : root_(root), out_(out) {}

  /// Empty if it is not there, or no file: /dev/null, a pipe.
  std::string text(const std::string& path) {
    if (!root_.is_file(path)) return "";
    auto read = root_.read(path, kLargestFile);
    if (!read) ++out_.unreadable;
    return read ? std::move(*read) : "";
  }

  /// The files of all directories, the strongest first, in the order of applying.
  std::vector<SettingText> sysctl_d(const Directories& directories) {
    std::vector<std::vector<std::string>> names;
    for (const std::string& directory : directories) {
      auto listed = root_.list(directory);
      if (listed && listed->size() > kMostNames) listed->resize(kMostNames);
      names.push_back(listed ? std::move(*listed) : std::vector<std::string>());
    }
    std::vector<SettingText> files;
    for (const OrderedFile& file : sysctl_d_order(names)) {
      std::string path = directories[file.directory] + "/" + file.name;
      files.push_back({.file = printable(path), .text = text(path)});
    }
    return files;
  }

  SettingText sysctl_conf(SettingWriter writer) {
    return {.file = kSysctlConf, .text = text(kSysctlConf), .writer = writer};
  }

  /// Included profiles come before those that include them; a file counts once, so circles end.
  void add_tuned(const std::vector<std::string>& names, std::vector<SettingLine>& lines) {
    for (const std::string& name : names) {
      std::string path = unread_profile(name);
      if (path.empty()) continue;
      seen_.insert(path);
      TunedProfile profile = parse_tuned_profile(text(path), path);
      add_tuned(profile.includes, lines);
      if (profile.replaces) lines.clear();
      std::ranges::move(profile.lines, std::back_inserter(lines));
    }
  }

 private:
  /// A profile of /etc may include the one of /usr that has its name.
  std::string unread_profile(const std::string& name) const {
    if (seen_.size() >= kMostProfiles) return "";
    for (const char* directory :
         {"/etc/tuned/profiles/", "/etc/tuned/", "/usr/lib/tuned/profiles/", "/usr/lib/tuned/"}) {
      std::string path = directory + name + "/tuned.conf";
      if (!seen_.contains(path) && root_.is_file(path)) return path;
    }
    return "";
  }

  const os::ProcRoot& root_;
  SettingFiles& out_;
  std::set<std::string> seen_;
};

void append(std::vector<SettingLine> more, std::vector<SettingLine>& lines) {
  std::ranges::move(more, std::back_inserter(lines));
}

/// As systemd has them running, in either kind of cgroups.
std::vector<std::string> running_tuners(const os::ProcRoot& root) {
  std::vector<std::string> out;
  for (const char* tuner : {"bpftune", "tuned"}) {
    for (const char* slice : {"/sys/fs/cgroup/system.slice/", "/sys/fs/cgroup/systemd/system.slice/"}) {
      if (!root.inode(std::string(slice) + tuner + ".service")) continue;
      out.emplace_back(tuner);
      break;
    }
  }
  return out;
}

/// tuned applies its profile when it starts, which is after systemd-sysctl, and then, unless told otherwise, once more
/// what the administrator has in sysctl.d (tuned/plugins/plugin_sysctl.py).
void add_tuned(Reader& reader, bool runs, SettingFiles& out) {
  std::vector<std::string> names = tuned_profile_names(reader.text("/etc/tuned/active_profile"));
  if (names.empty() || !runs) return;
  for (const std::string& name : names) out.tuned_profile += (out.tuned_profile.empty() ? "" : " ") + name;
  std::vector<SettingLine> lines;
  reader.add_tuned(names, lines);
  append(std::move(lines), out.lines);
  out.tuned_is_last = !tuned_reapplies(reader.text("/etc/tuned/tuned-main.conf"));
  if (out.tuned_is_last) return;
  std::vector<SettingText> again = reader.sysctl_d({"/run/sysctl.d", "/etc/sysctl.d"});
  again.push_back(reader.sysctl_conf(SettingWriter::sysctl_d));
  append(setting_lines(again, Patterns::unknown), out.lines);
}

/// Where pid 1 has its files: "" if that is where we are, or if it cannot be seen.
std::string place_of_init(const os::ProcRoot& root) {
  auto ours = root.read_link("/proc/self/ns/mnt"), inits = root.read_link("/proc/1/ns/mnt");
  bool elsewhere = root.is_real() && ours && inits && *ours != *inits;
  return elsewhere && root.list("/proc/1/root/etc") ? "/proc/1/root" : "";
}

}  // namespace

SettingFiles read_setting_files(const os::ProcRoot& here, bool first_pid_namespace) {
  const os::ProcRoot root(here.path(place_of_init(here)));
  SettingFiles out;
  Reader reader(root, out);
  const bool systemd = root.inode("/run/systemd/system").has_value();
  out.of_container = !first_pid_namespace && !systemd;
  out.tuners = running_tuners(here);

  if (systemd) append(setting_lines(std::array{reader.sysctl_conf(SettingWriter::sysctl_conf)}), out.lines);
  if (first_pid_namespace) append(command_line_settings(reader.text("/proc/cmdline")), out.lines);
  std::vector<SettingText> at_boot = reader.sysctl_d(
      {"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"});
  if (!systemd) at_boot.push_back(reader.sysctl_conf(SettingWriter::sysctl_d));
  append(setting_lines(at_boot), out.lines);
  // Where no cgroup shows whether it runs, an active profile is taken at its word.
  const bool shown = here.inode("/sys/fs/cgroup/system.slice").has_value();
  add_tuned(reader, !shown || std::ranges::find(out.tuners, "tuned") != out.tuners.end(), out);
  return out;
}

}  // namespace tcpadvisor::sources
