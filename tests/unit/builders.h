// SPDX-License-Identifier: Apache-2.0
// Evidence in the words of the field: a_socket().close_wait().age(70s).pid(42, "api")
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/evidence/sample.h"
#include "advisor/evidence/window.h"

namespace tcpadvisor::build {

using std::chrono::milliseconds;
inline constexpr NetnsId kHostNetns = 4026531840;
inline constexpr std::uint64_t kStartMs = 1'000'000;

class SocketBuilder {
 public:
  SocketBuilder() {
    row_.netns = kHostNetns;
    row_.local = Endpoint::v4(10, 0, 0, 1, 8443);
    row_.remote = Endpoint::v4(10, 0, 0, 2, 40000);
    row_.inode = 1000;
    row_.cookie = 1;
    row_.locks = BufferLocks{};
  }
  SocketBuilder& state(TcpState state) {
    return set([&](SocketRow& r) { r.state = state; });
  }
  SocketBuilder& established() { return state(TcpState::established); }
  SocketBuilder& close_wait() { return state(TcpState::close_wait); }
  SocketBuilder& fin_wait_2() { return state(TcpState::fin_wait_2); }
  SocketBuilder& netns(NetnsId id) {
    return set([&](SocketRow& r) { r.netns = id; });
  }
  SocketBuilder& cookie(std::uint64_t cookie) {
    return set([&](SocketRow& r) { r.cookie = cookie; });
  }
  SocketBuilder& local(Endpoint end) {
    return set([&](SocketRow& r) { r.local = end; });
  }
  SocketBuilder& remote(Endpoint end) {
    return set([&](SocketRow& r) { r.remote = end; });
  }
  SocketBuilder& age(milliseconds age, bool lower_bound = false) {
    return set([&](SocketRow& r) {
      r.state_age_ms = static_cast<std::uint64_t>(age.count());
      r.state_age_is_lower_bound = lower_bound;
    });
  }
  SocketBuilder& pid(Pid pid, std::string comm) {
    return set([&](SocketRow& r) {
      r.holder = Holder::process;
      r.owner = Owner{.pid = pid, .comm = std::move(comm), .fd = 7};
    });
  }
  SocketBuilder& holder(Holder holder) {
    return set([&](SocketRow& r) {
      r.holder = holder;
      r.owner.reset();
      if (holder == Holder::orphan || holder == Holder::unaccepted) r.inode = 0;
    });
  }
  SocketBuilder& recv_q(std::uint64_t bytes) {
    return set([&](SocketRow& r) { r.recv_q = bytes; });
  }
  SocketBuilder& send_q(std::uint64_t bytes) {
    return set([&](SocketRow& r) { r.send_q = bytes; });
  }
  SocketBuilder& rcvbuf(std::uint64_t size, std::uint64_t used) {
    return set([&](SocketRow& r) {
      r.rcvbuf = size;
      r.rmem_alloc = used;
    });
  }
  SocketBuilder& sndbuf(std::uint64_t size, std::uint64_t used) {
    return set([&](SocketRow& r) {
      r.sndbuf = size;
      r.wmem_queued = used;
    });
  }
  SocketBuilder& locks(bool sndbuf, bool rcvbuf) {
    return set([&](SocketRow& r) { r.locks = BufferLocks{.sndbuf = sndbuf, .rcvbuf = rcvbuf}; });
  }
  SocketBuilder& listen(std::uint16_t port, std::uint32_t queue, std::uint32_t limit) {
    return set([&](SocketRow& r) {
      r.state = TcpState::listen;
      r.local = Endpoint::v4(0, 0, 0, 0, port);
      r.remote = Endpoint{};
      r.accept_queue = queue;
      r.accept_limit = limit;
    });
  }
  SocketBuilder& drops(std::uint64_t drops) {
    return set([&](SocketRow& r) { r.drops = drops; });
  }
  /// Anything that has no word of its own.
  template <typename Change>
  SocketBuilder& set(Change change) {
    change(row_);
    return *this;
  }
  operator SocketRow() const { return row_; }  // NOLINT: a builder is used as what it builds

