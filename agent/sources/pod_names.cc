// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/pod_names.h"

#include <fmt/format.h>

#include <utility>

#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

/// "a_b_c": no part of it has an underscore, Kubernetes does not allow one in a name.
struct ThreeParts {
  std::string_view first, second, third;
};
std::optional<ThreeParts> three_parts(std::string_view text) {
  std::size_t one = text.find('_'), two = text.rfind('_');
  if (one == text.npos || one == two) return std::nullopt;
  ThreeParts parts{text.substr(0, one), text.substr(one + 1, two - one - 1), text.substr(two + 1)};
  if (parts.first.empty() || parts.third.empty() || parts.second.empty()) return std::nullopt;
  return parts.second.find('_') == text.npos ? std::optional(parts) : std::nullopt;
}

template <typename Parse>
void add_names(GroupNames& names, const os::ProcRoot& root, std::string_view directory, Parse parse) {
  auto entries = root.list(directory);
  if (!entries) return;
  for (const std::string& entry : *entries) {
    if (names.size() >= kMaxPodNames) return;
    if (auto known = parse(entry)) names.try_emplace(std::move(known->id), std::move(known->name));
  }
}

}  // namespace

std::optional<KnownName> parse_pod_log(std::string_view directory) {
  auto parts = three_parts(directory);
  if (!parts) return std::nullopt;
  return KnownName{printable(parts->third), printable(fmt::format("{}/{}", parts->first, parts->second))};
}

std::optional<KnownName> parse_container_log(std::string_view link) {
  if (!link.ends_with(".log")) return std::nullopt;
  auto parts = three_parts(link.substr(0, link.size() - 4));
  if (!parts) return std::nullopt;
  std::size_t dash = parts->third.rfind('-');
  if (dash == parts->third.npos || dash == 0 || dash + 1 == parts->third.size()) return std::nullopt;
  std::string_view container = parts->third.substr(0, dash), id = parts->third.substr(dash + 1);
  return KnownName{printable(id), printable(fmt::format("{}/{}/{}", parts->second, parts->first, container))};
}

GroupNames read_pod_names(const os::ProcRoot& root) {
  GroupNames names;
  add_names(names, root, "/var/log/pods", parse_pod_log);
  add_names(names, root, "/var/log/containers", parse_container_log);
  return names;
}

}  // namespace tcpadvisor::sources
