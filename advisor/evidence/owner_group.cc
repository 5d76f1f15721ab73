// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/owner_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

using Parts = std::vector<std::string_view>;

constexpr std::size_t kContainerId = 64;  // digits, of docker, containerd, cri-o, podman
constexpr std::size_t kShortId = 12;      // of them, as `docker ps` shows it
constexpr std::size_t kUidDigits = 32, kUidDashes = 4;
constexpr std::string_view kPodmanPod = "libpod_pod_";

Parts parts_of(std::string_view path) {
  Parts parts;
  while (!path.empty()) {
    std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool cut_end(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

bool cut_beginning(std::string_view& text, std::string_view beginning) {
  if (!text.starts_with(beginning)) return false;
  text.remove_prefix(beginning.size());
  return true;
}

/// systemd writes what may not stand in a name as \x2d.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::optional<unsigned char> code;
    if (text.substr(at, 2) == "\\x" && at + 4 <= text.size()) code = number<unsigned char>(text.substr(at + 2, 2), 16);
    out += code ? static_cast<char>(*code) : text[at];
    if (code) at += 3;
  }
  return printable(out);
}

/// The 64 digits of "docker-ID.scope", "ID", "cri-containerd-ID.scope", "crio-ID", "POD.slice:cri-containerd:ID".
std::string_view container_id(std::string_view part) {
  cut_end(part, ".scope");
  if (part.size() < kContainerId) return {};
  std::string_view id = part.substr(part.size() - kContainerId), before = part.substr(0, part.size() - kContainerId);
  if (!is_hex(id)) return {};
  if (before.ends_with(kPodmanPod) || before.ends_with("conmon-")) return {};  // its pod, its monitor
  bool stands_alone = before.empty() || before.ends_with('-') || before.ends_with(':') || before.ends_with('_');
  return stands_alone ? id : std::string_view();
}

/// Of a podman pod, "machine-libpod_pod_ID.slice".
std::string podman_pod(std::string_view part) {
  std::size_t found = part.find(kPodmanPod);
  if (found == part.npos) return "";
  std::string_view id = part.substr(found + kPodmanPod.size());
  cut_end(id, ".slice");
  return id.size() == kContainerId && is_hex(id) ? std::string(id) : "";
}

/// Of a Kubernetes pod, "kubepods-burstable-podUID.slice" with underscores for dashes, or "podUID" below "kubepods".
std::string kubernetes_pod(std::string_view part) {
  part = part.substr(0, part.find(".slice"));
  std::size_t found = part.rfind("pod");
  if (found == part.npos || (found > 0 && part[found - 1] != '-')) return "";
  std::string uid(part.substr(found + 3));
  std::ranges::replace(uid, '_', '-');
  std::string digits = uid;
  std::erase(digits, '-');
  bool has_dashes = uid.size() == digits.size() + kUidDashes;  // the uid of a static pod has none
  return digits.size() == kUidDigits && is_hex(digits) && (has_dashes || uid == digits) ? uid : "";
}

/// The innermost container. lxc and nspawn have names instead of ids.
std::optional<OwnerGroup> container_of(const Parts& parts, std::size_t at) {
  std::string_view part = parts[at];
  auto named = [](const std::string& name) { return OwnerGroup{GroupKind::container, name, name, ""}; };
  if (std::string_view id = container_id(part); !id.empty())
    return OwnerGroup{GroupKind::container, std::string(id.substr(0, kShortId)), std::string(id), ""};
  if (std::string_view name = part; cut_beginning(name, "lxc.payload.") && !name.empty())
    return named(std::string(name));
  if (at > 0 && (parts[at - 1] == "lxc" || parts[at - 1] == "lxc.payload")) return named(std::string(part));
  if (at == 0 || parts[at - 1] != "machine.slice") return std::nullopt;
  bool is_nspawn = cut_beginning(part, "systemd-nspawn@") && cut_end(part, ".service");
  bool is_machine = cut_beginning(part, "machine-") && cut_end(part, ".scope") && !part.starts_with("qemu\\x2d");
  if ((is_nspawn || is_machine) && !part.empty()) return named(unescaped(part));
  return std::nullopt;
}

bool is_unit(std::string_view part) {
  static constexpr std::array<std::string_view, 5> kEnds = {".service", ".scope", ".socket", ".mount", ".swap"};
  return std::ranges::any_of(kEnds, [&](std::string_view end) { return part.ends_with(end); });
}

/// systemd puts an underscore before a name that the kernel would take for a file of its own.
std::string_view unit_name(std::string_view part) {
  cut_beginning(part, "_");
  return part;
}

/// The slice of the user, or a service that the user's own systemd runs.
std::optional<OwnerGroup> user_group(const Parts& parts) {
  for (std::size_t at = 0; at < parts.size(); ++at) {
    std::string_view uid = parts[at];
    if (!cut_beginning(uid, "user-") || !cut_end(uid, ".slice") || !is_number(uid)) continue;
    std::string manager = fmt::format("user@{}.service", uid);
    for (std::string_view inner : std::span(parts).subspan(at + 1)) {
      if (inner.ends_with(".service") && inner != manager)
        return OwnerGroup{GroupKind::user, unescaped(unit_name(inner)), std::string(uid), ""};
    }
    return OwnerGroup{GroupKind::user, std::string(parts[at]), std::string(uid), ""};
  }
  return std::nullopt;
}

void give_name(OwnerGroup& group, const std::string& id, const GroupNames& names) {
  if (auto found = names.find(id); found != names.end()) group.name = printable(found->second);
}

}  // namespace

std::string_view name_of(GroupKind kind) {
  static constexpr std::array<std::string_view, 5> kNames = {"unit", "container", "pod", "user", "cgroup"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<OwnerGroup> owner_group_of(std::string_view path, const GroupNames& names) {
  if (path.empty()) return std::nullopt;
  Parts parts = parts_of(path);
  std::optional<OwnerGroup> container;
  std::string pod;
  for (std::size_t at = parts.size(); at-- > 0 && pod.empty();) {
    if (!container) container = container_of(parts, at);
    pod = podman_pod(parts[at]);
    if (pod.empty() && path.find("kubepods") != path.npos) pod = kubernetes_pod(parts[at]);
  }
  if (container) {
    container->pod = pod;
    give_name(*container, container->id, names);
    return container;
  }
  if (!pod.empty()) {
    OwnerGroup group{GroupKind::pod, pod, pod, ""};
    give_name(group, pod, names);
    return group;
  }
  if (auto user = user_group(parts)) return user;
  if (auto unit = std::ranges::find_if(parts, is_unit); unit != parts.end())
    return OwnerGroup{GroupKind::unit, unescaped(unit_name(*unit)), std::string(unit_name(*unit)), ""};
  return OwnerGroup{GroupKind::cgroup, printable(path), std::string(path), ""};
}

std::string group_text(const OwnerGroup& group) {
  if (group.kind != GroupKind::user) return fmt::format("{} {}", name_of(group.kind), group.name);
  return group.name.ends_with(".slice") ? group.name : fmt::format("{} of user {}", group.name, group.id);
}

}  // namespace tcpadvisor
