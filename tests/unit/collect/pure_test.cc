// SPDX-License-Identifier: Apache-2.0
// Pace, ages, rows, sums and coverage: everything that decides without asking the machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "agent/collect/coverage.h"
#include "agent/collect/join.h"
#include "agent/collect/pace.h"
#include "agent/collect/row_keeper.h"
#include "agent/collect/source_choice.h"
#include "agent/collect/state_ages.h"
#include "agent/collect/tally.h"
#include "tests/unit/collect/fake_tracer.h"

namespace tcpadvisor::collect::pure_test {
namespace {

using namespace std::chrono_literals;

SocketRow row(TcpState state, std::uint64_t cookie = 1) {
  SocketRow made;
  made.state = state;
  made.cookie = cookie;
  made.inode = 100 + cookie;
  made.holder = Holder::process;
  return made;
}

// ---- pace ----

TEST(WalkPace, cheap_walks_come_with_every_tick) {
  WalkPace pace(1.0, 1000ms);
  EXPECT_TRUE(pace.due(0));
  pace.walked(0, 40'000'000);  // 40 ms: 4 % of a core at one walk a second, below five budgets
  EXPECT_EQ(pace.period(), 1000ms);
  EXPECT_TRUE(pace.due(1));
}

TEST(WalkPace, dear_walks_become_rarer_and_recover) {
  WalkPace pace(1.0, 1000ms);
  pace.walked(0, 200'000'000);  // 200 ms need 4 s at five times 1 %
  EXPECT_EQ(pace.period(), 4000ms);
  EXPECT_FALSE(pace.due(3000));
  EXPECT_TRUE(pace.due(3900)) << "a tick that is a little early is on time";
  pace.walked(4000, 10'000'000);
  EXPECT_TRUE(pace.due(5000));
}

TEST(WalkPace, never_rarer_than_the_longest) {
  WalkPace pace(0, 1000ms);
  pace.walked(0, 100'000'000'000);
  EXPECT_EQ(pace.period(), WalkPace::kLongest);
  WalkPace slow_ticks(1.0, 60'000ms);
  slow_ticks.walked(0, 100'000'000'000);
  EXPECT_EQ(slow_ticks.period(), 60'000ms);
}

TEST(HookMeter, one_short_slice_now_and_then) {
  HookMeter meter(1.0);
  EXPECT_TRUE(meter.should_start(0));
  meter.started(0, {.calls_ns = 1000, .all_ns = 2000});
  EXPECT_FALSE(meter.should_start(50));
  EXPECT_FALSE(meter.should_finish(199));
  EXPECT_TRUE(meter.should_finish(1000));
  HookMeter::Cost cost = meter.finished(1000, {.calls_ns = 9'001'000, .all_ns = 12'002'000});
  EXPECT_DOUBLE_EQ(cost.calls_ns_per_s, 9e6);
  EXPECT_DOUBLE_EQ(cost.all_ns_per_s, 12e6);
  EXPECT_FALSE(cost.calls_over_budget) << "9 ms a second are 0.9 %";
  EXPECT_FALSE(meter.should_start(30'999));
  EXPECT_TRUE(meter.should_start(31'000));
}

TEST(HookMeter, over_the_budget_and_detached_programs) {
  HookMeter meter(1.0);
  meter.started(0, {});
  EXPECT_TRUE(meter.finished(1000, {.calls_ns = 10'100'000, .all_ns = 10'100'000}).calls_over_budget);
  meter.started(40'000, {.calls_ns = 10'100'000, .all_ns = 20'000'000});
  HookMeter::Cost cost = meter.finished(41'000, {.calls_ns = 0, .all_ns = 9'000'000});
  EXPECT_EQ(cost.calls_ns_per_s, 0);
  EXPECT_EQ(cost.all_ns_per_s, 0);
  meter.put_off(1'000'000);
  EXPECT_FALSE(meter.should_start(1'029'999));
  EXPECT_TRUE(meter.should_start(1'030'000)) << "a refusal is not for ever";
}

// ---- ages ----

TEST(StateAges, counts_from_the_first_sight) {
  StateAges ages;
  SocketRow first = row(TcpState::close_wait);
  ages.observe(first, 1000);
  EXPECT_EQ(first.state_age_ms, 0u);
  EXPECT_TRUE(first.state_age_is_lower_bound);
  ages.end_walk();
  SocketRow later = row(TcpState::close_wait);
  ages.observe(later, 6000);
  EXPECT_EQ(later.state_age_ms, 5000u);
}

TEST(StateAges, the_last_ack_is_a_better_bound_for_close_wait_but_not_for_last_ack) {
  StateAges ages;
  SocketRow waiting = row(TcpState::close_wait, 1), closing = row(TcpState::last_ack, 2);
  waiting.last_ack_recv_ms = closing.last_ack_recv_ms = 70'000;
  ages.observe(waiting, 1000);
  ages.observe(closing, 1000);
  EXPECT_EQ(waiting.state_age_ms, 70'000u);
  EXPECT_EQ(closing.state_age_ms, 0u);
}

TEST(StateAges, an_exact_age_stays_and_another_state_starts_again) {
  StateAges ages;
  SocketRow exact = row(TcpState::fin_wait_2);
  exact.state_age_ms = 5;
  ages.observe(exact, 1000);
  EXPECT_EQ(exact.state_age_ms, 5u);
  EXPECT_FALSE(exact.state_age_is_lower_bound);
  SocketRow before = row(TcpState::fin_wait_1, 9);
  ages.observe(before, 1000);
  ages.end_walk();
  SocketRow after = row(TcpState::fin_wait_2, 9);
  ages.observe(after, 3000);
  EXPECT_EQ(after.state_age_ms, 0u);
}

TEST(StateAges, forgets_what_is_gone_and_is_bounded) {
  StateAges ages(2);
  for (std::uint64_t cookie : {1, 2, 3}) {
    SocketRow seen = row(TcpState::close_wait, cookie);
    ages.observe(seen, 0);
  }
  EXPECT_EQ(ages.size(), 2u);
  EXPECT_EQ(ages.not_remembered(), 1u);
  ages.end_walk();
  SocketRow seen = row(TcpState::close_wait, 2);
  ages.observe(seen, 10);
  ages.end_walk();
  EXPECT_EQ(ages.size(), 1u);
  SocketRow other = row(TcpState::established, 5), mini = row(TcpState::fin_wait_2, 6);
  mini.kind = SocketKind::timewait;
  ages.observe(other, 10);
  ages.observe(mini, 10);
  EXPECT_FALSE(other.state_age_ms || mini.state_age_ms);
}

std::vector<Attempt> both_ways() {
  return {works(SourceKind::sock_diag), works(SourceKind::proc_net_tcp)};
}

// ---- rows ----

TEST(RowKeeper, keeps_the_biggest_and_the_listeners) {
  kernel::RowFilter filter;
  filter.all = true;
  RowKeeper keeper(filter, 10);
  keeper.offer(row(TcpState::listen));
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    SocketRow next = row(TcpState::established, i);
    next.recv_q = i * 100;
    keeper.offer(std::move(next));
  }
  auto rows = keeper.take();
  ASSERT_EQ(rows.size(), 10u);
  int listeners = 0;
  for (const SocketRow& kept : rows) {
    listeners += kept.state == TcpState::listen;
    EXPECT_TRUE(kept.state == TcpState::listen || kept.recv_q > 99'000);
  }
  EXPECT_EQ(listeners, 1);
  EXPECT_EQ(keeper.suppressed(), 345u - 9) << "those with 65,536 bytes or more that have no row";
}

// ---- which source ----

TEST(SourceChoice, one_that_fails_is_tried_again_after_pauses_that_double) {
  SourceChoice choice(both_ways());
  const Error why{ErrorCode::failed, "Cannot allocate memory", ENOMEM};
  std::uint64_t now_ms = 1'000'000;
  EXPECT_EQ(choice.best(now_ms), SourceKind::sock_diag);
  std::uint64_t last_pause_ms = 0;
  for (std::uint64_t wanted_ms : {1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 60'000, 60'000}) {
    choice.failed(SourceKind::sock_diag, why, now_ms);
    EXPECT_EQ(choice.best(now_ms), SourceKind::proc_net_tcp);
    EXPECT_EQ(choice.best(now_ms + wanted_ms - 1), SourceKind::proc_net_tcp) << wanted_ms;
    EXPECT_EQ(choice.best(now_ms + wanted_ms), SourceKind::sock_diag) << wanted_ms;
    now_ms += wanted_ms;
    last_pause_ms = wanted_ms;
  }
  EXPECT_EQ(choice.attempts()[0].outcome, AttemptOutcome::stopped);
  EXPECT_EQ(choice.attempts()[0].why_not, "stopped working: Cannot allocate memory");
  choice.succeeded(SourceKind::sock_diag);
  EXPECT_TRUE(choice.attempts()[0].works());
  EXPECT_EQ(choice.attempts()[0].why_not, "");
  // One that works only now and then is not tried more often for that.
  choice.failed(SourceKind::sock_diag, why, now_ms + 1);
  EXPECT_EQ(choice.best(now_ms + last_pause_ms), SourceKind::proc_net_tcp);
  // But after a long time of good work the first pause is short again.
  choice.succeeded(SourceKind::sock_diag);
  now_ms += 10'000'000;
  choice.failed(SourceKind::sock_diag, why, now_ms);
  EXPECT_EQ(choice.best(now_ms + 1'000), SourceKind::sock_diag);
}

TEST(SourceChoice, what_never_worked_is_not_tried_again_and_the_last_one_leaves_none) {
  SourceChoice choice({works_not(SourceKind::iter_tcp, "no"), works(SourceKind::sock_diag)});
  EXPECT_EQ(choice.best(0), SourceKind::sock_diag);
  choice.failed(SourceKind::sock_diag, {ErrorCode::failed, "no", 0}, 0);
  EXPECT_EQ(choice.best(0), SourceKind::none);
  EXPECT_EQ(choice.best(1'000), SourceKind::sock_diag);
  EXPECT_EQ(SourceChoice().best(0), SourceKind::none);
}

TEST(RowKeeper, a_few_orphans_in_fin_wait_2_are_kept_as_examples) {
  RowKeeper keeper({}, 1000);
  for (std::uint64_t i = 1; i <= 500; ++i) {
    SocketRow mini = row(i % 2 ? TcpState::fin_wait_2 : TcpState::time_wait, i);
    mini.kind = SocketKind::timewait;
    keeper.offer(std::move(mini));
  }
  EXPECT_EQ(keeper.take().size(), RowKeeper::kTimewaitExamples);
  EXPECT_EQ(keeper.suppressed(), 0u);
}

// ---- sums in user space ----

struct TallyTest : testing::Test {
  StateAges ages;
  OwnerTable owners;
  sources::OwnerScan scan;
  RowKeeper keeper{{}, 100};
  TallyContext context;
  TallyTest() {
    context.keeper = &keeper;
    scan.holders = {{101, 7, 3}, {101, 7, 4}, {101, 8, 3}, {102, 8, 5}};
    context.netns = 42;
    context.owners = &scan;
    context.filter.old = 5000ms;
  }
};

TEST_F(TallyTest, a_socket_with_three_descriptors_in_two_processes) {
  Tally tally(context, ages, owners);
  SocketRow leaked = row(TcpState::close_wait, 1);
  leaked.recv_q = 10;
  leaked.rmem_alloc = 768;
  leaked.last_ack_recv_ms = 6000;
  tally.add(std::move(leaked));
  kernel::SocketWalk walk = tally.take();
  std::vector<SocketRow> rows = keeper.take();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].netns, 42u);
  EXPECT_EQ(owners.at(7).sockets[index_of(TcpState::close_wait)], 1u) << "two descriptors, one socket";
  EXPECT_EQ(owners.at(7).old_close_wait, 1u);
  EXPECT_EQ(owners.at(8).sockets[index_of(TcpState::close_wait)], 1u);
  EXPECT_EQ(owners.at(8).recv_q, 10u);
  EXPECT_EQ(walk.states[index_of(TcpState::close_wait)], (StateTotals{1, 10, 0, 768, 0}));
}

TEST_F(TallyTest, a_young_one_is_not_old_and_a_twin_counts_once) {
  Tally tally(context, ages, owners);
  tally.add(row(TcpState::close_wait, 2));
  tally.add(row(TcpState::close_wait, 2));
  kernel::SocketWalk walk = tally.take();
  EXPECT_EQ(walk.walked, 1u);
  EXPECT_EQ(owners.at(8).old_close_wait, 0u);
  EXPECT_EQ(owners.at(8).tcp_sockets(), 1u);
}

TEST_F(TallyTest, listening_ports_and_their_connections) {
  Tally tally(context, ages, owners);
  SocketRow listener = row(TcpState::listen, 1);
  listener.local.port = 80;
  SocketRow unaccepted = row(TcpState::close_wait, 2);
  unaccepted.local.port = 80;
  unaccepted.inode = 0;
  unaccepted.holder = Holder::unaccepted;
  SocketRow other = row(TcpState::established, 3);
  other.local.port = 5000;
  tally.add(std::move(listener));
  tally.add(std::move(unaccepted));
  tally.add(std::move(other));
  kernel::SocketWalk walk = tally.take();
  ASSERT_EQ(walk.ports.size(), 1u);
  EXPECT_EQ(walk.ports[0].port, 80);
  EXPECT_EQ(walk.ports[0].netns, 42u);
  EXPECT_EQ(walk.ports[0].unaccepted_close_wait, 1u);
  EXPECT_EQ(walk.ports[0].sockets[index_of(TcpState::listen)], 1u);
}

TEST_F(TallyTest, local_ports_in_use_by_source_and_destination) {
  context.filter.ports = {20'000, 29'999};
  Tally sums(context, ages, owners);
  auto end = [](const char* which, std::uint16_t port) {
    return Endpoint::v4(10, 0, 0, which[0] == 'a' ? 1 : 2, port);
  };
  std::uint64_t cookie = 1;
  auto add = [&](TcpState state, const Endpoint& local, const Endpoint& remote, SocketKind kind = SocketKind::full) {
    SocketRow one = row(state, cookie++);
    one.local = local, one.remote = remote, one.kind = kind;
    sums.add(std::move(one));
  };
  add(TcpState::listen, Endpoint::v4(0, 0, 0, 0, 20'001), {});
  add(TcpState::established, end("a", 20'001), end("b", 50'000));  // arrived at our listener
  add(TcpState::established, end("a", 80), end("b", 443));         // not of the range
  add(TcpState::syn_sent, end("a", 20'002), end("b", 443));
  add(TcpState::time_wait, end("a", 20'003), end("b", 443), SocketKind::timewait);
  add(TcpState::fin_wait_2, end("a", 20'004), end("b", 443), SocketKind::timewait);
  add(TcpState::new_syn_recv, end("a", 20'005), end("b", 443), SocketKind::request);
  add(TcpState::established, end("a", 20'002), end("b", 444));
  kernel::SocketWalk walk = sums.take();
  ASSERT_EQ(walk.port_use.size(), 2u);
  EXPECT_EQ(walk.port_use[0].destination.text(), "10.0.0.2:443");
  EXPECT_EQ(walk.port_use[0].source.text(), "10.0.0.1:0");
  EXPECT_EQ(walk.port_use[0].used, 3u);
  EXPECT_EQ(walk.port_use[0].timewait, 1u);
  EXPECT_EQ(walk.port_use[1].used, 1u);
}

TEST(PortUse, the_fullest_of_all_namespaces_are_kept) {
  std::vector<PortUse> uses;
  for (std::uint64_t i = 0; i < 30; ++i) uses.push_back({1, {}, Endpoint::v4(10, 0, 0, 9, 80), 500 + i, 0});
  uses.push_back({2, {}, Endpoint::v4(10, 0, 0, 9, 80), 90, 90});
  keep_fullest(uses, {{1, {32'768, 60'999}}, {2, {20'000, 20'099}}}, 20);
  ASSERT_EQ(uses.size(), 20u);
  EXPECT_EQ(uses.front().netns, 2u) << "90 of 100 ports are more than 529 of 28,232";
  EXPECT_EQ(uses[1].used, 529u);
}

TEST_F(TallyTest, cgroups_by_id) {
  Tally tally(context, ages, owners);
  for (std::uint64_t cookie : {1, 2, 3}) {
    SocketRow member = row(TcpState::established, cookie);
    member.cgroup_id = cookie == 3 ? 0 : 77;
    member.send_q = 5;
    tally.add(std::move(member));
  }
  kernel::SocketWalk walk = tally.take();
  ASSERT_EQ(walk.cgroups.size(), 1u);
  EXPECT_EQ(walk.cgroups[0].id, 77u);
  EXPECT_EQ(walk.cgroups[0].sockets, 2u);
  EXPECT_EQ(walk.cgroups[0].send_q, 10u);
}

TEST(Tally, all_namespaces_share_one_limit_of_rows_and_the_worst_are_kept_wherever_they_are) {
  StateAges ages;
  OwnerTable owners;
  RowKeeper keeper({}, 10);
  TallyContext context;
  context.keeper = &keeper;
  for (NetnsId netns = 1; netns <= 100; ++netns) {
    context.netns = netns;
    Tally tally(context, ages, owners);
    for (std::uint64_t i = 0; i < 100; ++i) {
      SocketRow next = row(TcpState::established, netns * 1000 + i);
      next.recv_q = 100'000 + netns;
      tally.add(std::move(next));
    }
    tally.take();
    EXPECT_LE(keeper.size(), 10u + 64 + 3) << "the rows of one namespace make room for the next";
  }
  auto rows = keeper.take();
  ASSERT_EQ(rows.size(), 10u);
  for (const SocketRow& kept : rows) EXPECT_EQ(kept.netns, 100u);
  EXPECT_EQ(keeper.suppressed(), 10'000u - 10);
}

// ---- joining ----

NetnsReading reading_of(NetnsId id, std::uint64_t walked) {
  NetnsReading reading;
  reading.ref.id = id;
  reading.walk.emplace();
  reading.walk->walked = walked;
  return reading;
}

TEST(Join, owners_by_cookie) {
  std::vector<NetnsReading> readings;
  SocketRow accepted = row(TcpState::close_wait, 5);
  accepted.holder = Holder::unaccepted;  // accepted between the two walks
  readings.push_back(reading_of(1, 2));
  OwnerEvidence evidence;
  evidence.walk.emplace();
  evidence.walk->by_cookie = {{5, 33, 9}};
  evidence.walk->owners.emplace_back().pid = 33;
  Picture picture = join(readings, {accepted, row(TcpState::listen, 6)}, std::move(evidence), {});
  ASSERT_EQ(picture.rows.size(), 2u);
  for (const SocketRow& joined : picture.rows) {
    EXPECT_EQ(joined.owner.has_value(), joined.cookie == 5);
    EXPECT_EQ(joined.holder, Holder::process);
  }
  EXPECT_EQ(picture.owners.size(), 1u);
  EXPECT_EQ(picture.why_partial(), "");
}

TEST(Join, several_namespaces_are_added_up_and_failures_are_told) {
  std::vector<NetnsReading> readings;
  for (NetnsId id : {1, 2}) {
    readings.push_back(reading_of(id, 8));
    readings.back().walk->suppressed = 3;
    readings.back().walk->cgroups.push_back({.id = 7,
                                             .path = "",
                                             .sockets = 3,
                                             .recv_q = 1,
                                             .send_q = 0,
                                             .rmem = 0,
                                             .wmem = 0,
                                             .sock_bytes = {},
                                             .memory_current = {},
                                             .memory_max = {},
                                             .memory_high = {},
                                             .events_max = {},
                                             .events_high = {}});
  }
  NetnsReading broken;
  broken.ref.id = 3;
  broken.walk_failed = Error{ErrorCode::failed, "iter/tcp: Bad address", EFAULT};
  readings.push_back(std::move(broken));
  Picture picture = join(readings, {}, {}, {});
  EXPECT_EQ(picture.rows_suppressed, 6u);
  EXPECT_EQ(picture.walked, 16u);
  ASSERT_EQ(picture.cgroups.size(), 1u);
  EXPECT_EQ(picture.cgroups[0].sockets, 6u);
  EXPECT_EQ(picture.why_partial(), "6 more sockets that matter have no row; iter/tcp: Bad address");
}

TEST(Join, totals_of_more_ports_groups_and_processes_than_there_is_room_for_are_counted) {
  std::vector<NetnsReading> readings;
  for (NetnsId id = 1; id <= 5; ++id) {
    NetnsReading& reading = readings.emplace_back(reading_of(id, 0));
    for (std::uint16_t port = 1; port <= 1'024; ++port) {
      PortTotals& totals = reading.walk->ports.emplace_back();
      totals.netns = id;
      totals.port = port;
      totals.sockets[index_of(TcpState::listen)] = id == 3 ? 1 : 2;
      CgroupTotals& group = reading.walk->cgroups.emplace_back();
      group.id = id * 10'000 + port;
      group.sockets = id == 3 ? 1 : 2;
    }
  }
  OwnerEvidence evidence;
  evidence.walk.emplace();
  evidence.walk->owners.resize(kMaxOwners + 100);
  for (Pid pid = 0; OwnerTotals & owner : evidence.walk->owners) {
    owner.pid = ++pid;
    owner.sockets[index_of(TcpState::established)] = pid <= 100 ? 3 : 7;
  }
  Picture picture = join(readings, {}, std::move(evidence), {});
  EXPECT_EQ(picture.ports.size(), kMaxPorts);
  EXPECT_EQ(picture.cgroups.size(), kMaxCgroups);
  EXPECT_TRUE(std::ranges::none_of(picture.ports, [](const PortTotals& port) { return port.netns == 3; }));
  EXPECT_EQ(picture.unaggregated, 2 * 1'024u);
  EXPECT_EQ(picture.owners.size(), kMaxOwners);
  EXPECT_EQ(picture.owners_suppressed, 300u);
}

// ---- coverage ----

TEST(Coverage, ranks_bpf_first_and_obeys_the_forced_source) {
  std::vector<FactCoverage> tracer = {coverage_by(FactId::snapshot, SourceKind::iter_tcp)};
  auto source = [&](Sources sources) {
    return kind_in_use(rank_attempts(tracer, FactId::snapshot, sources, both_ways()));
  };
  EXPECT_EQ(source(Sources::any), SourceKind::iter_tcp);
  EXPECT_EQ(source(Sources::bpf), SourceKind::iter_tcp);
  EXPECT_EQ(source(Sources::netlink), SourceKind::sock_diag);
  EXPECT_EQ(source(Sources::procfs), SourceKind::proc_net_tcp);
  auto ranked = rank_attempts(tracer, FactId::snapshot, Sources::procfs, both_ways());
  EXPECT_EQ(ranked[0].outcome, AttemptOutcome::not_wanted);
  EXPECT_EQ(ranked[0].why_not, "not used: --sources chose another way");
  tracer[0].attempts[0] = works_not(SourceKind::iter_tcp, "Operation not permitted", "CAP_BPF");
  EXPECT_EQ(source(Sources::any), SourceKind::sock_diag);
  EXPECT_EQ(source(Sources::bpf), SourceKind::none);
}

const FactCoverage& fact(const std::vector<FactCoverage>& all, FactId id) {
  return *std::ranges::find(all, id, &FactCoverage::fact);
}

TEST(Coverage, what_the_snapshot_gives_depends_on_its_source) {
  OwnFacts own;
  own.snapshot = {works(SourceKind::iter_tcp), works(SourceKind::sock_diag), works(SourceKind::proc_net_tcp)};
  auto best = cover({}, own);
  for (FactId id :
       {FactId::snapshot, FactId::accept_queue, FactId::buffer_locks, FactId::socket_memory, FactId::tcp_info}) {
    EXPECT_EQ(fact(best, id).in_use, "iter/tcp") << name_of(id);
    EXPECT_TRUE(fact(best, id).exact);
  }
  own.snapshot = {works_not(SourceKind::iter_tcp, "no"), works(SourceKind::sock_diag), works(SourceKind::proc_net_tcp)};
  auto second = cover({}, own);
  EXPECT_EQ(fact(second, FactId::buffer_locks).in_use, "");
  EXPECT_EQ(fact(second, FactId::socket_memory).in_use, "sock_diag");
  own.snapshot = {works_not(SourceKind::iter_tcp, "no"), works_not(SourceKind::sock_diag, "no"),
                  works(SourceKind::proc_net_tcp)};
  auto last = cover({}, own);
  EXPECT_EQ(fact(last, FactId::accept_queue).in_use, "/proc/net/tcp");
  EXPECT_FALSE(fact(last, FactId::accept_queue).exact);
  EXPECT_EQ(fact(last, FactId::tcp_info).in_use, "");
  EXPECT_EQ(fact(last, FactId::socket_memory).in_use, "");
}

TEST(Coverage, every_fact_of_ours_is_listed_and_the_tracers_are_kept) {
  auto all =
      cover({coverage_by(FactId::calls, SourceKind::hook), coverage_by(FactId::snapshot, SourceKind::iter_tcp)}, {});
  std::vector<std::string> names;
  for (const FactCoverage& one : all) names.emplace_back(name_of(one.fact));
  EXPECT_EQ(names, (std::vector<std::string>{"calls", "snapshot", "owners", "accept-queue", "buffer-locks",
                                             "socket-memory", "tcp-info", "counters", "settings", "memory", "cgroups",
                                             "namespaces", "conntrack", "softnet", "host-pressure", "user-queues"}));
}

TEST(Coverage, what_the_tracer_cannot_get_comes_from_the_snapshot_as_far_as_it_goes) {
  std::vector<FactCoverage> tracer;
  for (FactId id : {FactId::state_changes, FactId::accept_peak, FactId::pressure, FactId::waiting}) {
    tracer.emplace_back().fact = id;
  }
  Attempt passive = works_not("age from the snapshot", "needs snapshot");
  passive.kind = SourceKind::derived;
  tracer[0].attempts = {works_not(SourceKind::hook, "no"), passive};
  tracer.push_back(coverage_by(FactId::close, SourceKind::hook));
  OwnFacts own;
  own.snapshot = {works(SourceKind::sock_diag)};
  auto all = cover(tracer, own);
  EXPECT_EQ(fact(all, FactId::state_changes).in_use, "age from the snapshot");
  EXPECT_FALSE(fact(all, FactId::state_changes).exact);
  EXPECT_EQ(fact(all, FactId::state_changes).attempts.size(), 2u);
  EXPECT_EQ(fact(all, FactId::accept_peak).in_use, "sampled accept queue");
  EXPECT_EQ(fact(all, FactId::pressure).in_use, "/proc/net/protocols");
  EXPECT_EQ(fact(all, FactId::waiting).in_use, "");
  EXPECT_EQ(fact(all, FactId::close).in_use, "hook");
  own = {};
  own.memory_read = false;
  for (FactId id : {FactId::state_changes, FactId::accept_peak, FactId::pressure})
    EXPECT_EQ(fact(cover(tracer, own), id).in_use, "") << name_of(id);
}

TEST(Coverage, owners_that_are_not_exact_say_why) {
  OwnFacts own;
  own.owners = {works_not(SourceKind::iter_task_file, "no"), works(SourceKind::proc_fd)};
  own.unreadable_processes = 12;
  auto all = cover({}, own);
  EXPECT_FALSE(fact(all, FactId::owners).exact);
  EXPECT_TRUE(fact(all, FactId::owners)
                  .remark.starts_with("12 processes not readable: needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"));
}

}  // namespace
}  // namespace tcpadvisor::collect::pure_test
