// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/kernel_default.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>
#include <vector>

#include "advisor/base/fields.h"
#include "advisor/base/saturate.h"
#include "advisor/knobs/kernel_version.h"

namespace tcpadvisor {
namespace {

using Values = std::vector<std::int64_t>;

/// "212992, 4194304 in newer kernels" -> {212992}, {4194304}; "by the memory at boot" -> nothing.
std::vector<Values> listed(std::string_view text) {
  std::vector<Values> out;
  while (!text.empty()) {
    std::size_t end = text.find_first_of(",;");
    std::string_view part = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    Values values;
    for (std::string_view word = next_word(part); !word.empty(); word = next_word(part)) {
      auto value = number<std::int64_t>(word);
      if (!value) break;
      values.push_back(*value);
    }
    if (!values.empty()) out.push_back(std::move(values));
  }
  return out;
}

bool near(std::int64_t value, double wanted) {
  return static_cast<double>(value) > wanted * 0.75 && static_cast<double>(value) < wanted * 1.25;
}

bool power_of_two(std::int64_t value) {
  return value > 0 && std::has_single_bit(static_cast<std::uint64_t>(value));
}

std::optional<std::int64_t> value_of(const Sysctls& settings, const std::string& name) {
  auto found = settings.find(name);
  bool one = found != settings.end() && found->second.values.size() == 1;
  return one ? std::optional(found->second.values[0]) : std::nullopt;
}

/// The largest buffers: a 128th of the memory, at most 4 MiB or 6 MiB, 32 MiB since 6.16.
bool is_buffer_start(const Knob& knob, const Values& now, double mem_bytes) {
  const bool receive = knob.name == "net.ipv4.tcp_rmem";
  if (now.size() != 3 || now[0] != 4'096 || now[1] != (receive ? 131'072 : 16'384)) return false;
  const std::int64_t cap = receive ? 6 << 20 : 4 << 20;
  return now[2] == cap || (receive && now[2] == 32 << 20) || (now[2] < 32 << 20 && near(now[2], mem_bytes / 128));
}

/// limit = memory / 16; limit / 4 * 3, limit, and twice the first.
bool is_memory_start(const Values& now, const Sample& sample) {
  if (now.size() != 3 || now[1] <= 0 || now[1] > INT64_MAX / 4) return false;
  double pages = static_cast<double>(sample.host.mem_bytes) / static_cast<double>(sample.memory.page_size);
  return now[0] == now[1] / 4 * 3 && now[2] == now[0] * 2 && (pages == 0 || near(now[1], pages / 16));
}

}  // namespace

ByKernel by_kernel(const Knob& knob, const Sysctl& value, const Sysctls& others, const Sample& sample) {
  auto yes_or = [](bool yes, ByKernel otherwise) { return yes ? ByKernel::yes : otherwise; };
  const Values& now = value.values;
  if (knob.name == "net.ipv4.tcp_rmem" || knob.name == "net.ipv4.tcp_wmem")
    return yes_or(is_buffer_start(knob, now, static_cast<double>(sample.host.mem_bytes)), ByKernel::no);
  if (knob.name == "net.ipv4.tcp_mem") return yes_or(is_memory_start(now, sample), ByKernel::no);
  if (knob.name == "net.ipv4.ip_local_reserved_ports") return yes_or(value.text.empty(), ByKernel::no);
  if (now.size() == 1 && (knob.name.ends_with("tcp_max_orphans") || knob.name.ends_with("tcp_max_tw_buckets"))) {
    // Both are half of one table, whose size is a power of two.
    auto other = value_of(
        others, knob.name.ends_with("tcp_max_orphans") ? "net.ipv4.tcp_max_tw_buckets" : "net.ipv4.tcp_max_orphans");
    return yes_or(power_of_two(now[0]) && (!other || *other == now[0]), ByKernel::cannot_tell);
  }
  if (now.size() == 1 && knob.name == "net.ipv4.tcp_max_syn_backlog") {
    auto half_table = value_of(others, "net.ipv4.tcp_max_tw_buckets");
    bool fits = half_table && now[0] == std::max<std::int64_t>(128, *half_table / 64);
    return yes_or(fits, ByKernel::cannot_tell);
  }
  std::vector<Values> starts = listed(knob.kernel_default);
  if (!starts.empty()) return yes_or(std::ranges::find(starts, now) != starts.end(), ByKernel::no);
  bool words = now.empty() && !value.text.empty();
  return yes_or(words && value.text == knob.kernel_default, ByKernel::cannot_tell);
}

std::optional<std::int64_t> kernel_start(std::string_view knob, std::size_t at, const HostFacts& host) {
  const KernelVersion release = kernel_version(host.kernel).value_or(KernelVersion{});
  auto of_memory = [&](std::int64_t most) -> std::optional<std::int64_t> {
    if (host.mem_bytes == 0) return std::nullopt;
    return std::min(most, to_i64(static_cast<double>(host.mem_bytes) / 128 * 0.75));
  };
  if (knob == "net.ipv4.tcp_rmem" && at == 1) return 131'072;
  if (knob == "net.ipv4.tcp_rmem" && at == 2) return of_memory(release >= KernelVersion{6, 16} ? 32 << 20 : 6 << 20);
  if (knob == "net.ipv4.tcp_wmem" && at == 1) return 16'384;
  if (knob == "net.ipv4.tcp_wmem" && at == 2) return of_memory(4 << 20);
  if (at > 0) return std::nullopt;
  if (knob == "net.core.somaxconn" && release >= KernelVersion{5, 4}) return 4'096;
  if (knob == "net.core.netdev_max_backlog") return 1'000;
  if (knob == "net.core.rmem_max" || knob == "net.core.wmem_max")
    return release >= KernelVersion{6, 18} ? 4 << 20 : 212'992;
  return std::nullopt;
}

bool copied_from_host(const Knob& knob) {
  return knob.name == "net.ipv4.tcp_rmem" || knob.name == "net.ipv4.tcp_wmem" ||
         knob.name == "net.ipv4.tcp_congestion_control";
}

}  // namespace tcpadvisor
