// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/holders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "agent/collect/join.h"

namespace tcpadvisor::collect::holders_test {
namespace {

using os::Descriptor;
using os::Kin;

/// The owner of a connection that these processes hold, each with descriptor 3.
SocketRow held_by(const std::map<Pid, Kin>& processes, SocketRow row = {}) {
  std::vector<Descriptor> descriptors;
  for (const auto& [pid, kin] : processes) descriptors.push_back({9, pid, 3});
  name_holders(row, descriptors, [&](Pid pid) { return processes.at(pid); });
  return row;
}

SocketRow a_listener() {
  SocketRow row;
  row.state = TcpState::listen;
  return row;
}

TEST(Holders, one_process_needs_no_kin) {
  SocketRow row;
  std::vector<Descriptor> twice = {{9, 40, 3}, {9, 40, 7}};
  name_holders(row, twice, [](Pid) -> Kin { throw std::logic_error("asked"); });
  ASSERT_TRUE(row.owner);
  EXPECT_EQ(*row.owner, (Owner{.pid = 40, .comm = "", .fd = 3, .holders = 1}));
  EXPECT_TRUE(row.others.empty());
}

TEST(Holders, nobody_is_no_owner) {
  SocketRow row;
  name_holders(row, {}, nullptr);
  EXPECT_FALSE(row.owner);
}

TEST(Holders, a_server_that_forks_for_each_connection_only_keeps_it) {
  std::map<Pid, Kin> processes = {{10, {.parent = 1, .started = 5, .program = 7}},
                                  {30, {.parent = 10, .started = 50, .program = 7}}};
  SocketRow row = held_by(processes);
  EXPECT_EQ(row.owner->pid, 30u);
  EXPECT_EQ(row.owner->holders, 2u);
  ASSERT_EQ(row.others.size(), 1u);
  EXPECT_EQ(row.others[0].pid, 10u);
}

TEST(Holders, the_first_child_is_meant_the_later_ones_inherited_it) {
  std::map<Pid, Kin> processes = {{10, {.parent = 1, .started = 5, .program = 7}},
                                  {20, {.parent = 10, .started = 70, .program = 7}},  // pids went round
                                  {30, {.parent = 10, .started = 50, .program = 7}},
                                  {40, {.parent = 10, .started = 60, .program = 7}}};
  EXPECT_EQ(held_by(processes).owner->pid, 30u);
}

TEST(Holders, another_program_inherited_what_was_not_closed_on_exec) {
  std::map<Pid, Kin> processes = {{10, {.parent = 1, .started = 5, .program = 7}},
                                  {30, {.parent = 10, .started = 50, .program = 8}}};
  EXPECT_EQ(held_by(processes).owner->pid, 10u);
}

TEST(Holders, who_used_it_last_is_known_better_than_guessed) {
  std::map<Pid, Kin> processes = {{10, {.parent = 1, .started = 5, .program = 7}},
                                  {30, {.parent = 10, .started = 50, .program = 7}}};
  SocketRow used;
  used.last_user = LastUser{.pid = 10, .comm = "parent"};
  EXPECT_EQ(held_by(processes, used).owner->pid, 10u);
  used.last_user->pid = 99;  // passed it on and has it no longer
  EXPECT_EQ(held_by(processes, used).owner->pid, 30u);
}

TEST(Holders, a_service_and_not_the_init_that_opened_its_listener) {
  std::map<Pid, Kin> processes = {{1, {.parent = 0, .started = 1, .program = 2, .manager = true}},
                                  {50, {.parent = 1, .started = 9, .program = 7}}};
  EXPECT_EQ(held_by(processes, a_listener()).owner->pid, 50u);
  processes.erase(50);
  processes[60] = {.parent = 0, .started = 2, .program = 2, .manager = true};
  EXPECT_EQ(held_by(processes, a_listener()).owner->pid, 1u) << "inits among themselves: the eldest";
}

TEST(Holders, a_listener_belongs_to_the_eldest_of_those_who_share_it) {
  std::map<Pid, Kin> processes = {{12, {.parent = 80, .started = 90, .program = 7}},
                                  {80, {.parent = 1, .started = 50, .program = 7}},
                                  {81, {.parent = 80, .started = 60, .program = 7}}};
  SocketRow row = held_by(processes, a_listener());
  EXPECT_EQ(row.owner->pid, 80u);
  EXPECT_EQ(row.owner->holders, 3u);
}

TEST(Holders, unknown_relations_leave_the_lowest_number) {
  EXPECT_EQ(held_by({{70, {}}, {30, {}}, {31, {}}}).owner->pid, 30u);
}

TEST(Holders, more_than_fit_are_counted) {
  std::map<Pid, Kin> processes;
  for (Pid pid = 1000; pid < 2000; ++pid) processes[pid] = {.parent = 999, .started = pid, .program = 7};
  SocketRow row = held_by(processes);
  EXPECT_EQ(row.owner->holders, 1000u);
  EXPECT_EQ(row.others.size(), kMaxOthers);
}

// ---- with the walks ----

struct Joined : testing::Test {
  std::vector<NetnsReading> readings;
  OwnerEvidence evidence;
  SocketRow row;
  Joined() {
    readings.emplace_back().walk.emplace();
    evidence.walk.emplace();
    row.cookie = 9;
    row.inode = 500;
    row.holder = Holder::process;
  }
  SocketRow joined(Picture* picture = nullptr) {
    OwnerEvidence copy;
    copy.walk = evidence.walk;
    copy.sees_all = evidence.sees_all;
    copy.sees_inside = evidence.sees_inside;
    copy.without_descriptor = evidence.without_descriptor;
    Picture made = join(readings, {row}, std::move(copy), {});
    if (picture != nullptr) *picture = made;
    return made.rows.at(0);
  }
};

TEST_F(Joined, subflows_belong_to_who_holds_the_socket_of_mptcp) {
  row.mptcp = true;
  row.holder = Holder::kernel;
  evidence.walk->by_inode = {{500, 77, 4}};
  SocketRow out = joined();
  ASSERT_TRUE(out.owner);
  EXPECT_EQ(out.owner->pid, 77u);
  EXPECT_EQ(out.holder, Holder::process);
  row.mptcp = false;
  EXPECT_FALSE(joined().owner) << "an inode is no proof for another kind of socket";
}

TEST_F(Joined, the_hooks_numbers_become_ours_in_a_pid_namespace) {
  readings[0].walk->pid_level = 1;
  row.last_user = LastUser{.pid = 5'040, .comm = "app"};
  evidence.walk->by_tgid[5'040] = 40;
  EXPECT_EQ(joined().last_user->pid, 40u);
  row.last_user->pid = 6'000;  // outside
  EXPECT_EQ(joined().last_user->pid, 0u);
  readings[0].walk->pid_level = 0;
  EXPECT_EQ(joined().last_user->pid, 6'000u);
}

TEST_F(Joined, a_file_without_a_descriptor_is_said_when_it_stays_so) {
  evidence.sees_all = true;
  Picture first;
  EXPECT_EQ(joined(&first).holder, Holder::process) << "once may be an accept() between two walks";
  evidence.without_descriptor = &first.without_descriptor;
  EXPECT_EQ(joined().holder, Holder::no_descriptor);
  row.recv_q = 1;
  EXPECT_EQ(joined().holder, Holder::process) << "it moves: another walk may have missed it";
  row.recv_q = 0;
  evidence.sees_all = false;
  EXPECT_EQ(joined().holder, Holder::process) << "somebody whom we cannot see may hold it";
}

TEST_F(Joined, who_holds_what_nobody_here_has_is_outside) {
  readings[0].walk->pid_level = 1;
  evidence.sees_inside = true;
  row.last_user = LastUser{.pid = 6'000, .comm = "app"};
  Picture first;
  EXPECT_EQ(joined(&first).holder, Holder::process) << "once may be an accept() between two walks";
  evidence.without_descriptor = &first.without_descriptor;
  EXPECT_EQ(joined().holder, Holder::outside);
  EXPECT_EQ(joined().last_user->pid, 0u);
  row.recv_q = 1;
  EXPECT_EQ(joined().holder, Holder::outside) << "it may move";
  row.last_user.reset();
  EXPECT_EQ(joined().holder, Holder::outside) << "the hooks need not have seen it";
  evidence.walk->by_tgid[5'040] = 40;
  row.last_user = LastUser{.pid = 5'040, .comm = "app"};
  EXPECT_EQ(joined().holder, Holder::process) << "one of us used it: it may be on its way";
  row.last_user.reset();
  evidence.walk->by_cookie = {{9, 40, 4}};
  EXPECT_EQ(joined().owner->pid, 40u);
}

}  // namespace
}  // namespace tcpadvisor::collect::holders_test
