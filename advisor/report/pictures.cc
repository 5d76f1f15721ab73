// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "advisor/evidence/names.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

template <typename T>
std::optional<double> as_double(const T& value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

/// How much of a counter came since the window began.
Series since_first(const Series& counter) {
  Series out;
  for (const Series::Point& point : counter.points()) out.add(point.t_s, std::max(point.value - counter.first(), 0.0));
  return out;
}

class Drawing {
 public:
  Drawing(const Window& window, const Finding& finding) : window_(window), finding_(finding) {}

  Pictures all() {
    accept_queue();
    states();
    descriptors();
    connection();
    memory();
    cgroup();
    counters();
    return std::move(out_);
  }

 private:
  bool measures(std::string_view part) const {
    return std::ranges::any_of(finding_.evidence, [part](const Measurement& m) { return m.metric.contains(part); });
  }
  bool measures_any(std::initializer_list<std::string_view> metrics) const {
    return std::ranges::any_of(finding_.evidence, [metrics](const Measurement& m) {
      return std::ranges::find(metrics, std::string_view(m.metric)) != metrics.end();
    });
  }
  std::string who() const {
    return finding_.scope.pid ? fmt::format("{}[{}]", finding_.scope.comm, *finding_.scope.pid) : "this host";
  }

  /// A line needs two points, and one that stands at zero all the time says nothing that the numbers do not.
  void add(std::string name, std::string unit, const Series& series, std::vector<Course::Mark> marks = {}) {
    if (series.size() < 2 || (series.max() <= 0 && series.min() >= 0)) return;
    std::erase_if(marks, [](const Course::Mark& mark) { return mark.value <= 0; });
    out_.courses.push_back({std::move(name), std::move(unit), thinned(series), std::move(marks)});
  }

  void accept_queue() {
    const Scope& scope = finding_.scope;
    if (scope.kind != ScopeKind::listener && !measures("accept_queue")) return;
    for (const SocketRow* row : window_.connections().in_state(TcpState::listen)) {
      if (row->netns != scope.netns || (!scope.local.empty() && row->local.text() != scope.local)) continue;
      Series queue = window_.socket_series(*row, [](const PastRow& then) { return as_double(then.accept_queue); });
      Series drops = window_.socket_series(*row, [](const PastRow& then) { return as_double(then.drops); });
      const auto limit = as_double(row->accept_limit);
      add("Accept queue of " + row->local.text(), "connections", queue, {{"limit", limit.value_or(0)}});
      add("Dropped at " + row->local.text() + ", since the window began", "connections", since_first(drops));
      return;
    }
  }

  void states() {
    struct Told {
      std::string_view metric;
      TcpState state;
    };
    static constexpr std::array kTold = {
        Told{"close_wait", TcpState::close_wait},   Told{"fin_wait2", TcpState::fin_wait_2},
        Told{"established", TcpState::established}, Told{"time_wait", TcpState::time_wait},
        Told{"half_open", TcpState::syn_recv},      Told{"idle", TcpState::established}};
    for (const Told& told : kTold) {
      if (!measures(told.metric)) continue;
      const std::size_t at = index_of(told.state);
      const std::string name(state_text(told.state));
      const OwnerTotals* owner = finding_.scope.pid ? window_.connections().owner(*finding_.scope.pid) : nullptr;
      if (owner != nullptr) {
        add(name + " sockets of " + who(), "sockets",
            window_.owner_series(*owner,
                                 [at](const PastOwner& then) -> std::optional<double> { return then.sockets[at]; }));
      } else {
        add(name + " sockets of the whole host", "sockets",
            window_.series([at](const PastTick& then) { return std::optional(static_cast<double>(then.states[at])); }));
      }
      return;
    }
  }

  void descriptors() {
    const OwnerTotals* owner = finding_.scope.pid ? window_.connections().owner(*finding_.scope.pid) : nullptr;
    if (owner == nullptr || !measures("fd")) return;
    add("Descriptors of " + who(), "",
        window_.owner_series(*owner, [](const PastOwner& then) { return as_double(then.fds); }),
        {{"limit", as_double(owner->fd_limit).value_or(0)}});
  }

  /// The connection of the finding with the most in one of its queues; null if none has a row.
  const SocketRow* fullest(std::uint64_t SocketRow::* queue) const {
    const Scope& scope = finding_.scope;
    const SocketRow* best = nullptr;
    bool best_named = false;
    for (const SocketRow* row : window_.connections().by_ends()) {
      if (row->*queue == 0 || (scope.netns != 0 && row->netns != scope.netns)) continue;
      if (scope.pid && (!row->owner || row->owner->pid != *scope.pid)) continue;
      // An address as text costs more than all else here, and many rows may be looked at.
      const bool named = scope.remote.ends_with(fmt::format(":{}", row->remote.port)) &&
                         row->remote.text() == scope.remote && row->local.text() == scope.local;
      if (best_named && !named) continue;
      if (best != nullptr && named == best_named && row->*queue <= best->*queue) continue;
      best = row;
      best_named = named;
    }
    return best;
  }

  void connection() {
    const bool reads = measures_any({"rcvbuf_fill", "unread_bytes", "unread_memory_of_rcvbuf", "unread_for_at_least"});
    const bool writes = measures_any({"send_q", "not_sent", "unsent", "user_queue", "in_flight", "peer_window",
                                      "peer_recv_q", "rwnd_limited_of_busy_time", "sndbuf_limited_of_busy_time"});
    if (!reads && !writes) return;
    const Connections& all = window_.connections();
    const SocketRow *writer = nullptr, *reader = nullptr;
    if (reads) {
      reader = fullest(&SocketRow::recv_q);
      if (reader != nullptr) writer = all.other_end(*reader);
    } else {
      writer = fullest(&SocketRow::send_q);
      if (writer != nullptr) reader = all.other_end(*writer);
    }
    if (writer == nullptr && reader == nullptr) return;
    const UserQueue* driver = writer != nullptr ? all.queue_of(*writer) : nullptr;
    chain(writer, reader, driver);
    if (driver != nullptr) {
      const std::uint64_t key = past_key(*driver);
      add("Queue of " + who_of(writer, reader) + " itself", "bytes", window_.series([key](const PastTick& then) {
        const PastQueue* queue = then.queues.find(key);
        return queue == nullptr ? std::nullopt : std::optional(static_cast<double>(queue->queued));
      }),
          {{"high mark", as_double(driver->high).value_or(0)}, {"low mark", as_double(driver->low).value_or(0)}});
    }
    if (writer != nullptr) {
      add("Send-Q of " + who_of(writer, reader), "bytes",
          window_.socket_series(*writer, [](const PastRow& then) { return std::optional<double>(then.send_q); }),
          {{"buffer", as_double(writer->sndbuf).value_or(0)}});
    }
    if (reader != nullptr) {
      add("Recv-Q of " + who_of(reader, writer), "bytes",
          window_.socket_series(*reader, [](const PastRow& then) { return std::optional<double>(then.recv_q); }),
          {{"buffer", as_double(reader->rcvbuf).value_or(0)}});
    }
  }

  /// Who holds this end; where it is not on this host, the address that the other end knows.
  static std::string who_of(const SocketRow* end, const SocketRow* other) {
    return end != nullptr ? owner_text(*end) : other->remote.text();
  }

  void chain(const SocketRow* writer, const SocketRow* reader, const UserQueue* driver) {
    Chain out;
    out.writer = who_of(writer, reader);
    out.reader = who_of(reader, writer);
    if (driver != nullptr) out.driver = driver->queued;
    if (writer != nullptr) {
      out.send_q = writer->send_q;
      out.send_limit = writer->sndbuf;
      if (writer->snd_wnd) out.window = *writer->snd_wnd;
      if (writer->not_sent) out.in_flight = writer->send_q - std::min(*writer->not_sent, writer->send_q);
    }
    if (reader != nullptr) {
      out.recv_q = reader->recv_q;
      out.recv_limit = reader->rcvbuf;
      if (!out.window && reader->rcv_wnd) out.window = *reader->rcv_wnd;
    }
    // One number alone is no chain: it is among the measured ones.
    const int known = (out.driver ? 1 : 0) + (out.send_q ? 1 : 0) + (out.recv_q ? 1 : 0);
    if (known >= 2) out_.chain = std::move(out);
  }

  void memory() {
    if (!measures("tcp_memory") && !measures("pressure")) return;
    const TcpMemory& now = window_.latest().memory;
    const auto page = static_cast<double>(now.page_size);
    std::vector<Course::Mark> marks;
    if (now.limits_pages) {
      constexpr std::array<const char*, 3> kNames = {"min", "pressure", "max"};
      for (std::size_t i = 0; i < kNames.size(); ++i)
        marks.push_back({fmt::format("tcp_mem {}", kNames[i]), page * static_cast<double>((*now.limits_pages)[i])});
    }
    add("Memory of all TCP sockets", "bytes", window_.series([page](const PastTick& then) {
      auto pages = as_double(then.memory.pages);
      return pages ? std::optional(*pages * page) : std::nullopt;
    }),
        std::move(marks));
  }

  void cgroup() {
    if (finding_.scope.kind != ScopeKind::cgroup) return;
    for (const CgroupTotals& one : window_.latest().cgroups) {
      if (one.path != finding_.scope.cgroup) continue;
      add("Memory of the cgroup", "bytes", window_.series([&one](const PastTick& then) {
        const PastCgroup* past = then.find(one);
        return past == nullptr ? std::nullopt : as_double(past->memory_current);
      }),
          {{"memory.max", as_double(one.memory_max).value_or(0)},
           {"memory.high", as_double(one.memory_high).value_or(0)}});
      return;
    }
  }

  /// What only counters tell: how much came in each step.
  void counters() {
    struct Told {
      FindingClass finding_class;
      std::string_view counter, name;
    };
    static constexpr std::array kTold = {Told{FindingClass::network_path, "Tcp.RetransSegs", "Segments sent again"},
                                         Told{FindingClass::attack, "TcpExt.SyncookiesSent", "SYN cookies sent"}};
    for (const Told& told : kTold) {
      if (finding_.finding_class != told.finding_class) continue;
      const Series counter = window_.counter(finding_.scope.netns, told.counter);
      add(fmt::format("{} in this namespace, since the window began", told.name), "segments", since_first(counter));
    }
  }

  const Window& window_;
  const Finding& finding_;
  Pictures out_;
};

}  // namespace

Series thinned(const Series& series) {
  const std::vector<Series::Point>& points = series.points();
  if (points.size() <= Course::kMostPoints) return series;
  Series out;
  constexpr std::size_t kStretches = Course::kMostPoints - 1;
  for (std::size_t i = 0; i < kStretches; ++i) {
    const std::size_t from = i * (points.size() - 1) / kStretches, to = (i + 1) * (points.size() - 1) / kStretches;
    auto at = [&points](std::size_t k) { return points.begin() + static_cast<std::ptrdiff_t>(k); };
    auto largest = std::max_element(at(from), at(to), [](const auto& a, const auto& b) { return a.value < b.value; });
    out.add(largest->t_s, largest->value);
  }
  out.add(points.back().t_s, points.back().value);
  return out;
}

Pictures pictures_of(const Window& window, const Finding& finding) {
  if (window.empty()) return {};
  return Drawing(window, finding).all();
}

}  // namespace tcpadvisor
