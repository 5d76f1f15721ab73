// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/here_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor::explain {
namespace {

using Lines = std::vector<std::string>;
constexpr std::size_t kMostHolders = 4;

std::optional<TcpState> state_named(std::string_view name) {
  for (std::size_t i = 1; i < kStateCount; ++i) {
    if (kStateNames[i] == name) return static_cast<TcpState>(i);
  }
  return std::nullopt;
}

/// What is known of one option of a row: nothing where no source shows it.
struct OptionOf {
  std::string_view name;
  std::optional<bool> (*set)(const SocketRow& row);
};

template <typename T>
std::optional<bool> more_than(const std::optional<T>& value, T least) {
  return value ? std::optional(*value > least) : std::nullopt;
}

constexpr OptionOf kOptions[] = {
    {"SO_LINGER", [](const SocketRow& r) { return r.nodelay ? std::optional(r.linger_ms.has_value()) : std::nullopt; }},
    {"SO_RCVLOWAT", [](const SocketRow& r) { return more_than<std::uint32_t>(r.rcvlowat, 1); }},
    {"SO_SNDBUF", [](const SocketRow& r) { return r.locks ? std::optional(r.locks->sndbuf) : std::nullopt; }},
    {"SO_RCVBUF", [](const SocketRow& r) { return r.locks ? std::optional(r.locks->rcvbuf) : std::nullopt; }},
    {"SO_KEEPALIVE", [](const SocketRow& r) { return r.keepalive; }},
    {"SO_SNDTIMEO", [](const SocketRow& r) { return more_than<std::uint32_t>(r.send_timeout_ms, 0); }},
    {"SO_RCVTIMEO", [](const SocketRow& r) { return more_than<std::uint32_t>(r.recv_timeout_ms, 0); }},
    {"TCP_NODELAY", [](const SocketRow& r) { return r.nodelay; }},
    {"TCP_CORK", [](const SocketRow& r) { return r.cork; }},
    {"TCP_USER_TIMEOUT", [](const SocketRow& r) { return more_than<std::uint32_t>(r.user_timeout_ms, 0); }},
};

Lines of_listeners(const Sample& now) {
  std::uint64_t waiting = 0, listeners = 0, full = 0;
  std::string fullest;
  double most = -1;
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::listen || !row.accept_queue || !row.accept_limit) continue;
    ++listeners;
    waiting = add_sat(waiting, std::uint64_t{*row.accept_queue});
    full += *row.accept_queue >= std::max(*row.accept_limit, 1u) ? 1 : 0;
    const double fill = static_cast<double>(*row.accept_queue) / std::max(*row.accept_limit, 1u);
    if (fill <= most) continue;
    most = fill;
    fullest = fmt::format("{} of {} on {}{}", *row.accept_queue, *row.accept_limit, row.local.text(),
                          row.owner ? fmt::format(", {}[{}]", printable(row.owner->comm), row.owner->pid) : "");
  }
  if (listeners == 0) return {"no listener whose queue can be seen"};
  return {fmt::format("{}, {} full; {} wait to be accepted", counted(listeners, "listener"), with_commas(full),
                      with_commas(waiting)),
          "the fullest: " + fullest};
}

Lines of_queue(const Sample& now, bool sending) {
  std::uint64_t bytes = 0, not_sent = 0, sockets = 0;
  for (const NetnsSample& netns : now.netns) {
    for (const StateTotals& state : netns.states) bytes = add_sat(bytes, sending ? state.send_q : state.recv_q);
  }
  for (const SocketRow& row : now.sockets) {
    if (row.state == TcpState::listen) continue;
    sockets += (sending ? row.send_q : row.recv_q) > 0 ? 1 : 0;
    not_sent = add_sat(not_sent, row.not_sent.value_or(0));
  }
  Lines out{
      fmt::format("{} in {} of {}", human_bytes(bytes), sending ? "Send-Q" : "Recv-Q", counted(sockets, "connection"))};
  if (sending) out.push_back(fmt::format("of it not sent yet: {}", human_bytes(not_sent)));
  std::vector<std::pair<std::uint64_t, const OwnerTotals*>> holders;
  holders.reserve(now.owners.size());
  for (const OwnerTotals& owner : now.owners) holders.emplace_back(sending ? owner.send_q : owner.recv_q, &owner);
  if (std::string text = holders_text(std::move(holders)); !text.empty()) out.push_back("bytes by process: " + text);
  return out;
}

std::uint64_t counter(const Sample& now, const std::string& name) {
  std::uint64_t sum = 0;
  for (const NetnsSample& netns : now.netns) {
    auto found = netns.counters.find(name);
    if (found != netns.counters.end()) sum = add_sat(sum, found->second);
  }
  return sum;
}

Lines of_closing(const Sample& now) {
  return {fmt::format("closes that threw away received data, and reset, since the boot: {} (TCPAbortOnClose)",
                      with_commas(counter(now, "TcpExt.TCPAbortOnClose"))),
          fmt::format("resets of data that came after a close, or of SO_LINGER 0: {} (TCPAbortOnData)",
                      with_commas(counter(now, "TcpExt.TCPAbortOnData"))),
          fmt::format("waiting for a close() of ours (CLOSE_WAIT): {}",
                      with_commas(totals_in(now, TcpState::close_wait).count))};
}

