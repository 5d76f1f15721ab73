// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/details.h"

#include <fmt/format.h>

#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "advisor/evidence/waits_for.h"
#include "agent/observe/groups.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

/// Collects lines and leaves out what no source could give.
class Facts {
 public:
  void add(std::string_view name, std::string value) { lines_.push_back(detail(name, std::move(value))); }

  template <typename T>
  void bytes(std::string_view name, const std::optional<T>& value) {
    if (value) add(name, fmt::format("{} ({})", with_commas(*value), human_bytes(*value)));
  }
  template <typename T>
  void count(std::string_view name, const std::optional<T>& value) {
    if (value) add(name, with_commas(*value));
  }
  void yes_or_no(std::string_view name, std::optional<bool> value) {
    if (value) add(name, *value ? "yes" : "no");
  }
  template <typename T>
  void micros(std::string_view name, const std::optional<T>& value) {
    if (value) add(name, fmt::format("{:.3f} ms", static_cast<double>(*value) / 1000));
  }
  template <typename T>
  void ago(std::string_view name, const std::optional<T>& ms) {
    if (ms) add(name, human_duration(std::chrono::milliseconds(*ms)) + " ago");
  }

  /// No line for a process of our own pid namespace.
  void pid_inside(const OwnerTotals& owner) {
    if (owner.pid_inside != 0) add("  pid inside", fmt::format("{}, in its pid namespace", owner.pid_inside));
  }

  /// No line for a group that is only a path: that has its own.
  void group(const std::optional<OwnerGroup>& group) {
    if (!group || group->kind == GroupKind::cgroup) return;
    add(name_of(group->kind), group->name);
    if (group->kind != GroupKind::unit) add("  id", group->id);
    if (!group->pod.empty()) add("  of pod", group->pod);
  }

  std::vector<Line> take() { return std::move(lines_); }

 private:
  std::vector<Line> lines_;
};

std::string_view timer_text(Timer timer) {
  switch (timer) {
    case Timer::retransmit:
      return "retransmit";
    case Timer::keepalive:
      return "keepalive";
    case Timer::timewait:
      return "TIME_WAIT";
    case Timer::persist:
      return "persist (zero-window probe)";
    case Timer::none:
      break;
  }
  return "none";
}

/// "sndbuf" as it is: size, use, and whether the application fixed it.
void add_buffer(Facts& facts, std::string_view name, std::optional<std::uint64_t> size,
                std::optional<std::uint64_t> used, std::optional<bool> locked) {
  if (!size) return;
  std::string text = used ? fmt::format("{} of {} in use", with_commas(*used), with_commas(*size)) : with_commas(*size);
  if (locked) text += *locked ? ", fixed by the application" : ", sized by the kernel";
  facts.add(name, text);
}

void add_calls(Facts& facts, std::string_view name, const CallStats& calls) {
  std::string last =
      calls.last_ms_ago ? human_duration(std::chrono::milliseconds(*calls.last_ms_ago)) + " ago" : "never";
  facts.add(name,
            fmt::format("{} ({} would block), last {}", with_commas(calls.calls()), with_commas(calls.eagain()), last));
}

void add_listener(Facts& facts, const SocketRow& row) {
  facts.count("accept queue", row.accept_queue);
  facts.count("  limit", row.accept_limit);
  facts.count("  peak", row.accept_peak);
}

/// "SO_KEEPALIVE, TCP_USER_TIMEOUT 12 s"; no line where it is not visible.
void add_timeouts(Facts& facts, const SocketRow& row) {
  if (!row.keepalive) return;
  std::string set = *row.keepalive ? "SO_KEEPALIVE" : "";
  auto add = [&set](std::string_view name, std::optional<std::uint32_t> ms) {
    if (ms.value_or(0) == 0) return;
    if (!set.empty()) set += ", ";
    set += fmt::format("{} {}", name, human_duration(std::chrono::milliseconds(*ms)));
  };
  add("TCP_USER_TIMEOUT", row.user_timeout_ms);
  add("SO_SNDTIMEO", row.send_timeout_ms);
  add("SO_RCVTIMEO", row.recv_timeout_ms);
  facts.add("time-outs", set.empty() ? "none" : set);
}

