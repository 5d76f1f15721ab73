// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/stuck_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/rules/both_write.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/unanswered.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kFewestLooks = 3;
constexpr double kSomeBytes = 4'096;           // in the window; the two counters are not read at one instant
constexpr std::uint64_t kMuchUnsent = 65'536;  // bytes; so much that it is a pity not to know

struct Stuck {
  double for_s = 0, closed_share = 0;
  std::size_t looks = 0;
  bool window_known = true;
};

/// Since when the peer has taken nothing, as far as the window goes; nothing if it took something lately.
Stuck stuck(const Window& window, const SocketRow& row) {
  Stuck out;
  const std::vector<const PastRow*> history = window.history(row);
  const PastRow* next = nullptr;
  std::size_t closed = 0, known = 0;
  for (std::size_t i = history.size(); i-- > 0;) {
    const PastRow* then = history[i];
    if (then == nullptr || then->send_q == 0) break;
    if (next != nullptr && (next->bytes_acked != then->bytes_acked || next->send_q < then->send_q)) break;
    next = then;
    out.for_s = window.span_s() - window.seconds_at(i);
    ++out.looks;
    known += then->peer_closed_window.has_value() ? 1 : 0;
    closed += then->peer_closed_window.value_or(false) ? 1 : 0;
  }
  out.window_known = known > 0;
  if (known > 0) out.closed_share = static_cast<double>(closed) / static_cast<double>(known);
  return out;
}

/// The process that should read, if it is on this host: who holds the other end, or should accept it.
std::optional<Owner> reader_of(const Connections& connections, const SocketRow& row) {
  const SocketRow* far = connections.other_end(row);
  if (far != nullptr && far->holder == Holder::unaccepted) far = listener_of(connections, far->netns, far->local);
  return far == nullptr ? std::nullopt : far->owner;
}

/// The other end is on this host, and its program took bytes in the time that we watched.
bool is_read(const Window& window, const SocketRow& row) {
  const SocketRow* far = window.connections().other_end(row);
  if (far == nullptr || far->holder == Holder::unaccepted) return false;
  Series taken = window.socket_series(*far, [](const PastRow& then) -> std::optional<double> {
    if (!then.bytes_received) return std::nullopt;
    return static_cast<double>(sub_sat(*then.bytes_received, then.recv_q));
  });
  return taken.size() >= 2 && taken.last() - taken.first() >= kSomeBytes;
}

std::string peer_text(const Connections& connections, const StuckSender& sender) {
  std::set<std::string> readers, addresses;
  for (const SocketRow* row : sender.rows) {
    if (auto reader = reader_of(connections, *row)) readers.insert(fmt::format("{}[{}]", reader->comm, reader->pid));
    addresses.insert(row->remote.ip_text());
  }
  if (readers.size() == 1) return *readers.begin();
  if (!sender.scope.remote.empty()) return sender.scope.remote;
  return addresses.size() == 1 ? *addresses.begin() : counted(addresses.size(), "peer");
}

}  // namespace

double stuck_long_enough_s(const Policy& policy) {
  double windows_s = static_cast<double>(policy.window.count()) * policy.windows / 1000;
  return std::min(policy.value(kStuckSenderFor), windows_s);
}

StuckSenders stuck_senders(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  double needed_s = stuck_long_enough_s(in.policy);
  StuckSenders out;
  std::map<std::pair<std::optional<Group>, NetnsId>, StuckSender> senders;
  std::uint64_t blind = 0, early = 0, unanswered = 0;
  for (const SocketRow& row : now.sockets) {
    if (!may_send(row)) continue;
    ++out.watched;
    if (answers(window, in.policy, row) == Answers::no) continue;  // its peer's kernel is gone, whatever its window was
    Stuck found = stuck(window, row);
    bool long_enough = found.looks >= kFewestLooks && found.for_s + window.interval_s() / 2 >= needed_s;
    if (!found.window_known) {
      blind += long_enough && row.send_q >= kMuchUnsent ? 1 : 0;
      continue;
    }
    if (found.closed_share < in.policy.value(kClosedShare)) {
      unanswered += long_enough && row.send_q >= kMuchUnsent && row.backoff.value_or(0) > 0 ? 1 : 0;
      continue;
    }
    if (!long_enough) {
      early += found.looks == window.samples() && row.send_q >= kMuchUnsent ? 1 : 0;
      continue;
    }
    std::optional<Group> group = group_of(row);
    StuckSender& sender = senders[{group, row.netns}];
    if (sender.rows.empty()) {
      sender.closed = row.holder == Holder::orphan;
      sender.scope.netns = row.netns;
      sender.scope.netns_name = netns_name(now, row.netns);
      sender.scope.cgroup = row.cgroup;
    }
    sender.rows.push_back(&row);
    sender.waiting = add_sat(sender.waiting, row.send_q);
    sender.stuck_s = std::max(sender.stuck_s, found.for_s);
    sender.closed_share = std::min(sender.closed_share, found.closed_share);
  }
  for (auto& [key, sender] : senders) {
    name_sockets(sender.scope, sender.rows);
    sender.peer = peer_text(window.connections(), sender);
    sender.asked = std::ranges::all_of(sender.rows, [&](const SocketRow* row) {
      return leaves_unread(*row) && !accepted_here(window.connections(), *row);
    });
    sender.taken = std::ranges::all_of(sender.rows, [&](const SocketRow* row) { return is_read(window, *row); });
    out.senders.push_back(std::move(sender));
  }
  if (blind > 0) {
    out.not_assessed = fmt::format("{} stand still with {} or more to send, but {} does not show the peers' windows",
                                   counted(blind, "socket"), "64 KiB", source_of(now, FactId::snapshot));
  } else if (early > 0) {
    out.not_assessed = fmt::format("{} stood still for all the {} that we watched: observe for {} or longer",
                                   counted(early, "socket"), seconds_text(window.span_s()), seconds_text(needed_s));
  } else if (unanswered > 0) {
    out.not_assessed = fmt::format(
        "{} {} still with {} or more to send although the peers have room: what is sent again and again gets no "
        "answer, and who reads is not the question",
        counted(unanswered, "socket"), unanswered == 1 ? "stands" : "stand", "64 KiB");
  }
  return out;
}

}  // namespace tcpadvisor