 private:
  SocketRow row_;
};
inline SocketBuilder a_socket() {
  return {};
}

/// A program's queue that is empty and lets nobody wait.
class UserQueueBuilder {
 public:
  UserQueueBuilder() {
    queue_.netns = kHostNetns;
    queue_.local = Endpoint::v4(10, 0, 0, 1, 8443);
    queue_.remote = Endpoint::v4(10, 0, 0, 2, 40000);
    queue_.cookie = 1;
    queue_.pid = 812;
    queue_.comm = "beam.smp";
    queue_.high = 8192;
    queue_.low = 4096;
    queue_.busy = queue_.message_busy = queue_.pending_shutdown = false;
    queue_.waiting = queue_.suspended = 0;
    queue_.message_queue = 0;
    queue_.message_high = 8192;
    queue_.message_low = 4096;
    queue_.accepted = queue_.bypassed = queue_.dropped = queue_.refused = 0;
  }
  UserQueueBuilder& of(const SocketRow& row) {
    return set([&](UserQueue& q) {
      q.netns = row.netns;
      q.local = row.local;
      q.remote = row.remote;
      q.cookie = row.cookie;
      if (!row.owner) return;
      q.pid = row.owner->pid;
      q.comm = row.owner->comm;
    });
  }
  UserQueueBuilder& queued(std::uint64_t bytes, std::uint64_t accepted) {
    return set([&](UserQueue& q) {
      q.queued = bytes;
      q.accepted = accepted;
    });
  }
  UserQueueBuilder& marks(std::uint64_t high, std::uint64_t low) {
    return set([&](UserQueue& q) {
      q.high = high;
      q.low = low;
    });
  }
  UserQueueBuilder& busy(std::uint32_t waiting, std::uint32_t suspended = 0) {
    return set([&](UserQueue& q) {
      q.busy = true;
      q.waiting = waiting;
      q.suspended = suspended;
    });
  }
  UserQueueBuilder& message_queue(std::uint64_t bytes, std::uint32_t suspended) {
    return set([&](UserQueue& q) {
      q.message_queue = bytes;
      q.message_busy = true;
      q.suspended = suspended;
    });
  }
  UserQueueBuilder& pending_shutdown() {
    return set([&](UserQueue& q) { q.pending_shutdown = true; });
  }
  UserQueueBuilder& dropped(std::uint64_t bytes) {
    return set([&](UserQueue& q) { q.dropped = bytes; });
  }
  UserQueueBuilder& bypassed(std::uint64_t bytes) {
    return set([&](UserQueue& q) { q.bypassed = bytes; });
  }
  UserQueueBuilder& refused(std::uint64_t sends) {
    return set([&](UserQueue& q) { q.refused = sends; });
  }
  UserQueueBuilder& ended() {
    return set([&](UserQueue& q) { q.ended = true; });
  }
  template <typename Change>
  UserQueueBuilder& set(Change change) {
    change(queue_);
    return *this;
  }
  operator UserQueue() const { return queue_; }  // NOLINT

 private:
  UserQueue queue_;
};
inline UserQueueBuilder a_user_queue() {
  return {};
}

class OwnerBuilder {
 public:
  OwnerBuilder(Pid pid, std::string comm) {
    owner_.pid = pid;
    owner_.comm = std::move(comm);
    owner_.netns = kHostNetns;
    owner_.fds = 100;
    owner_.fd_limit = 1024;
    owner_.process_state = ProcessState::running;
  }
  OwnerBuilder& sockets(TcpState state, std::uint32_t count) {
    owner_.sockets[index_of(state)] = count;
    return *this;
  }
  OwnerBuilder& close_wait(std::uint32_t count, std::uint32_t old) {
    owner_.old_close_wait = old;
    return sockets(TcpState::close_wait, count);
  }
  OwnerBuilder& fin_wait_2(std::uint32_t count, std::uint32_t old) {
    owner_.old_fin_wait_2 = old;
    return sockets(TcpState::fin_wait_2, count);
  }
  OwnerBuilder& fds(std::uint32_t fds, std::uint64_t limit) {
    owner_.fds = fds;
    owner_.fd_limit = limit;
    return *this;
  }
  OwnerBuilder& cgroup(std::string path) {
    owner_.cgroup = std::move(path);
    return *this;
  }
  OwnerBuilder& state(ProcessState state) {
    owner_.process_state = state;
    return *this;
  }
  OwnerBuilder& rss(std::uint64_t bytes) {
    owner_.rss_bytes = bytes;
    return *this;
  }
  OwnerBuilder& memory(std::uint64_t rmem, std::uint64_t wmem, std::uint64_t recv_q = 0) {
    owner_.rmem = rmem;
    owner_.wmem = wmem;
    owner_.recv_q = recv_q;
    return *this;
  }
  operator OwnerTotals() const { return owner_; }  // NOLINT

