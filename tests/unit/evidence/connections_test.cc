// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/connections.h"

#include <gtest/gtest.h>

#include "tests/unit/builders.h"

namespace tcpadvisor::connections_test {
namespace {

using build::a_process;
using build::a_sample;
using build::a_socket;
using build::a_user_queue;
using build::kHostNetns;
using build::SocketBuilder;

const Endpoint kHere = Endpoint::v4(10, 0, 0, 1, 5000), kThere = Endpoint::v4(10, 0, 0, 2, 40'000);
const Endpoint kLoopHere = Endpoint::v4(127, 0, 0, 1, 5000), kLoopThere = Endpoint::v4(127, 0, 0, 1, 40'000);

SocketBuilder near(NetnsId netns = kHostNetns) {
  return a_socket().local(kHere).remote(kThere).netns(netns);
}
SocketBuilder far(NetnsId netns = kHostNetns) {
  return a_socket().local(kThere).remote(kHere).netns(netns);
}

/// Index of the other end of the first row, -1 if there is none.
int other_end_of_first(const SamplePtr& sample) {
  const SocketRow* found = Connections(*sample).other_end(sample->sockets[0]);
  return found == nullptr ? -1 : static_cast<int>(found - sample->sockets.data());
}

TEST(Connections, ends_mirror_each_other) {
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(far())), 1);
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(a_socket().local(kThere).remote(kThere))), -1);
  EXPECT_EQ(other_end_of_first(a_sample().add(a_socket().local(kHere).remote(kHere))), -1) << "connected to itself";
}

TEST(Connections, the_same_namespace_comes_first) {
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(far(7)).add(far()).add(far(8))), 2);
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(far(7))), 1) << "a veth pair between two namespaces";
}

TEST(Connections, what_is_not_sure_is_not_said) {
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(far(7)).add(far(8))), -1) << "which of the two?";
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(near(9)).add(far(7))), -1) << "it may be the twin's";
  SocketBuilder loop = a_socket().local(kLoopHere).remote(kLoopThere);
  SocketBuilder elsewhere = a_socket().local(kLoopThere).remote(kLoopHere).netns(7);
  EXPECT_EQ(other_end_of_first(a_sample().add(loop).add(elsewhere)), -1) << "loopback never leaves its namespace";
  EXPECT_EQ(other_end_of_first(a_sample().add(loop).add(elsewhere.netns(kHostNetns))), 1);
}

TEST(Connections, a_full_socket_counts_before_its_request) {
  SocketRow request = far().set([](SocketRow& row) { row.kind = SocketKind::request; });
  EXPECT_EQ(other_end_of_first(a_sample().add(near()).add(request).add(far())), 2);
}

TEST(Connections, queues_know_their_sockets) {
  SamplePtr sample = a_sample().add(near()).add(far()).add(a_user_queue().of(near())).add(a_user_queue().of(near(7)));
  Connections connections(*sample);
  EXPECT_EQ(connections.row_of(sample->user_queues[0]), &sample->sockets[0]);
  EXPECT_EQ(connections.other_end(sample->user_queues[0]), &sample->sockets[1]);
  EXPECT_EQ(connections.queue_of(sample->sockets[0]), &sample->user_queues[0]);
  EXPECT_EQ(connections.queue_of(sample->sockets[1]), nullptr);
  EXPECT_EQ(connections.row_of(sample->user_queues[1]), nullptr);
  EXPECT_EQ(connections.other_end(sample->user_queues[1]), nullptr) << "the end in the host's namespace is its twin's";
}

TEST(Connections, rows_by_owner_and_state) {
  SamplePtr sample = a_sample()
                         .add(a_socket().close_wait().pid(7, "api"))
                         .add(a_socket().close_wait().pid(8, "db"))
                         .add(a_socket().fin_wait_2().pid(7, "api"))
                         .add(a_socket().close_wait().holder(Holder::unknown))
                         .add(a_socket().close_wait().holder(Holder::orphan))
                         .add(a_socket().close_wait().pid(7, "api").netns(9))
                         .add(a_process(8, "db"));
  Connections connections(*sample);
  EXPECT_EQ(connections.in_state(TcpState::close_wait).size(), 5u);
  Rows held = connections.held({.pid = 7, .netns = 0}, TcpState::close_wait);
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0], &sample->sockets[0]);
  EXPECT_EQ(held[1], &sample->sockets[5]);
  EXPECT_EQ(connections.held({.pid = {}, .netns = kHostNetns}, TcpState::close_wait).size(), 1u) << "not the orphan";
  EXPECT_TRUE(connections.held({.pid = 7, .netns = 0}, TcpState::established).empty());
  EXPECT_EQ(connections.owner(8), &sample->owners[0]);
  EXPECT_EQ(connections.owner(7), nullptr);
}

TEST(Connections, listeners_by_port) {
  SamplePtr sample = a_sample().add(a_socket().listen(80, 0, 1)).add(a_socket().listen(81, 0, 1).netns(7)).add(near());
  Connections connections(*sample);
  ASSERT_EQ(connections.listeners(kHostNetns, 80).size(), 1u);
  EXPECT_EQ(connections.listeners(kHostNetns, 80)[0], &sample->sockets[0]);
  EXPECT_TRUE(connections.listeners(kHostNetns, 81).empty());
  EXPECT_EQ(connections.listeners(7, 81).size(), 1u);
  EXPECT_EQ(connections.by_ends().size(), 1u) << "listeners are no connections";
}

TEST(Connections, ports_and_children) {
  SamplePtr sample =
      a_sample().add(a_process(9, "web")).add(a_process(8, "web")).add(a_process(7, "web")).set([](Sample& one) {
        one.owners[0].parent = one.owners[1].parent = 7;
        for (std::uint16_t port : {443, 80}) {
          one.ports.emplace_back().netns = kHostNetns;
          one.ports.back().port = port;
        }
      });
  Connections connections(*sample);
  EXPECT_EQ(connections.port(kHostNetns, 80), &sample->ports[1]);
  EXPECT_EQ(connections.port(kHostNetns, 81), nullptr);
  EXPECT_EQ(connections.port(7, 80), nullptr);
  ASSERT_EQ(connections.children(7).size(), 2u);
  EXPECT_EQ(connections.children(7)[0]->pid, 8) << "by pid";
  EXPECT_TRUE(connections.children(8).empty());
}

}  // namespace
}  // namespace tcpadvisor::connections_test
