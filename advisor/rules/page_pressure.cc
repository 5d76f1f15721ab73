// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/page_pressure.h"

#include <algorithm>

namespace tcpadvisor {
namespace {

template <typename Read>
Series series_of(const Window& window, Read read) {
  return window.series([&](const PastTick& tick) -> std::optional<double> {
    if (!tick.host_pressure) return std::nullopt;
    std::optional<std::uint64_t> value = read(*tick.host_pressure);
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
  });
}

std::optional<double> increase(const Series& series) {
  return series.size() < 2 ? std::nullopt : std::optional(series.increase());
}

}  // namespace

bool HostMemory::short_of(const Policy& policy) const {
  return stalled_share.value_or(0) >= policy.value(kStallShare) ||
         allocation_stalls.value_or(0) >= policy.value(kMinAllocationStalls) || oom_kills.value_or(0) > 0 ||
         available_share.value_or(1) < policy.value(kLeastAvailable);
}

HostMemory host_memory(const Window& window) {
  HostMemory out;
  Series stalled = series_of(window, [](const HostPressure& host) {
    return host.memory_some ? std::optional(host.memory_some->total_us) : std::nullopt;
  });
  if (stalled.span_s() > 0) out.stalled_share = std::min(1.0, stalled.increase() / 1e6 / stalled.span_s());
  out.allocation_stalls = increase(series_of(window, [](const HostPressure& host) { return host.allocation_stalls; }));
  out.oom_kills = increase(series_of(window, [](const HostPressure& host) { return host.oom_kills; }));
  const HostFacts& host = window.latest().host;
  if (host.mem_bytes > 0 && host.mem_available_bytes > 0) {  // kernels before 3.14 do not say what is available
    out.available_share = static_cast<double>(host.mem_available_bytes) / static_cast<double>(host.mem_bytes);
  }
  return out;
}

double pressure_below_marks(const Window& window) {
  const TcpMemory& memory = window.latest().memory;
  if (!memory.pages || !memory.limits_pages) return 0;
  Series pages = window.series([](const PastTick& tick) -> std::optional<double> {
    if (!tick.memory.pages) return std::nullopt;
    return static_cast<double>(*tick.memory.pages);
  });
  if (pages.max() >= kFarBelowMarks * static_cast<double>((*memory.limits_pages)[0])) return 0;
  return std::max(window.increase("TcpExt.TCPMemoryPressures").value_or(0),
                  memory.under_pressure.value_or(false) ? 1.0 : 0.0);
}

}  // namespace tcpadvisor
