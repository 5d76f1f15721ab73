// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/words.h"

#include <fmt/format.h>

#include <cmath>

#include "advisor/base/text.h"

namespace tcpadvisor::watch {

std::string owner_text(const SocketRow& row) {
  switch (row.holder) {
    case Holder::process:
      if (!row.owner) return "?";
      return row.owner->holders > 1 ? fmt::format("{}[{}]+{}", row.owner->comm, row.owner->pid, row.owner->holders - 1)
                                    : fmt::format("{}[{}]", row.owner->comm, row.owner->pid);
    case Holder::unaccepted:
      return "(not accepted)";
    case Holder::orphan:
      return "(orphan)";
    case Holder::kernel:
      return "(kernel)";
    case Holder::unknown:
      break;
  }
  return row.kind == SocketKind::full ? "?" : "-";
}

std::string_view state_text(TcpState state) {
  return name_of(state == TcpState::new_syn_recv ? TcpState::syn_recv : state);
}

std::string queue_text(std::uint64_t bytes) {
  return bytes < 1'000'000 ? with_commas(bytes) : human_bytes(bytes);
}

std::string age_text(std::uint64_t ms) {
  return human_duration(std::chrono::milliseconds(ms));
}

std::string age_text(const Age& age) {
  if (age.value.count() == 0 && age.lower_bound) return "-";
  return (age.lower_bound ? ">" : "") + human_duration(age.value);
}

std::string change_text(double per_second) {
  double size = std::abs(per_second);
  if (size < 0.05) return {};
  if (size < 10) return fmt::format("{:+.1f}/s", per_second);
  if (size < 1'000) return fmt::format("{:+.0f}/s", per_second);
  return size < 1e6 ? fmt::format("{:+.0f}k/s", per_second / 1e3) : fmt::format("{:+.0f}M/s", per_second / 1e6);
}

std::string count_or_dash(std::optional<std::uint64_t> value) {
  return value ? with_commas(*value) : "-";
}

std::string key_of(const SocketRow& row) {
  if (row.cookie != 0) return fmt::format("c{}", row.cookie);
  return fmt::format("{}/{}/{}", row.netns, row.local.text(), row.remote.text());
}

std::string netns_text(const Sample& sample, NetnsId id) {
  const NetnsSample* found = sample.find_netns(id);
  return found != nullptr && !found->name.empty() ? found->name : fmt::format("netns {}", id);
}

}  // namespace tcpadvisor::watch