Lines of_descriptors(const Sample& now) {
  std::vector<std::pair<std::uint64_t, const OwnerTotals*>> holders;
  const OwnerTotals* nearest = nullptr;
  double most = 0;
  for (const OwnerTotals& owner : now.owners) {
    holders.emplace_back(owner.tcp_sockets(), &owner);
    if (!owner.fds || owner.fd_limit.value_or(0) == 0) continue;
    const double share = static_cast<double>(*owner.fds) / static_cast<double>(*owner.fd_limit);
    if (share < most) continue;
    most = share;
    nearest = &owner;
  }
  Lines out;
  if (std::string text = holders_text(std::move(holders)); !text.empty())
    out.push_back("TCP sockets by process: " + text);
  if (nearest != nullptr) {
    out.push_back(fmt::format("nearest to its limit: {}[{}], {} of {} descriptors", printable(nearest->comm),
                              nearest->pid, with_commas(*nearest->fds), with_commas(*nearest->fd_limit)));
  }
  return out;
}

}  // namespace

StateTotals totals_in(const Sample& now, TcpState state) {
  StateTotals out;
  auto add = [&](const StateTotals& more) {
    out.count = add_sat(out.count, more.count);
    out.recv_q = add_sat(out.recv_q, more.recv_q);
    out.send_q = add_sat(out.send_q, more.send_q);
  };
  for (const NetnsSample& netns : now.netns) {
    add(netns.states[index_of(state)]);
    if (state == TcpState::syn_recv) add(netns.states[index_of(TcpState::new_syn_recv)]);
  }
  return out;
}

std::string holders_text(std::vector<std::pair<std::uint64_t, const OwnerTotals*>> holders) {
  std::erase_if(holders, [](const auto& one) { return one.first == 0; });
  std::ranges::stable_sort(holders, std::greater<>(), [](const auto& one) { return one.first; });
  std::string out;
  for (std::size_t i = 0; i < std::min(holders.size(), kMostHolders); ++i) {
    out += fmt::format("{}{}[{}] {}", i > 0 ? ", " : "", printable(holders[i].second->comm), holders[i].second->pid,
                       with_commas(holders[i].first));
  }
  if (holders.size() > kMostHolders) out += fmt::format(", {} more", with_commas(holders.size() - kMostHolders));
  return out;
}

std::vector<std::string> of_state(std::string_view name, const Sample& now) {
  const auto state = state_named(name);
  if (!state) return {};
  if (!now.knows(FactId::snapshot) && now.fact(FactId::snapshot) != nullptr) return {"sockets cannot be seen here"};
  const StateTotals all = totals_in(now, *state);
  Lines out{counted(all.count, "socket") + " in this state"};
  if (*state == TcpState::listen) {
    for (std::string& line : of_listeners(now)) out.push_back(std::move(line));
  } else if (all.recv_q > 0 || all.send_q > 0) {
    out.push_back(fmt::format("{} not read, {} not acknowledged", human_bytes(all.recv_q), human_bytes(all.send_q)));
  }
  std::vector<std::pair<std::uint64_t, const OwnerTotals*>> holders;
  std::uint64_t held = 0;
  for (const OwnerTotals& owner : now.owners) {
    holders.emplace_back(owner.sockets[index_of(*state)], &owner);
    held = add_sat(held, std::uint64_t{owner.sockets[index_of(*state)]});
  }
  if (std::string text = holders_text(std::move(holders)); !text.empty()) out.push_back("held by: " + text);
  if (held == 0 && all.count > 0)
    out.emplace_back("no process that we see holds one: they are the kernel's alone, or others'");
  return out;
}

std::vector<std::string> of_option(std::string_view name, const Sample& now) {
  if (name == "TCP_NOTSENT_LOWAT") {
    Lines out = of_queue(now, true);
    out.emplace_back("whether a program has set it, the kernel does not tell");
    return out;
  }
  for (const OptionOf& option : kOptions) {
    if (option.name != name) continue;
    std::uint64_t known = 0, set = 0, unknown = 0;
    std::vector<std::string> by;
    for (const SocketRow& row : now.sockets) {
      if (row.kind != SocketKind::full) continue;
      const std::optional<bool> is_set = option.set(row);
      ++(is_set ? known : unknown);
      if (!is_set.value_or(false)) continue;
      ++set;
      by.push_back(row.owner ? fmt::format("{}[{}]", printable(row.owner->comm), row.owner->pid)
                             : "no process that we see");
    }
    if (known + unknown == 0) return {"there is no socket with a connection or a listener"};
    if (known == 0)
      return {"the source in use does not show it: it takes BPF (tcpadvisor doctor says what is missing)"};
    Lines out{fmt::format("set on {} of {}", with_commas(set), counted(known, "socket")) +
              (unknown > 0 ? fmt::format("; of {} it cannot be seen", with_commas(unknown)) : "")};
    if (!by.empty()) out.push_back("by: " + most_frequent(by));
    return out;
  }
  return {};
}

std::vector<std::string> of_call(std::string_view name, const Sample& now) {
  if (name == "listen()" || name == "accept()") return of_listeners(now);
  if (name == "send()") return of_queue(now, true);
  if (name == "recv()") return of_queue(now, false);
  if (name == "close()") return of_closing(now);
  if (name == "socket()") return of_descriptors(now);
  if (name == "shutdown()") return of_state("FIN_WAIT_2", now);
  if (name == "connect()") return of_state("SYN_SENT", now);
  return {};
}

}  // namespace tcpadvisor::explain
