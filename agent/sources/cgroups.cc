// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/cgroups.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <deque>
#include <memory>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

constexpr std::uint64_t kV1Unlimited = 1ull << 62;  // v1 writes "no limit" as the largest number of whole pages

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

/// /proc/mounts writes blanks as \040.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::optional<unsigned char> octal;
    if (text[at] == '\\' && at + 3 < text.size()) octal = number<unsigned char>(text.substr(at + 1, 3), 8);
    out += octal ? static_cast<char>(*octal) : text[at];
    if (octal) at += 3;
  }
  return out;
}

std::optional<std::uint64_t> read_number(const os::ProcRoot& root, const std::string& path) {
  auto text = root.read(path);
  if (!text) return std::nullopt;
  return number<std::uint64_t>(trimmed(*text));  // "max" is no number: no limit
}

std::optional<std::uint64_t> read_keyed(const os::ProcRoot& root, const std::string& path, std::string_view key) {
  auto text = root.read(path);
  if (!text) return std::nullopt;
  return parse_flat_keyed(*text, key);
}

}  // namespace

std::optional<std::uint64_t> parse_flat_keyed(std::string_view text, std::string_view key) {
  while (auto line = next_line(text)) {
    if (next_word(*line) == key) return number<std::uint64_t>(next_word(*line));
  }
  return std::nullopt;
}

CgroupMounts parse_cgroup_mounts(std::string_view mounts) {
  CgroupMounts found;
  bool any_v1 = false;
  while (auto line = next_line(mounts)) {  // device directory type options dump pass
    next_word(*line);
    std::string_view directory = next_word(*line);
    std::string_view type = next_word(*line);
    std::string options = fmt::format(",{},", next_word(*line));
    if (type == "cgroup2" && !found.unified) found.unified = unescape(directory);
    if (type == "cgroup") {
      any_v1 = true;
      if (options.find(",memory,") != std::string::npos) found.v1_memory = unescape(directory);
      if (options.find(",freezer,") != std::string::npos) found.v1_freezer = unescape(directory);
    }
  }
  found.hybrid = any_v1 && found.unified.has_value();
  return found;
}

void CgroupTree::walk(const os::ProcRoot& root, const CgroupMounts& mounts) {
  paths_.clear();
  if (!mounts.unified) return;
  std::deque<std::string> waiting = {""};
  while (!waiting.empty() && paths_.size() < kMaxDirectories) {
    std::string path = std::move(waiting.front());
    waiting.pop_front();
    std::string full = root.path(*mounts.unified + path);
    struct stat info{};
    if (stat(full.c_str(), &info) != 0) continue;
    bool says_nothing = mounts.hybrid && path.empty();
    paths_.emplace(static_cast<std::uint64_t>(info.st_ino), says_nothing ? "" : path.empty() ? "/" : printable(path));
    std::unique_ptr<DIR, CloseDir> dir(opendir(full.c_str()));
    if (!dir) continue;
    while (const dirent* entry = readdir(dir.get())) {
      std::string_view name = entry->d_name;
      if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
      if (paths_.size() + waiting.size() >= kMaxDirectories) break;
      waiting.push_back(fmt::format("{}/{}", path, name));
    }
  }
}

std::string CgroupTree::path(std::uint64_t id) const {
  auto at = paths_.find(id);
  return at == paths_.end() ? "" : at->second;
}

void read_memory_v2(const os::ProcRoot& root, const std::string& mount, CgroupTotals& totals) {
  std::string dir = mount + totals.path + "/";
  totals.sock_bytes = read_keyed(root, dir + "memory.stat", "sock");
  totals.memory_current = read_number(root, dir + "memory.current");
  totals.memory_max = read_number(root, dir + "memory.max");
  totals.memory_high = read_number(root, dir + "memory.high");
  if (auto events = root.read(dir + "memory.events")) {
    totals.events_max = parse_flat_keyed(*events, "max");
    totals.events_high = parse_flat_keyed(*events, "high");
  }
}

void read_memory_v1(const os::ProcRoot& root, const std::string& mount, CgroupTotals& totals) {
  std::string dir = mount + totals.path + "/memory.kmem.tcp.";
  totals.sock_bytes = read_number(root, dir + "usage_in_bytes");
  totals.memory_current = totals.sock_bytes;
  totals.memory_max = read_number(root, dir + "limit_in_bytes");
  if (totals.memory_max.value_or(0) >= kV1Unlimited) totals.memory_max.reset();
  totals.events_max = read_number(root, dir + "failcnt");
}

}  // namespace tcpadvisor::sources
