// SPDX-License-Identifier: Apache-2.0
// Whole ticks: over trees of fixtures with a tracer made by hand, and on this host's own namespace without BPF.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "agent/collect/host_collector.h"
#include "agent/os/unique_fd.h"
#include "tests/unit/collect/fake_tracer.h"
#include "tests/unit/os/fake_clock.h"
#include "tests/unit/os/temp_tree.h"
#include "tests/unit/sources/fixture.h"

namespace tcpadvisor::collect::collector_test {
namespace {

using namespace std::chrono_literals;

struct Bench {
  FakeTracer* tracer = nullptr;
  os::FakeClock* clock = nullptr;
  Parts parts;

  explicit Bench(os::ProcRoot root) {
    auto fake = std::make_unique<FakeTracer>();
    auto hands = std::make_unique<os::FakeClock>();
    tracer = fake.get();
    clock = hands.get();
    parts.tracer = std::move(fake);
    parts.clock = std::move(hands);
    parts.root = std::move(root);
  }
  std::unique_ptr<Collector> open() {
    auto collector = assemble(std::move(parts));
    EXPECT_TRUE(collector) << collector.error().message;
    return std::move(*collector);
  }
};

TEST(Collector, a_recent_host_by_procfs_only) {
  Bench bench(fixture::root("proc-6.18"));
  bench.parts.options.sources = Sources::procfs;
  bench.parts.options.old_age = 5s;
  auto collector = bench.open();
  ASSERT_TRUE(collector->tick());
  bench.clock->advance_ms(6000);
  SamplePtr sample = collector->tick().value();

  ASSERT_EQ(sample->netns.size(), 1u);
  const NetnsSample& host = *sample->host_netns();
  EXPECT_EQ(host.name, "host");
  EXPECT_EQ(host.error, "");
  EXPECT_EQ(host.states[index_of(TcpState::close_wait)].count, 5u);
  EXPECT_EQ(host.states[index_of(TcpState::fin_wait_2)].count, 5u);
  EXPECT_EQ(host.states[index_of(TcpState::fin_wait_1)].send_q, 3'782'144u);
  EXPECT_TRUE(host.counters.contains("TcpExt.ListenDrops"));
  EXPECT_EQ(host.sysctls.at("net.core.somaxconn").values.size(), 1u);
  EXPECT_EQ(sample->host.name, "web-1");
  EXPECT_TRUE(sample->memory.pages && sample->memory.limits_pages && sample->memory.under_pressure == false);

  const OwnerTotals* leaky = sample->find_owner(700);
  ASSERT_NE(leaky, nullptr);
  EXPECT_EQ(leaky->comm, "leaky");
  EXPECT_EQ(leaky->sockets[index_of(TcpState::close_wait)], 5u);
  EXPECT_EQ(leaky->old_close_wait, 5u) << "seen for 6 s, old is 5 s";
  EXPECT_EQ(leaky->fd_limit, 1024u);
  EXPECT_EQ(leaky->cgroup, "/system.slice/leaky.service");
  for (const SocketRow& row : sample->sockets) {
    if (row.state == TcpState::close_wait) {
      EXPECT_EQ(row.owner->pid, 700u);
      EXPECT_EQ(row.owner->comm, "leaky");
      EXPECT_EQ(row.state_age_ms, 6000u);
    }
    if (row.state == TcpState::listen && row.owner) {
      EXPECT_EQ(row.owner->holders, 2u) << "shared with the worker";
    }
  }
  EXPECT_TRUE(sample->knows(FactId::snapshot));
  EXPECT_FALSE(sample->knows(FactId::socket_memory));
  EXPECT_FALSE(sample->knows(FactId::buffer_locks));
  EXPECT_FALSE(sample->self.partial) << sample->self.partial_why;
  EXPECT_EQ(sample->self.lost.at("rows_suppressed"), 0u);
  EXPECT_EQ(sample->self.lost.at("ringbuf"), 0u) << "the tracer's losses are in it, too";
}

TEST(Collector, an_older_host_under_pressure_with_v1_cgroups) {
  Bench bench(fixture::root("proc-5.10"));
  bench.parts.options.sources = Sources::procfs;
  SamplePtr sample = bench.open()->tick().value();
  EXPECT_EQ(sample->memory.under_pressure, true);
  EXPECT_EQ(sample->memory.pages, 4u);
  EXPECT_EQ(sample->memory.limits_pages, (std::array<std::uint64_t, 3>{22000, 29000, 44000}));
  ASSERT_EQ(sample->cgroups.size(), 1u);
  EXPECT_EQ(sample->cgroups[0].path, "/docker/abc");
  EXPECT_EQ(sample->cgroups[0].memory_max, 4'194'304u);
  EXPECT_EQ(sample->find_owner(900)->tcp_sockets(), 2u) << "a listener, and a connection with two descriptors";
  EXPECT_EQ(sample->host_netns()->states[index_of(TcpState::new_syn_recv)].count, 1u);
}

TEST(Collector, the_kernels_walk_is_joined_with_its_owners) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  kernel::SocketWalk walk;
  walk.walked = 1000;
  walk.states[index_of(TcpState::close_wait)].count = 1;
  SocketRow row;
  row.cookie = 77;
  row.state = TcpState::close_wait;
  row.holder = Holder::process;
  row.state_age_ms = 90'000;
  bench.tracer->rows = {row};
  walk.memory.pages = 5;
  walk.memory.pressure_ms = 123;
  bench.tracer->walk = walk;
  kernel::OwnerWalk owners;
  owners.by_cookie.push_back({77, 700, 4});
  owners.owners.emplace_back().pid = 700;
  owners.owners.back().comm = "leaky";
  bench.tracer->owner_walk = owners;
  SamplePtr sample = bench.open()->tick().value();
  ASSERT_EQ(sample->sockets.size(), 1u);
  EXPECT_EQ(sample->sockets[0].owner->pid, 700u);
  EXPECT_EQ(sample->sockets[0].netns, 4026531840u);
  EXPECT_EQ(sample->sockets[0].state_age_ms, 90'000u);
  EXPECT_EQ(sample->sockets[0].cgroup, "/system.slice/leaky.service");
  EXPECT_EQ(sample->memory.pressure_ms, 123u);
  EXPECT_EQ(sample->self.sockets_walked, 1000u);
  EXPECT_EQ(sample->find_owner(700)->fd_limit, 1024u);
  EXPECT_EQ(sample->fact(FactId::owners)->in_use, "iter/task_file");
}

TEST(Collector, what_matters_most_gets_a_row_wherever_the_walk_comes_by_it) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  bench.tracer->walk = kernel::SocketWalk{};
  for (std::uint64_t i = 1; i <= 6'000; ++i) {
    SocketRow& row = bench.tracer->rows.emplace_back();
    row.cookie = i;
    row.state = TcpState::close_wait;
    row.recv_q = i == 5'990 ? 1'000'000 : i % 10;
  }
  SamplePtr sample = bench.open()->tick().value();
  EXPECT_EQ(sample->sockets.size(), 4'096u);
  EXPECT_EQ(sample->rows_suppressed, 6'000u - 4'096u);
  auto severe = std::ranges::find(sample->sockets, 5'990u, &SocketRow::cookie);
  EXPECT_NE(severe, sample->sockets.end());
}

TEST(Collector, a_walk_that_stops_working_is_replaced_and_told) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  bench.tracer->walk = kernel::SocketWalk{};
  bench.tracer->owner_walk = kernel::OwnerWalk{};
  FakeTracer* tracer = bench.tracer;
  auto collector = bench.open();
  EXPECT_EQ(collector->tick().value()->fact(FactId::snapshot)->in_use, "iter/tcp");
  tracer->walk = fail(ErrorCode::failed, "iter/tcp: Operation not permitted", EPERM);
  SamplePtr sample = collector->tick().value();
  EXPECT_EQ(sample->fact(FactId::snapshot)->in_use, "sock_diag");
  EXPECT_EQ(sample->fact(FactId::snapshot)->attempts[0].why_not, "stopped working: iter/tcp: Operation not permitted");
  EXPECT_FALSE(sample->knows(FactId::buffer_locks));
  EXPECT_FALSE(sample->self.partial) << "sock_diag answered in the same tick";
}

TEST(Collector, where_there_are_too_many_sockets_for_a_row_each_the_walk_looks_at_a_part_of_them) {
  for (bool many : {false, true}) {
    Bench bench(fixture::root("proc-6.18"));
    bench.tracer->can_do_bpf();
    bench.tracer->walk = kernel::SocketWalk{};
    bench.tracer->owner_walk = kernel::OwnerWalk{};
    bench.parts.options.show_all = true;
    bench.parts.options.max_rows = many ? 1 : 4'096;
    FakeTracer* tracer = bench.tracer;
    auto collector = bench.open();
    ASSERT_TRUE(collector->tick());
    ASSERT_EQ(tracer->looks.size(), 1u);
    EXPECT_EQ(tracer->looks[0], many);
  }
}

TEST(Collector, a_walk_that_failed_once_comes_back_after_a_pause) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  bench.tracer->walk = kernel::SocketWalk{};
  bench.tracer->owner_walk = kernel::OwnerWalk{};
  FakeTracer* tracer = bench.tracer;
  os::FakeClock* clock = bench.clock;
  auto collector = bench.open();
  ASSERT_TRUE(collector->tick());
  tracer->walk = fail(ErrorCode::failed, "iter/tcp: Cannot allocate memory", ENOMEM);
  clock->advance_ms(1'000);
  EXPECT_EQ(collector->tick().value()->source(FactId::snapshot), SourceKind::sock_diag);
  tracer->walk = kernel::SocketWalk{};
  int walks = tracer->socket_walks;
  clock->advance_ms(500);
  EXPECT_EQ(collector->tick().value()->source(FactId::snapshot), SourceKind::sock_diag) << "the pause is not over";
  EXPECT_EQ(tracer->socket_walks, walks);
  clock->advance_ms(500);
  SamplePtr sample = collector->tick().value();
  EXPECT_EQ(sample->source(FactId::snapshot), SourceKind::iter_tcp);
  EXPECT_TRUE(sample->knows(FactId::buffer_locks));
  EXPECT_EQ(sample->fact(FactId::snapshot)->attempts[0].why_not, "");
}

TEST(Collector, owners_are_seen_in_the_very_tick_in_which_their_walk_fails_and_after_it_is_back) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  SocketRow row;
  row.cookie = 77;
  row.inode = 5001;
  row.state = TcpState::close_wait;
  os::TempTree tree;
  tree.link("/proc/thread-self/ns/net", "net:[7]").link("/proc/700/fd/4", "socket:[5001]");
  tree.file("/proc/700/comm", "leaky\n");
  bench.parts.root = tree.root();
  kernel::SocketWalk walk;
  bench.tracer->rows = {row};
  bench.tracer->walk = walk;
  kernel::OwnerWalk owners;
  owners.by_cookie.push_back({77, 700, 4});
  owners.owners.emplace_back().pid = 700;
  owners.owners.back().comm = "leaky";
  owners.owners.back().sockets[index_of(TcpState::close_wait)] = 1;
  FakeTracer* tracer = bench.tracer;
  os::FakeClock* clock = bench.clock;
  auto collector = bench.open();
  for (bool works : {true, false, false, true}) {
    tracer->owner_walk = works ? Result<kernel::OwnerWalk>(owners) : fail(ErrorCode::failed, "iter/task_file: no", EIO);
    SamplePtr sample = collector->tick().value();
    EXPECT_EQ(sample->source(FactId::owners), works ? SourceKind::iter_task_file : SourceKind::proc_fd);
    ASSERT_EQ(sample->sockets.size(), 1u);
    EXPECT_EQ(sample->sockets[0].owner, (Owner{700, "leaky", 4, 1}));
    ASSERT_NE(sample->find_owner(700), nullptr);
    EXPECT_EQ(sample->find_owner(700)->tcp_sockets(), 1u);
    EXPECT_EQ(sample->self.lost.at("processes_unreadable"), 0u);
    clock->advance_ms(3'000);
  }
}

TEST(Collector, a_forced_source_stays_and_says_at_each_tick_that_it_fails) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  bench.tracer->walk = kernel::SocketWalk{};
  bench.parts.options.sources = Sources::bpf;
  FakeTracer* tracer = bench.tracer;
  auto collector = bench.open();
  tracer->walk = fail(ErrorCode::failed, "iter/tcp: no", EIO);
  SamplePtr sample = collector->tick().value();
  EXPECT_EQ(sample->source(FactId::snapshot), SourceKind::iter_tcp);
  EXPECT_EQ(sample->host_netns()->error, "iter/tcp: no");
  tracer->walk = kernel::SocketWalk{};
  EXPECT_EQ(collector->tick().value()->host_netns()->error, "");
}

TEST(Collector, a_forced_source_that_is_not_there_is_refused_with_its_reason) {
  Bench bench(fixture::root("proc-6.18"));
  FactCoverage& refused = bench.tracer->facts.emplace_back();
  refused.fact = FactId::snapshot;
  refused.attempts = {works_not(SourceKind::iter_tcp, "Operation not permitted", "CAP_BPF", EPERM)};
  bench.parts.options.sources = Sources::bpf;
  auto collector = assemble(std::move(bench.parts));
  ASSERT_FALSE(collector);
  EXPECT_EQ(collector.error().code, ErrorCode::denied);
  EXPECT_EQ(collector.error().message,
            "--sources: no such source works here: iter/tcp: Operation not permitted (CAP_BPF)");
}

TEST(Collector, dear_walks_are_shown_again_with_their_age) {
  Bench bench(fixture::root("proc-6.18"));
  bench.parts.options.sources = Sources::procfs;
  bench.parts.options.budget_percent = 0;  // counts as 0.01: with ticks this quick any walk is over it
  bench.parts.options.interval = 10ms;
  auto collector = bench.open();
  SamplePtr first = collector->tick().value();
  EXPECT_EQ(first->self.snapshot_age_ms, 0);
  bench.clock->advance_ms(20);
  SamplePtr second = collector->tick().value();
  EXPECT_EQ(second->self.snapshot_age_ms, 20);
  EXPECT_TRUE(second->sockets == first->sockets);
  EXPECT_TRUE(second->owners == first->owners);
  EXPECT_TRUE(second->host_netns()->states == first->host_netns()->states);
  bench.clock->advance_ms(40'000);
  EXPECT_EQ(collector->tick().value()->self.snapshot_age_ms, 0);
}

TEST(Collector, hooks_on_every_call_are_stopped_over_the_budget) {
  Bench bench(fixture::root("proc-6.18"));
  FakeTracer* tracer = bench.tracer;
  auto collector = bench.open();
  tracer->hook_cost.programs = {{"t_send", FactId::calls, 10, 1000, 0}, {"on_state", FactId::state_changes, 1, 500, 0}};
  ASSERT_TRUE(collector->tick());
  EXPECT_EQ(tracer->measured, (std::vector<bool>{true, false, true})) << "tried at the start";
  tracer->hook_cost.programs[0].run_time_ns += 30'000'000;
  bench.clock->advance_ms(1000);
  SamplePtr sample = collector->tick().value();
  EXPECT_EQ(tracer->measured, (std::vector<bool>{true, false, true, false}));
  EXPECT_EQ(tracer->stopped_because, "the hooks on every call took 3.0% of a core, the budget is 1%");
  EXPECT_DOUBLE_EQ(sample->self.hook_ns_per_s, 30e6);
}

TEST(Collector, so_is_the_hook_on_what_is_dropped_in_a_flood) {
  Bench bench(fixture::root("proc-6.18"));
  FakeTracer* tracer = bench.tracer;
  auto collector = bench.open();
  tracer->hook_cost.programs = {{"on_drop", FactId::drops, 10, 1000, 0}};
  ASSERT_TRUE(collector->tick());
  tracer->hook_cost.programs[0].run_time_ns += 20'000'000;
  Drops drops;
  drops.netns = 1;
  drops.segments = 9;
  tracer->dropped = {drops};
  bench.clock->advance_ms(1000);
  SamplePtr sample = collector->tick().value();
  EXPECT_EQ(tracer->stopped, FactId::drops);
  EXPECT_EQ(tracer->stopped_because, "the hook on packets that are dropped took 2.0% of a core, the budget is 1%");
  ASSERT_EQ(sample->drops.size(), 1u);
  EXPECT_EQ(sample->drops[0].segments, 9u);
}

TEST(Collector, what_another_namespace_drops_is_known_also_if_one_is_chosen) {
  Bench bench(fixture::root("proc-6.18"));
  bench.parts.options.netns = NetnsChoice::parse("host").value();
  Drops elsewhere;
  elsewhere.netns = 1;
  elsewhere.segments = 9;
  bench.tracer->dropped = {elsewhere};
  Retransmits again;
  again.netns = 1;
  bench.tracer->sent_again = {again};
  SamplePtr sample = bench.open()->tick().value();
  EXPECT_EQ(sample->drops.size(), 1u) << "it may be what the chosen one sent";
  EXPECT_TRUE(sample->retransmits.empty()) << "of connections there, which nobody asked for";
}

TEST(Collector, hooks_that_cannot_be_measured_are_told_and_measured_as_soon_as_they_can_be) {
  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->facts.push_back(coverage_by(FactId::calls, SourceKind::hook));
  bench.tracer->may_measure = false;
  FakeTracer* tracer = bench.tracer;
  os::FakeClock* clock = bench.clock;
  auto collector = bench.open();
  EXPECT_EQ(collector->coverage().front().remark,
            "its cost cannot be measured (no CAP_SYS_ADMIN), so --calls auto never switches it off");
  SamplePtr sample = collector->tick().value();
  EXPECT_EQ(sample->self.hooks_not_measured, "no CAP_SYS_ADMIN");
  EXPECT_TRUE(sample->fact(FactId::calls)->remark.starts_with("its cost cannot be measured"));

  tracer->may_measure = true;
  tracer->hook_cost.programs = {{"t_send", FactId::calls, 10, 1'000, 0}};
  clock->advance_ms(30'000);
  ASSERT_TRUE(collector->tick());
  tracer->hook_cost.programs[0].run_time_ns += 50'000'000;
  clock->advance_ms(1'000);
  sample = collector->tick().value();
  EXPECT_EQ(sample->self.hooks_not_measured, "");
  EXPECT_EQ(sample->fact(FactId::calls)->remark, "");
  EXPECT_DOUBLE_EQ(sample->self.hook_ns_per_s, 50e6);
  EXPECT_NE(tracer->stopped_because, "") << "5% of a core is over the budget";
}

TEST(Collector, calls_that_are_forced_on_stay_on) {
  Bench bench(fixture::root("proc-6.18"));
  bench.parts.options.calls = kernel::Calls::on;
  FakeTracer* tracer = bench.tracer;
  auto collector = bench.open();
  ASSERT_TRUE(collector->tick());
  tracer->hook_cost.programs = {{"t_send", FactId::calls, 10, 1'000'000'000, 0}};
  bench.clock->advance_ms(1000);
  ASSERT_TRUE(collector->tick());
  EXPECT_EQ(tracer->stopped_because, "");
}

TEST(Collector, a_namespace_that_vanishes_is_one_line_and_the_rest_goes_on) {
  os::TempTree tree;
  for (const char* name : {"netstat", "snmp", "sockstat", "protocols", "tcp"}) {
    std::string file = std::string("/proc/thread-self/net/") + name;
    tree.file(file, fixture::text("proc-5.10" + file));
  }
  tree.link("/proc/thread-self/ns/net", "net:[7]")
      .link("/proc/4194305/ns/net", "net:[8]");  // no process has this number
  Bench bench(tree.root());
  bench.parts.options.sources = Sources::procfs;
  auto collector = bench.open();
  SamplePtr sample = collector->tick().value();
  ASSERT_EQ(sample->netns.size(), 2u);
  EXPECT_EQ(sample->netns[0].error, "");
  EXPECT_EQ(sample->netns[0].states[index_of(TcpState::listen)].count, 1u);
  EXPECT_NE(sample->netns[1].error.find("pid:4194305"), std::string::npos) << sample->netns[1].error;
  EXPECT_EQ(sample->self.lost.at("namespaces_unreachable"), 1u);
  EXPECT_TRUE(sample->fact(FactId::namespaces)->remark.starts_with("1 of 2 read; "))
      << sample->fact(FactId::namespaces)->remark;
  tree.remove("/proc/4194305");
  bench.clock->advance_ms(1000);
  EXPECT_EQ(collector->tick().value()->netns.size(), 1u);
}

TEST(Collector, bad_text_takes_away_its_fact_only) {
  os::TempTree tree;
  tree.link("/proc/thread-self/ns/net", "net:[7]");
  tree.file("/proc/thread-self/net/tcp", fixture::text("proc-5.10/proc/thread-self/net/tcp"));
  tree.file("/proc/thread-self/net/sockstat", fixture::text("proc-5.10/proc/thread-self/net/sockstat"));
  tree.file("/proc/thread-self/net/netstat", "TcpExt: A\n");
  Bench bench(tree.root());
  bench.parts.options.sources = Sources::procfs;
  SamplePtr sample = bench.open()->tick().value();
  EXPECT_FALSE(sample->knows(FactId::counters));
  EXPECT_NE(sample->fact(FactId::counters)->remark.find("net/netstat:2: the line of values for TcpExt: is missing"),
            std::string::npos);
  EXPECT_FALSE(sample->knows(FactId::settings));
  EXPECT_TRUE(sample->knows(FactId::snapshot));
  EXPECT_TRUE(sample->knows(FactId::memory));
  EXPECT_EQ(sample->netns[0].states[index_of(TcpState::listen)].count, 1u);
}

TEST(Collector, a_bad_line_of_sockets_leaves_the_counters_alone) {
  os::TempTree tree;
  tree.link("/proc/thread-self/ns/net", "net:[7]");
  for (const char* name : {"netstat", "snmp", "sockstat", "protocols"}) {
    std::string file = std::string("/proc/thread-self/net/") + name;
    tree.file(file, fixture::text("proc-5.10" + file));
  }
  tree.file("/proc/thread-self/net/tcp", "heading\n  0: nonsense\n");
  Bench bench(tree.root());
  bench.parts.options.sources = Sources::procfs;
  SamplePtr sample = bench.open()->tick().value();
  EXPECT_TRUE(sample->knows(FactId::counters));
  EXPECT_TRUE(sample->self.partial);
  EXPECT_NE(sample->netns[0].error.find("net/tcp:2: 'nonsense' is not a local address"), std::string::npos);
}

TEST(Collector, privileges_are_dropped_after_everything_is_open_and_it_says_what_ticks_need) {
  for (bool bpf : {true, false}) {
    Bench bench(fixture::root("proc-6.18"));
    if (bpf) bench.tracer->can_do_bpf();
    int dropped = 0;
    bench.parts.guard = [&](kernel::Tracer&, const Needs& needs) -> Result<Guarded> {
      EXPECT_TRUE(needs.other_netns);
      EXPECT_EQ(needs.descriptors, !bpf) << "for /proc/*/fd of other users";
      ++dropped;
      return Guarded{nullptr, "cap_sys_admin", bpf};
    };
    auto collector = bench.open();
    EXPECT_EQ(dropped, 1);
    EXPECT_EQ(collector->privileges_kept(), "cap_sys_admin");
    EXPECT_TRUE(collector->tick());
  }
}

TEST(Collector, without_a_socket_to_listen_on_user_queues_have_no_source) {
  Bench bench(fixture::root("proc-6.18"));
  bench.parts.no_user_queues = {ErrorCode::unsupported, "XDG_RUNTIME_DIR is not set", 0};
  SamplePtr sample = bench.open()->tick().value();
  EXPECT_FALSE(sample->knows(FactId::user_queues));
  EXPECT_EQ(sample->fact(FactId::user_queues)->attempts[0].why_not, "XDG_RUNTIME_DIR is not set");
  EXPECT_EQ(sample->self.lost.at("user_queues_refused"), 0u);
}

TEST(Collector, what_programs_say_is_checked_counted_and_complained_of) {
  os::TempTree queues;
  auto receiver = sources::UserQueueReceiver::open(queues.path());
  ASSERT_TRUE(receiver) << receiver.error().message;
  sources::UserQueueInbox& inbox = (*receiver)->inbox();

  Bench bench(fixture::root("proc-6.18"));
  bench.tracer->can_do_bpf();
  SocketRow row;
  row.cookie = 77;
  row.local = Endpoint::v4(10, 0, 0, 1, 443);
  row.remote = Endpoint::v4(10, 0, 0, 2, 50'000);
  row.send_q = 130'944;  // long enough to get a row
  bench.tracer->walk = kernel::SocketWalk{};
  bench.tracer->rows = {row};
  bench.tracer->owner_walk = kernel::OwnerWalk{};
  bench.tracer->owner_walk->value().by_cookie.push_back({77, 700, 4});
  bench.tracer->owner_walk->value().owners.emplace_back().pid = 700;
  bench.tracer->owner_walk->value().owners.back().comm = "leaky";
  bench.parts.user_queues = std::move(*receiver);
  bench.parts.find_sockets = [&](const os::NetnsRef&, auto names) -> Result<FoundSockets> {
    return FoundSockets(names.size(), row);
  };
  std::vector<std::string> complaints;
  bench.parts.options.complain = [&](const std::string& line) { complaints.push_back(line); };
  auto say = [&](Pid pid) {
    std::uint64_t now_ms = bench.clock->mono_ms();
    ASSERT_TRUE(inbox.admit(pid, false, now_ms));
    inbox.take(pid, "tcpadvisor-queue 1 local=10.0.0.1:443 remote=10.0.0.2:50000 queued=5", now_ms);
  };
  auto collector = bench.open();
  EXPECT_NE(collector->coverage().back().remark.find("listening on " + queues.path()), std::string::npos);
  say(700);
  say(701);
  SamplePtr sample = collector->tick().value();
  ASSERT_EQ(sample->user_queues.size(), 1u);
  EXPECT_EQ(sample->user_queues[0].pid, 700u);
  EXPECT_EQ(sample->user_queue_of(sample->sockets.at(0)), &sample->user_queues[0]);
  EXPECT_EQ(sample->self.lost.at("user_queues_refused"), 1u);
  EXPECT_EQ(sample->self.lost.at("user_queues_over_limit"), 0u);
  EXPECT_TRUE(sample->knows(FactId::user_queues));
  EXPECT_NE(sample->fact(FactId::user_queues)->remark.find("1 program speaks for 1 connection; refused 1"),
            std::string::npos);
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find("pid 701"), std::string::npos);
}

TEST(NetnsChoice, spellings) {
  using Kind = NetnsChoice::Kind;
  EXPECT_EQ(NetnsChoice::parse("all")->kind, Kind::all);
  EXPECT_EQ(NetnsChoice::parse("host")->kind, Kind::host);
  EXPECT_EQ(NetnsChoice::parse("pid:12")->pid, 12u);
  EXPECT_EQ(NetnsChoice::parse("blue")->name, "blue");
  for (const char* bad : {"", "pid:", "pid:x", "pid:0", "pid:99999999999", "a/b", "..", "."}) {
    auto choice = NetnsChoice::parse(bad);
    ASSERT_FALSE(choice) << bad;
    EXPECT_EQ(choice.error().code, ErrorCode::bad_input);
  }
}

TEST(NetnsChoice, one_that_does_not_exist_is_bad_input) {
  for (const char* text : {"no-such-namespace", "pid:4194304"}) {
    Bench bench(os::ProcRoot{});
    bench.parts.options.netns = NetnsChoice::parse(text).value();
    auto collector = assemble(std::move(bench.parts));
    ASSERT_FALSE(collector) << text;
    EXPECT_EQ(collector.error().code, ErrorCode::bad_input);
  }
}

// ---- this host's own sockets, without BPF; needs no privilege ----

TEST(LiveCollector, an_own_listener_is_found_with_its_owner) {
  os::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 7), 0);
  socklen_t size = sizeof address;
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  std::uint64_t before = os::ProcRoot().inode("/proc/thread-self/ns/net").value();

  for (Sources sources : {Sources::netlink, Sources::procfs}) {
    Bench bench(os::ProcRoot{});
    bench.parts.clock = std::make_unique<os::RealClock>();
    bench.parts.options.sources = sources;
    SamplePtr sample = bench.open()->tick().value();
    auto row = std::ranges::find_if(sample->sockets, [&](const SocketRow& candidate) {
      return candidate.state == TcpState::listen && candidate.local.port == ntohs(address.sin_port) && candidate.owner;
    });
    ASSERT_NE(row, sample->sockets.end());
    EXPECT_EQ(row->owner->pid, static_cast<Pid>(getpid()));
    EXPECT_EQ(row->accept_limit, sources == Sources::netlink ? std::optional(7u) : std::nullopt);
    EXPECT_NE(sample->find_owner(static_cast<Pid>(getpid())), nullptr);
    EXPECT_TRUE(sample->knows(FactId::counters));
    EXPECT_GT(sample->self.rss_bytes, 0u);
  }
  EXPECT_EQ(os::ProcRoot().inode("/proc/thread-self/ns/net").value(), before) << "the caller's namespace never changes";
}

}  // namespace
}  // namespace tcpadvisor::collect::collector_test
