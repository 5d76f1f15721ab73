// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/netns_words.h"

#include <fmt/format.h>

namespace tcpadvisor {

std::string netns_name(const Sample& sample, NetnsId id) {
  const NetnsSample* netns = sample.find_netns(id);
  if (netns != nullptr && !netns->name.empty()) return netns->name;
  return id == 0 ? "" : fmt::format("net:[{}]", id);
}

std::string netns_prefix(const std::string& name, bool is_host) {
  if (is_host || name.empty() || name.starts_with("net:[")) return "";
  if (name.starts_with("pid:")) return fmt::format("nsenter -t {} -n ", name.substr(4));
  return fmt::format("ip netns exec {} ", name);
}

std::string in_netns(const Sample& sample, NetnsId id) {
  const NetnsSample* netns = sample.find_netns(id);
  return netns == nullptr ? "" : netns_prefix(netns->name, netns->is_host);
}

}  // namespace tcpadvisor
