// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/folk_advice.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::uint64_t kSomeTimeWait = 100;

std::uint64_t total(const Sample& sample, TcpState state) {
  std::uint64_t sum = 0;
  for (const NetnsSample& netns : sample.netns) sum = add_sat(sum, netns.states[index_of(state)].count);
  return sum;
}

std::string now_is(const Sample& sample, const std::string& name) {
  const NetnsSample* host = sample.host_netns();
  auto value = host == nullptr ? std::nullopt : sysctl_value(sample, host->id, name);
  return value ? fmt::format(" (now {})", with_commas(to_u64(*value))) : "";
}

void on_time_wait(const Sample& sample, std::vector<NotRecommended>& out) {
  std::uint64_t count = total(sample, TcpState::time_wait);
  if (count < kSomeTimeWait) return;
  out.push_back(
      {"net.ipv4.tcp_tw_recycle=1",
       fmt::format("removed in Linux 4.12, and it broke clients behind NAT; this host runs {}", sample.host.kernel)});
  out.push_back({"net.ipv4.tcp_tw_reuse=1 on a server",
                 fmt::format("acts on outgoing connections only{}; the {} TIME_WAIT entries stay",
                             now_is(sample, "net.ipv4.tcp_tw_reuse"), with_commas(count))});
  out.push_back({"lower net.ipv4.tcp_max_tw_buckets",
                 fmt::format("ends connections early{}; an entry costs 256 bytes: {} in all",
                             now_is(sample, "net.ipv4.tcp_max_tw_buckets"), human_bytes(mul_sat(count, 256)))});
}

void on_closing(const Sample& sample, std::vector<NotRecommended>& out) {
  std::uint64_t time_wait = total(sample, TcpState::time_wait), close_wait = total(sample, TcpState::close_wait);
  if (time_wait < kSomeTimeWait && close_wait == 0) return;
  out.push_back(
      {"net.ipv4.tcp_fin_timeout against TIME_WAIT or CLOSE_WAIT",
       fmt::format("ends only FIN_WAIT_2 of closed sockets{}; TIME_WAIT is a fixed 60 s, CLOSE_WAIT has no timer",
                   now_is(sample, "net.ipv4.tcp_fin_timeout"))});
}

void on_listeners(const Sample& sample, std::vector<NotRecommended>& out) {
  double fullest = 0;
  std::uint64_t listeners = 0;
  for (const SocketRow& row : sample.sockets) {
    if (row.state != TcpState::listen || !row.accept_queue || !row.accept_limit) continue;
    ++listeners;
    fullest = std::max(fullest, static_cast<double>(*row.accept_queue) / std::max(*row.accept_limit, 1u));
  }
  if (listeners > 0 && fullest < 0.5) {
    out.push_back({"net.core.somaxconn=65535",
                   fmt::format("no accept queue is fuller than {:.0f} % of its limit ({}){}; it acts only at listen()",
                               fullest * 100, counted(listeners, "listener"), now_is(sample, "net.core.somaxconn"))});
  }
  const NetnsSample* host = sample.host_netns();
  auto cookies = host == nullptr ? std::nullopt : sysctl_value(sample, host->id, "net.ipv4.tcp_syncookies");
  if ((total(sample, TcpState::listen) > 0 || listeners > 0) && cookies.value_or(0) == 1) {
    out.push_back({"raise net.ipv4.tcp_max_syn_backlog",
                   fmt::format("has no effect while net.ipv4.tcp_syncookies is 1, as here{}",
                               now_is(sample, "net.ipv4.tcp_max_syn_backlog"))});
  }
}

void on_memory(const Sample& sample, std::vector<NotRecommended>& out) {
  const TcpMemory& memory = sample.memory;
  if (!memory.pages || !memory.limits_pages || (*memory.limits_pages)[1] == 0) return;
  double share = static_cast<double>(*memory.pages) / static_cast<double>((*memory.limits_pages)[1]);
  if (share >= 0.5) return;
  out.push_back({"net.ipv4.tcp_mem by hand",
                 fmt::format("{:.1f} % of the pressure mark is in use ({} of {} pages of {} bytes)", share * 100,
                             with_commas(*memory.pages), with_commas((*memory.limits_pages)[1]), memory.page_size)});
}

}  // namespace

std::vector<NotRecommended> folk_advice(const Sample& latest) {
  std::vector<NotRecommended> out;
  on_time_wait(latest, out);
  on_closing(latest, out);
  on_listeners(latest, out);
  on_memory(latest, out);
  return out;
}

}  // namespace tcpadvisor