 private:
  OwnerTotals owner_;
};
inline OwnerBuilder a_process(Pid pid, std::string comm) {
  return {pid, std::move(comm)};
}

/// A quiet host that can see everything: the rules' starting point.
class SampleBuilder {
 public:
  SampleBuilder() {
    sample_.mono_ms = kStartMs;
    sample_.wall_ms = 1'790'000'000'000;
    sample_.host = {.name = "box",
                    .kernel = "6.12.30",
                    .cpus = 2,
                    .mem_bytes = 24ull << 30,
                    .mem_available_bytes = 20ull << 30,
                    .uptime_s = 86'400};
    sample_.memory = {.pages = 211,
                      .limits_pages = {{285'000, 380'000, 570'000}},
                      .under_pressure = false,
                      .pressure_ms = 0,
                      .page_size = 4096};
    NetnsSample host{.id = kHostNetns,
                     .name = "host",
                     .is_host = true,
                     .error = {},
                     .states = {},
                     .counters = {},
                     .sysctls = {},
                     .sockstat = Sockstat{},
                     .devices = {},
                     .conntrack = Conntrack{.count = 0, .max = 262'144}};
    for (const char* name : {"TcpExt.ListenDrops",
                             "TcpExt.ListenOverflows",
                             "TcpExt.TCPToZeroWindowAdv",
                             "TcpExt.TCPFromZeroWindowAdv",
                             "TcpExt.TCPRcvQDrop",
                             "TcpExt.TCPMemoryPressures",
                             "TcpExt.TCPAbortOnMemory",
                             "TcpExt.TCPTimeWaitOverflow",
                             "TcpExt.PruneCalled",
                             "TcpExt.RcvPruned",
                             "TcpExt.TCPRcvCollapsed",
                             "TcpExt.TCPDSACKRecvSegs",
                             "TcpExt.SyncookiesSent",
                             "TcpExt.SyncookiesRecv",
                             "TcpExt.TCPReqQFullDrop",
                             "TcpExt.TCPSynRetrans",
                             "TcpExt.TCPAbortOnClose",
                             "TcpExt.TCPAbortOnData",
                             "TcpExt.TCPBacklogDrop",
                             "TcpExt.TCPDeferAcceptDrop",
                             "TcpExt.TCPFastOpenListenOverflow",
                             "TcpExt.TCPFastOpenBlackhole",
                             "Tcp.OutRsts",
                             "Tcp.PassiveOpens",
                             "Tcp.OutSegs",
                             "Tcp.RetransSegs"}) {
      host.counters[name] = 0;
    }
    sample_.netns.push_back(std::move(host));
    sample_.softnet = {Softnet{.cpu = 0}, Softnet{.cpu = 1}};
    sample_.host_pressure = HostPressure{.memory_some = Stall{},
                                         .memory_full = Stall{},
                                         .cpu_some = Stall{},
                                         .io_some = Stall{},
                                         .io_full = Stall{},
                                         .allocation_stalls = 0,
                                         .oom_kills = 0};
    sysctl("net.core.somaxconn", {4096});
    sysctl("net.ipv4.tcp_fin_timeout", {60});
    sysctl("net.ipv4.tcp_max_tw_buckets", {131'072});
    sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 6'291'456});
    sysctl("net.ipv4.tcp_wmem", {4096, 16'384, 4'194'304});
    sysctl("net.ipv4.tcp_syncookies", {1});
    sysctl("net.ipv4.tcp_max_syn_backlog", {2048});
    sysctl("net.ipv4.tcp_tw_reuse", {2});
    sysctl("net.ipv4.tcp_abort_on_overflow", {0});
    sysctl("net.ipv4.tcp_sack", {1});
    sysctl("net.ipv4.tcp_retries2", {15});
    sysctl("net.ipv4.tcp_syn_retries", {6});
    sysctl("net.ipv4.tcp_timestamps", {1});
    sysctl("net.ipv4.ip_local_port_range", {32'768, 60'999});
    sysctl("net.ipv4.ip_local_reserved_ports", {});
    for (const char* name : {"net.ipv4.tcp_mem", "net.core.rmem_max", "net.core.wmem_max"}) {
      sysctl(name, {212'992});
      host_ns().sysctls[name].host_global = true;
    }
    host_ns().sysctls["net.ipv4.tcp_mem"].values = {285'000, 380'000, 570'000};
    cover("snapshot", "iter/tcp");
    cover("owners", "iter/task_file");
    cover("connects", "hook");
    cover("cgroups", "cgroup v2");
    sample_.refusals = BufferRefusals{};
  }
  SampleBuilder& at(milliseconds since_start) {
    sample_.mono_ms = kStartMs + static_cast<std::uint64_t>(since_start.count());
    sample_.wall_ms += since_start.count();
    return *this;
  }
  SampleBuilder& add(SocketRow row) {
    sample_.sockets.push_back(std::move(row));
    return *this;
  }
  SampleBuilder& add(UserQueue queue) {
    sample_.user_queues.push_back(std::move(queue));
    return *this;
  }
  SampleBuilder& add(PortUse use) {
    if (use.netns == 0) use.netns = kHostNetns;
    sample_.port_use.push_back(use);
    return *this;
  }
  SampleBuilder& add(FailedConnects failed) {
    if (failed.netns == 0) failed.netns = kHostNetns;
    sample_.failed_connects.push_back(std::move(failed));
    return *this;
  }
  SampleBuilder& add(OwnerTotals owner) {
    sample_.owners.push_back(std::move(owner));
    return *this;
  }
  /// `count` copies that differ in cookie, inode and remote port.
  SampleBuilder& add(std::uint32_t count, const SocketRow& like, std::uint64_t first_cookie = 100) {
    for (std::uint32_t i = 0; i < count; ++i) {
      SocketRow row = like;
      row.cookie = first_cookie + i;
      if (row.inode != 0) row.inode = first_cookie + i;
      row.remote.port = static_cast<std::uint16_t>(40'000 + i);
      add(std::move(row));
    }
    return *this;
  }
  SampleBuilder& counter(const std::string& name, std::uint64_t value) {
    host_ns().counters[name] = value;
    return *this;
  }
  SampleBuilder& sysctl(const std::string& name, std::vector<std::int64_t> values) {
    host_ns().sysctls[name].values = std::move(values);
    return *this;
  }
  SampleBuilder& count(TcpState state, std::uint64_t count) {
    host_ns().states[index_of(state)].count = count;
    return *this;
  }
  SampleBuilder& cover(const std::string& fact, const std::string& source) {
    FactId id = fact_named(fact).value();
    std::erase_if(sample_.coverage, [&](const FactCoverage& known) { return known.fact == id; });
    auto kind = std::ranges::find(kSourceKindNames, source);
    sample_.coverage.push_back({.fact = id,
                                .in_use = source,
                                .kind = kind == kSourceKindNames.end()
                                            ? SourceKind::none
                                            : static_cast<SourceKind>(kind - kSourceKindNames.begin()),
                                .exact = true,
                                .remark = {},
                                .attempts = {}});
    return *this;
  }
  template <typename Change>
  SampleBuilder& set(const Change& change) {
    change(sample_);
    return *this;
  }
  NetnsSample& host_ns() { return sample_.netns.front(); }
  operator SamplePtr() const { return std::make_shared<const Sample>(sample_); }  // NOLINT

 private:
  Sample sample_;
};
inline SampleBuilder a_sample() {
  return {};
}

/// What happens to each sample before it becomes part of a window; for tests that spoil them.
inline std::function<void(Sample&)> on_each_sample;

/// `count` samples, one per `interval`; `fill(sample, i)` puts into the i-th what happened.
inline Window a_window(std::size_t count, const std::function<void(SampleBuilder&, std::size_t)>& fill,
                       milliseconds interval = milliseconds(1000)) {
  std::vector<SamplePtr> samples;
  for (std::size_t i = 0; i < count; ++i) {
    SampleBuilder sample;
    sample.at(interval * static_cast<int>(i));
    fill(sample, i);
    if (on_each_sample) sample.set(on_each_sample);
    samples.push_back(sample);
  }
  return Window(samples);
}

}  // namespace tcpadvisor::build
