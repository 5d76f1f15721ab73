// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/drop_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/drop_reasons.h"
#include "agent/kernel/map_entries.h"

namespace tcpadvisor::kernel {

DropReasons::DropReasons(const std::map<unsigned, std::string>& names) {
  static constexpr std::string_view kPrefix = "SKB_DROP_REASON_";
  for (const auto& [number, name] : names)
    names_[number] = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::string DropReasons::name_of(std::uint32_t reason) const {
  auto at = names_.find(reason);
  if (at != names_.end()) return at->second;
  // In the upper half the number of a part that has reasons of its own, as Open vSwitch does.
  return fmt::format("{}:{}", reason >> 16, reason & 0xffff);
}

void DropReasons::mark_losses(abi::ta_u8* marks) const {
  if (marks == nullptr) return;
  for (const auto& [number, name] : names_) {
    if (number < abi::TA_DROP_REASONS && is_loss(name)) marks[number] = 1;
  }
  if (!names_.empty()) marks[abi::TA_DROP_REASONS - 1] = 1;  // those of other parts
}

Drops decode_drops(const abi::ta_drop_key& key, const abi::ta_drops& dropped, const DropReasons& reasons,
                   std::uint64_t now_ns) {
  Drops out;
  out.netns = key.netns;
  out.port = key.port;
  if (key.port == 0) {
    std::array<std::uint8_t, sizeof key.peer> address{};
    std::memcpy(address.data(), key.peer, address.size());
    out.peer = Endpoint::from_bytes(address, 0);
  }
  out.outgoing = key.outgoing != 0;
  out.reason = reasons.name_of(key.reason);
  const std::string_view function(dropped.function, strnlen(dropped.function, sizeof dropped.function));
  out.function = printable(function.starts_with("0x") ? std::string_view() : function);  // no symbol
  out.segments = dropped.segments;
  out.last_ms_ago = now_ns > dropped.last_ns ? (now_ns - dropped.last_ns) / 1'000'000 : 0;
  return out;
}

std::vector<Drops> merged(std::vector<Drops> drops) {
  auto what = [](const Drops& one) {
    return std::tie(one.netns, one.peer, one.port, one.outgoing, one.reason, one.function);
  };
  std::ranges::sort(drops);
  std::vector<Drops> out;
  for (Drops& one : drops) {
    if (out.empty() || what(out.back()) != what(one)) {
      out.push_back(std::move(one));
      continue;
    }
    out.back().segments = add_sat(out.back().segments, one.segments);
    out.back().last_ms_ago = std::min(out.back().last_ms_ago, one.last_ms_ago);
  }
  std::ranges::stable_sort(out, std::ranges::greater(), &Drops::segments);
  return out;
}

std::optional<std::vector<Drops>> read_drops(int connections_fd, int handshakes_fd, const DropReasons& reasons,
                                             std::uint64_t now_ns) {
  std::vector<Drops> all;
  auto take_from = [&](int map_fd) {
    return [&, map_fd](const abi::ta_drop_key& key, const abi::ta_drops& dropped) {
      if (is_over(now_ns, dropped.last_ns, TA_DROPS_KEPT_NS)) {
        bpf_map_delete_elem(map_fd, &key);
      } else if (dropped.segments > 0) {
        Drops drops = decode_drops(key, dropped, reasons, now_ns);
        if (is_loss(drops)) all.push_back(std::move(drops));
      }
    };
  };
  using Key = abi::ta_drop_key;
  using Value = abi::ta_drops;
  if (!each_entry<Key, Value>(connections_fd, take_from(connections_fd)) ||
      !each_entry<Key, Value>(handshakes_fd, take_from(handshakes_fd)))
    return std::nullopt;
  return merged(std::move(all));
}

}  // namespace tcpadvisor::kernel
