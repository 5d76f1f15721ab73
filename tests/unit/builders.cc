// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/builders.h"

#include <algorithm>
#include <memory>
#include <string_view>

namespace tcpadvisor::build {

SocketBuilder::SocketBuilder() {
  row_.netns = kHostNetns;
  row_.local = Endpoint::v4(10, 0, 0, 1, 8443);
  row_.remote = Endpoint::v4(10, 0, 0, 2, 40000);
  row_.inode = 1000;
  row_.cookie = 1;
  row_.locks = BufferLocks{};
}
SocketBuilder::SocketBuilder(const SocketBuilder& other) = default;
SocketBuilder::SocketBuilder(SocketBuilder&& other) noexcept = default;
SocketBuilder& SocketBuilder::operator=(const SocketBuilder& other) = default;
SocketBuilder& SocketBuilder::operator=(SocketBuilder&& other) noexcept = default;
SocketBuilder::~SocketBuilder() = default;

SocketBuilder::operator SocketRow() const {
  return row_;
}

UserQueueBuilder::UserQueueBuilder() {
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
UserQueueBuilder::UserQueueBuilder(const UserQueueBuilder& other) = default;
UserQueueBuilder::UserQueueBuilder(UserQueueBuilder&& other) noexcept = default;
UserQueueBuilder& UserQueueBuilder::operator=(const UserQueueBuilder& other) = default;
UserQueueBuilder& UserQueueBuilder::operator=(UserQueueBuilder&& other) noexcept = default;
UserQueueBuilder::~UserQueueBuilder() = default;

UserQueueBuilder::operator UserQueue() const {
  return queue_;
}

OwnerBuilder::OwnerBuilder(Pid pid, std::string comm) {
  owner_.pid = pid;
  owner_.comm = std::move(comm);
  owner_.netns = kHostNetns;
  owner_.fds = 100;
  owner_.fd_limit = 1024;
  owner_.process_state = ProcessState::running;
}
OwnerBuilder::OwnerBuilder(const OwnerBuilder& other) = default;
OwnerBuilder::OwnerBuilder(OwnerBuilder&& other) noexcept = default;
OwnerBuilder& OwnerBuilder::operator=(const OwnerBuilder& other) = default;
OwnerBuilder& OwnerBuilder::operator=(OwnerBuilder&& other) noexcept = default;
OwnerBuilder::~OwnerBuilder() = default;

OwnerBuilder::operator OwnerTotals() const {
  return owner_;
}

SampleBuilder::SampleBuilder() {
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
  NetnsSample host;
  host.id = kHostNetns;
  host.name = "host";
  host.is_host = true;
  host.sockstat = Sockstat{};
  host.conntrack = Conntrack{.count = 0, .max = 262'144};
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
  cover("state-changes", "hook");
  cover("cgroups", "cgroup v2");
  sample_.refusals = BufferRefusals{};
}
SampleBuilder::SampleBuilder(const SampleBuilder& other) = default;
SampleBuilder::SampleBuilder(SampleBuilder&& other) noexcept = default;
SampleBuilder& SampleBuilder::operator=(const SampleBuilder& other) = default;
SampleBuilder& SampleBuilder::operator=(SampleBuilder&& other) noexcept = default;
SampleBuilder::~SampleBuilder() = default;

SocketBuilder& SocketBuilder::pid(Pid pid, std::string comm) {
  return set([&](SocketRow& r) {
    r.holder = Holder::process;
    r.owner = Owner{.pid = pid, .comm = std::move(comm), .fd = 7};
  });
}

SocketBuilder& SocketBuilder::holder(Holder holder) {
  return set([&](SocketRow& r) {
    r.holder = holder;
    r.owner.reset();
    if (holder == Holder::orphan || holder == Holder::unaccepted) r.inode = 0;
  });
}

SocketBuilder& SocketBuilder::listen(std::uint16_t port, std::uint32_t queue, std::uint32_t limit) {
  return set([&](SocketRow& r) {
    r.state = TcpState::listen;
    r.local = Endpoint::v4(0, 0, 0, 0, port);
    r.remote = Endpoint{};
    r.accept_queue = queue;
    r.accept_limit = limit;
  });
}

UserQueueBuilder& UserQueueBuilder::of(const SocketRow& row) {
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

SampleBuilder& SampleBuilder::add(SocketRow row) {
  sample_.sockets.push_back(std::move(row));
  return *this;
}

SampleBuilder& SampleBuilder::add(UserQueue queue) {
  sample_.user_queues.push_back(std::move(queue));
  return *this;
}

SampleBuilder& SampleBuilder::add(PortUse use) {
  if (use.netns == 0) use.netns = kHostNetns;
  sample_.port_use.push_back(use);
  return *this;
}

SampleBuilder& SampleBuilder::add(FailedConnects failed) {
  if (failed.netns == 0) failed.netns = kHostNetns;
  sample_.failed_connects.push_back(std::move(failed));
  return *this;
}

SampleBuilder& SampleBuilder::add(Drops drops) {
  if (drops.netns == 0) drops.netns = kHostNetns;
  sample_.drops.push_back(std::move(drops));
  return *this;
}

SampleBuilder& SampleBuilder::add(Retransmits retransmits) {
  if (retransmits.netns == 0) retransmits.netns = kHostNetns;
  sample_.retransmits.push_back(retransmits);
  return *this;
}

SampleBuilder& SampleBuilder::add(OwnerTotals owner) {
  sample_.owners.push_back(std::move(owner));
  return *this;
}

SampleBuilder& SampleBuilder::add(std::uint32_t count, const SocketRow& like, std::uint64_t first_cookie) {
  for (std::uint32_t i = 0; i < count; ++i) {
    SocketRow row = like;
    row.cookie = first_cookie + i;
    if (row.inode != 0) row.inode = first_cookie + i;
    row.remote.port = static_cast<std::uint16_t>(40'000 + i);
    add(std::move(row));
  }
  return *this;
}

SampleBuilder& SampleBuilder::counter(const std::string& name, std::uint64_t value) {
  host_ns().counters[name] = value;
  return *this;
}

SampleBuilder& SampleBuilder::sysctl(const std::string& name, std::vector<std::int64_t> values) {
  host_ns().sysctls[name].values = std::move(values);
  return *this;
}

SampleBuilder& SampleBuilder::count(TcpState state, std::uint64_t count) {
  host_ns().states[index_of(state)].count = count;
  return *this;
}

SampleBuilder& SampleBuilder::cover(const std::string& fact, const std::string& source) {
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

SampleBuilder::operator SamplePtr() const {
  return std::make_shared<const Sample>(sample_);
}

Window a_window(std::size_t count, const std::function<void(SampleBuilder&, std::size_t)>& fill,
                milliseconds interval) {
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