/// Of connections to other hosts; no line where none was looked at.
void add_timeouts(Facts& facts, const std::optional<TimeoutTotals>& timeouts) {
  if (!timeouts || timeouts->looked == 0) return;
  facts.add("to other hosts", timeouts->one_in > 1
                                  ? fmt::format("{} looked at, about one in {}", with_commas(timeouts->looked),
                                                with_commas(timeouts->one_in))
                                  : with_commas(timeouts->looked));
  facts.count("  SO_KEEPALIVE", std::optional(timeouts->keepalive));
  facts.count("  TCP_USER_TIMEOUT", std::optional(timeouts->user_timeout));
  facts.count("  SO_SNDTIMEO", std::optional(timeouts->send_timeout));
  facts.count("  SO_RCVTIMEO", std::optional(timeouts->recv_timeout));
  facts.count("  none of these", std::optional(timeouts->none));
}

void add_connection(Facts& facts, const SocketRow& row) {
  facts.bytes("Send-Q", std::optional(row.send_q));
  facts.bytes("  not sent", row.not_sent);
  facts.bytes("Recv-Q", std::optional(row.recv_q));
  facts.bytes("peer's window", row.snd_wnd);
  facts.bytes("our window", row.rcv_wnd);
  facts.count("cwnd (segments)", row.snd_cwnd);
  facts.count("mss", row.mss);
  facts.micros("srtt", row.srtt_us);
  facts.micros("min rtt", row.min_rtt_us);
  facts.bytes("bytes acked", row.bytes_acked);
  facts.bytes("bytes received", row.bytes_received);
  facts.count("retransmits", row.total_retrans);
  if (row.blocked_us) {
    facts.add("senders blocked",
              fmt::format("{} in {} waits", human_duration(std::chrono::milliseconds(*row.blocked_us / 1000)),
                          with_commas(row.blocked_count.value_or(0))));
  } else if (row.nospace) {
    facts.add("a sender waits", *row.nospace ? "yes (sampled)" : "no (sampled)");
  }
  facts.micros("busy", row.busy_us);
  facts.micros("  window-limited", row.rwnd_limited_us);
  facts.micros("  sndbuf-limited", row.sndbuf_limited_us);
  facts.ago("last data sent", row.last_data_sent_ms);
  facts.ago("last data received", row.last_data_recv_ms);
  facts.ago("last ack received", row.last_ack_recv_ms);
  if (row.calls) {
    add_calls(facts, "send calls", row.calls->send);
    add_calls(facts, "receive calls", row.calls->recv);
  }
  if (row.kind == SocketKind::full) facts.add("timer", std::string(timer_text(row.timer)));
  add_timeouts(facts, row);
}

/// A limit that was lowered since does not close what is open.
std::string descriptors_text(std::uint32_t fds, std::optional<std::uint64_t> limit) {
  if (!limit) return with_commas(fds);
  return fmt::format("{}{}{}", with_commas(fds), fds > *limit ? ", over its limit of " : " of at most ",
                     with_commas(*limit));
}

/// "nginx[812] fd 3", and who used it last where no process that we see has it.
void add_holder(Facts& facts, const SocketRow& row, const Window& window) {
  facts.add("held by", row.owner && row.owner->fd >= 0 ? fmt::format("{} fd {}", owner_text(row), row.owner->fd)
                                                       : owner_text(row));
  const OwnerTotals* owner = row.owner ? window.connections().owner(row.owner->pid) : nullptr;
  if (owner != nullptr) facts.pid_inside(*owner);
  bool unheld = row.holder == Holder::no_descriptor || row.holder == Holder::outside;
  if (unheld && row.last_user && !row.last_user->comm.empty())
    facts.add("  last used by", last_user_text(*row.last_user));
}

}  // namespace

Line detail(std::string_view name, std::string value) {
  Line line(fmt::format("  {:<20}", name), Attr::label);
  line.add(std::move(value));
  return line;
}

