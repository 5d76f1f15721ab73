// SPDX-License-Identifier: Apache-2.0
// Sockets that a child keeps open because whoever started it did not open them close-on-exec.
#include "tests/unit/expect.h"

namespace tcpadvisor::inherited_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

OwnerTotals child(std::string comm, Pid parent) {
  OwnerTotals out = a_process(50, std::move(comm)).close_wait(20, 20);
  out.parent = parent;
  return out;
}

/// Twenty CLOSE_WAIT sockets that came to app[42] and that its child 50 holds.
Outcome held_by(const std::string& comm, Pid parent, std::optional<LastUser> user) {
  Window window = a_window(6, [&](SampleBuilder& sample, std::size_t) {
    SocketRow row = a_socket().close_wait().age(30s).pid(50, comm).set([&](SocketRow& r) { r.last_user = user; });
    sample.add(child(comm, parent)).add(20, row);
    sample.add(a_socket().cookie(7).listen(8443, 0, 64).pid(42, "app"));
  });
  return judged("close-wait-leak", window, lab());
}

TEST(Inherited, the_one_that_used_and_closed_them_is_the_one_to_mend) {
  auto finding = only_finding(held_by("sleep", 42, LastUser{42, "app"}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 50u) << "who holds them is true all the same";
  EXPECT_THAT(finding->title, HasSubstr("that it inherited: app[42] used and closed them"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Fix app[42]: open sockets close-on-exec"));
}

TEST(Inherited, where_nobody_was_seen_to_use_them_it_is_said_as_a_possibility) {
  auto finding = only_finding(held_by("sleep", 42, std::nullopt));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("sleep[50] does not close 20 sockets"));
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(testing::PrintToString(finding->recommendation.steps), HasSubstr("inherited them from app[42]"));
}

TEST(Inherited, a_forked_worker_a_stranger_and_one_that_used_them_itself_have_only_themselves_to_blame) {
  for (const Outcome& outcome : {held_by("app", 42, LastUser{42, "app"}), held_by("worker", 9, LastUser{42, "app"}),
                                 held_by("worker", 42, LastUser{50, "worker"}), held_by("app", 42, std::nullopt)}) {
    auto finding = only_finding(outcome);
    ASSERT_TRUE(finding);
    EXPECT_THAT(finding->title, HasSubstr("[50] does not close 20 sockets"));
    EXPECT_THAT(testing::PrintToString(finding->recommendation.steps), Not(HasSubstr("inherited")));
  }
}

}  // namespace
}  // namespace tcpadvisor::inherited_test
