// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/unit/builders.h"

namespace tcpadvisor::observe::groups_test {
namespace {

using build::a_process;
using build::a_socket;

Observation seen(const std::function<void(build::SampleBuilder&)>& make) {
  Observation observation;
  observation.window = build::a_window(1, [&](build::SampleBuilder& sample, std::size_t) { make(sample); });
  return observation;
}

GroupTotals totals_of(const Observation& observation, const std::string& name) {
  for (GroupTotals& totals : group_totals(observation)) {
    if ((totals.group ? totals.group->name : "") == name) return totals;
  }
  return {};
}

TEST(Groups, StatesAndQueuesAreSummed) {
  Observation all = seen([](build::SampleBuilder& sample) {
    sample.add(a_process(1, "nginx").sockets(TcpState::established, 3).memory(10, 20, 5).cgroup("/a/nginx.service"));
    sample.add(a_process(2, "nginx").sockets(TcpState::established, 4).close_wait(2, 1).cgroup("/a/nginx.service"));
    sample.add(a_process(3, "sshd").sockets(TcpState::listen, 1).cgroup("/a/ssh.service"));
    sample.add(a_process(4, "unknown").sockets(TcpState::listen, 1));
  });
  EXPECT_EQ(group_totals(all).size(), 3u);
  GroupTotals nginx = totals_of(all, "nginx.service");
  EXPECT_EQ(nginx.processes.size(), 2u);
  EXPECT_EQ(nginx.tcp_sockets(), 9u);
  EXPECT_EQ(nginx.sockets[index_of(TcpState::established)], 7u);
  EXPECT_EQ(nginx.old_close_wait, 1u);
  EXPECT_EQ(nginx.recv_q, 5u);
  EXPECT_EQ(nginx.rmem + nginx.wmem, 30u);
  EXPECT_EQ(totals_of(all, "").processes.size(), 1u) << "whose cgroup is not known";
}

TEST(Groups, ASocketOfSeveralWorkersCountsOnce) {
  Observation all = seen([](build::SampleBuilder& sample) {
    for (Pid pid : {1, 2, 3})
      sample.add(a_process(pid, "nginx").sockets(TcpState::listen, 1).cgroup("/a/nginx.service"));
    sample.add(a_process(9, "systemd").sockets(TcpState::listen, 1).cgroup("/init.scope"));
    sample.add(a_socket().listen(80, 0, 128).pid(1, "nginx").set([](SocketRow& row) {
      row.owner->holders = 4;
      row.others = {{2, "nginx", 1}, {3, "nginx", 1}, {9, "systemd", 1}};
    }));
  });
  EXPECT_EQ(totals_of(all, "nginx.service").tcp_sockets(), 1u);
  EXPECT_EQ(totals_of(all, "init.scope").tcp_sockets(), 1u);
}

TEST(Groups, HoldersWithoutANameAreTakenForTheOwnersKind) {
  Observation all = seen([](build::SampleBuilder& sample) {
    for (Pid pid : {1, 2, 3})
      sample.add(a_process(pid, "nginx").sockets(TcpState::established, 1).memory(0, 0, 7).cgroup("/a/nginx.service"));
    sample.add(a_socket().pid(1, "nginx").recv_q(7).set([](SocketRow& row) { row.owner->holders = 3; }));
  });
  EXPECT_EQ(totals_of(all, "nginx.service").tcp_sockets(), 1u);
  EXPECT_EQ(totals_of(all, "nginx.service").recv_q, 7u);
}

TEST(Groups, HostileNumbersNeitherWrapNorGoBelowZero) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  Observation all = seen([](build::SampleBuilder& sample) {
    for (Pid pid : {1, 2}) sample.add(a_process(pid, "x").memory(kMost, kMost, kMost).cgroup("/a/x.service"));
    sample.add(a_socket().pid(1, "x").recv_q(kMost).set([](SocketRow& row) { row.owner->holders = UINT32_MAX; }));
  });
  GroupTotals totals = totals_of(all, "x.service");
  EXPECT_EQ(totals.rmem, kMost);
  EXPECT_EQ(totals.recv_q, 0u);
  EXPECT_EQ(totals.tcp_sockets(), 0u);
}

TEST(Groups, ASocketBelongsWhereItsOwnerDoes) {
  Observation all = seen([](build::SampleBuilder& sample) {
    sample.add(a_process(1, "nginx").cgroup("/a/nginx.service"));
    sample.add(a_socket().cookie(1).pid(1, "nginx").set([](SocketRow& row) { row.cgroup = "/init.scope"; }));
    sample.add(a_socket().cookie(2).holder(Holder::orphan).set([](SocketRow& row) { row.cgroup = "/a/ssh.service"; }));
    sample.add(a_socket().cookie(3).holder(Holder::orphan));
  });
  EXPECT_EQ(group_of(all.now().sockets[0], all.window)->name, "nginx.service") << "systemd opened it for nginx";
  EXPECT_EQ(group_of(all.now().sockets[1], all.window)->name, "ssh.service");
  EXPECT_EQ(group_of(all.now().sockets[2], all.window), std::nullopt);
}

}  // namespace
}  // namespace tcpadvisor::observe::groups_test