std::vector<Line> socket_details(const SocketRow& row, const Window& window) {
  Facts facts;
  bool listens = row.state == TcpState::listen;
  facts.add(listens ? "listens on" : "local", row.local.text());
  if (!listens) facts.add("remote", row.remote.text());
  Age age = window.age(row);
  facts.add("state", fmt::format("{} for {}{}", state_text(row.state), age.lower_bound ? "at least " : "",
                                 human_duration(age.value)));
  if (auto waiting = waits_for(row, window.before() != nullptr ? window.before()->find(row) : nullptr))
    facts.add("waits for", waiting->what == WaitsFor::not_known ? "not known: " + waiting->text : waiting->text);
  add_holder(facts, row, window);
  facts.add("network namespace", netns_text(window.latest(), row.netns));
  facts.group(observe::group_of(row, window));
  if (!row.cgroup.empty()) facts.add("cgroup", row.cgroup);
  if (listens) {
    add_listener(facts, row);
  } else {
    add_connection(facts, row);
  }
  auto locked = [&](bool BufferLocks::* which) {
    return row.locks ? std::optional((*row.locks).*which) : std::nullopt;
  };
  add_buffer(facts, "sndbuf", row.sndbuf, row.wmem_queued, locked(&BufferLocks::sndbuf));
  add_buffer(facts, "rcvbuf", row.rcvbuf, row.rmem_alloc, locked(&BufferLocks::rcvbuf));
  facts.count("drops", row.drops);
  if (!row.congestion_control.empty()) facts.add("congestion control", row.congestion_control);
  if (row.cookie != 0) facts.add("socket cookie", fmt::format("{}", row.cookie));
  return facts.take();
}

std::vector<Line> connection_details(const UserQueue& queue, const Sample& sample) {
  Facts facts;
  facts.add("local", queue.local.text());
  facts.add("remote", queue.remote.text());
  facts.add("network namespace", netns_text(sample, queue.netns));
  if (queue.cookie != 0) facts.add("socket cookie", fmt::format("{}", queue.cookie));
  facts.add("socket", queue.ended ? "closed, or closing" : "has no line of its own on this busy host");
  return facts.take();
}

std::vector<Line> driver_details(const UserQueue& queue) {
  Facts facts;
  facts.add("said by", fmt::format("{}[{}]{}{}", queue.comm, queue.pid, queue.name.empty() ? "" : " as ", queue.name));
  facts.ago(queue.ended ? "last word" : "said", std::optional(queue.age_ms));
  facts.bytes("queued", std::optional(queue.queued));
  facts.bytes("  high mark", queue.high);
  facts.bytes("  low mark", queue.low);
  facts.yes_or_no("  busy", queue.busy);
  facts.count("senders waiting", queue.waiting);
  facts.count("senders suspended", queue.suspended);
  if (queue.waited_ms) facts.add("longest wait", age_text(*queue.waited_ms));
  facts.yes_or_no("shutdown pending", queue.pending_shutdown);
  facts.bytes("accepted so far", queue.accepted);
  facts.bytes("  though busy", queue.bypassed);
  facts.bytes("  dropped", queue.dropped);
  facts.count("sends refused", queue.refused);
  facts.bytes("message queue", queue.message_queue);
  facts.bytes("  high mark", queue.message_high);
  facts.bytes("  low mark", queue.message_low);
  facts.yes_or_no("  busy", queue.message_busy);
  return facts.take();
}

std::vector<Line> process_details(const OwnerTotals& owner, const Sample& sample) {
  Facts facts;
  facts.add("process", fmt::format("{}[{}]", owner.comm, owner.pid));
  facts.pid_inside(owner);
  facts.add("network namespace", netns_text(sample, owner.netns));
  facts.group(observe::group_of(owner, sample));
  if (!owner.cgroup.empty()) facts.add("cgroup", owner.cgroup);
  if (owner.fds) facts.add("descriptors", descriptors_text(*owner.fds, owner.fd_limit));
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (owner.sockets[state] > 0) facts.add(kStateNames[state], with_commas(owner.sockets[state]));
  }
  facts.count("old CLOSE_WAIT", std::optional(owner.old_close_wait));
  facts.count("old FIN_WAIT_2", std::optional(owner.old_fin_wait_2));
  facts.bytes("Recv-Q", std::optional(owner.recv_q));
  facts.bytes("Send-Q", std::optional(owner.send_q));
  facts.bytes("receive memory", std::optional(owner.rmem));
  facts.bytes("send memory", std::optional(owner.wmem));
  add_timeouts(facts, owner.timeouts);
  return facts.take();
}

}  // namespace tcpadvisor::watch
