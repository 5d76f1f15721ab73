// SPDX-License-Identifier: Apache-2.0
// Sockets without a process that we see: every rule that names a holder says why, and who used them last.
#include "advisor/rules/holder.h"

#include "tests/unit/expect.h"

namespace tcpadvisor::holder_test {
namespace {

using namespace std::chrono_literals;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

SocketRow unheld(SocketRow row, Holder holder = Holder::no_descriptor, LastUser user = {12, "broker"}) {
  row.owner.reset();
  row.holder = holder;
  if (!user.comm.empty()) row.last_user = user;
  return row;
}

std::string who(const std::vector<SocketRow>& rows) {
  std::vector<const SocketRow*> pointers;
  for (const SocketRow& row : rows) pointers.push_back(&row);
  Scope scope;
  name_holder(scope, pointers);
  EXPECT_EQ(scope.kind, rows.front().owner ? ScopeKind::process : ScopeKind::netns);
  return process_text(scope);
}

TEST(HolderWords, say_who_answers) {
  const SocketRow row = a_socket().pid(7, "api");
  EXPECT_EQ(who({row}), "api[7]");
  EXPECT_EQ(who({unheld(row)}), "broker[12], which has no descriptor left,");
  EXPECT_EQ(who({unheld(row), unheld(row, Holder::no_descriptor, {13, "tmux: server"})}),
            "broker[12], tmux: server[13], which have no descriptor left,");
  EXPECT_EQ(who({unheld(row, Holder::no_descriptor, {13, "tmux: server"})}),
            "tmux: server[13], which has no descriptor left,");
  EXPECT_EQ(who({unheld(row, Holder::no_descriptor, {})}), "a program that has passed its descriptor on");
  EXPECT_EQ(who({unheld(row, Holder::outside, {0, "nginx"})}), "nginx, outside this container,");
  EXPECT_EQ(who({unheld(row, Holder::outside, {})}), "a process outside this container");
  EXPECT_EQ(who({unheld(row, Holder::unknown, {})}), "a process that we cannot see");
}

TEST(HolderWords, most_of_the_sockets_decide_and_names_are_few) {
  const SocketRow row = a_socket().pid(7, "api");
  const SocketRow unseen = unheld(row, Holder::process, {});
  EXPECT_EQ(who({unheld(row), unheld(row), unseen}), "broker[12], which has no descriptor left,");
  EXPECT_EQ(who({unheld(row), unseen}), "a process that we cannot see");
  std::vector<SocketRow> many;
  for (Pid pid = 1; pid < 9; ++pid) many.push_back(unheld(row, Holder::no_descriptor, {pid, "w"}));
  EXPECT_EQ(who(many), "w[1], w[2], w[3] and others, which have no descriptor left,");
}

/// One socket of each kind that a rule may name a holder for, in one of the states that such a rule looks at.
struct Case {
  const char* rule;
  SocketRow row;
};
std::vector<Case> cases() {
  SocketRow stuck = a_socket().send_q(3'800'000);
  stuck.snd_wnd = 0;
  stuck.timer = Timer::persist;
  stuck.bytes_acked = 70'000;
  return {{"close-wait-leak", a_socket().close_wait().age(70s)},
          {"fin-wait2-app-held", a_socket().fin_wait_2().age(70s)},
          {"reader-too-slow", a_socket().recv_q(300'000).rcvbuf(400'000, 390'000)},
          {"peer-not-reading", stuck},
          {"listener-never-accepts", a_socket().listen(8080, 3, 2).drops(0)}};
}

std::optional<Finding> said(const Case& one, Holder holder, const LastUser& user) {
  Window window = a_window(12, [&](SampleBuilder& sample, std::size_t) {
    SocketRow row = unheld(one.row, holder, user);
    sample.add(row.state == TcpState::close_wait || row.state == TcpState::fin_wait_2 ? 12 : 1, row);
  });
  Outcome outcome = judged(one.rule, window, lab());
  if (outcome.findings.empty()) return std::nullopt;
  Finding finding = outcome.findings.front();
  fit_to_holder(finding);
  return finding;
}

std::string all_words(const Finding& finding) {
  std::string out =
      finding.title + "\n" + finding.confidence_why + "\n" + finding.meaning + "\n" + finding.recommendation.text;
  for (const std::string& step : finding.recommendation.steps) out += "\n" + step;
  return out;
}

TEST(HolderWords, every_rule_says_that_no_process_has_a_descriptor) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.rule);
    auto finding = said(one, Holder::no_descriptor, {12, "broker"});
    ASSERT_TRUE(finding);
    EXPECT_FALSE(finding->scope.pid);
    EXPECT_EQ(finding->scope.last_users, "broker[12]");
    EXPECT_THAT(finding->title, HasSubstr("broker[12], which has no descriptor left"));
    std::string words = all_words(*finding);
    EXPECT_THAT(words, HasSubstr("SCM_RIGHTS"));
    EXPECT_THAT(words, HasSubstr("who used them last: broker[12]"));
    for (const char* wrong : {"restart", "this process", "cannot see", "not visible", "[0]", "pid=", "gdb"})
      EXPECT_THAT(words, Not(HasSubstr(wrong)));
  }
}

TEST(HolderWords, every_rule_says_that_the_process_is_outside) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.rule);
    auto finding = said(one, Holder::outside, {0, "nginx"});
    ASSERT_TRUE(finding);
    EXPECT_FALSE(finding->scope.pid);
    EXPECT_THAT(finding->title, HasSubstr("nginx, outside this container"));
    std::string words = all_words(*finding);
    EXPECT_THAT(words, HasSubstr("from outside this container"));
    for (const char* wrong : {"restart", "cannot see", "[0]", "pid 0", "pid=0", "/proc/0"})
      EXPECT_THAT(words, Not(HasSubstr(wrong)));
  }
}

TEST(HolderWords, processes_outside_are_not_fine) {
  for (bool outside : {false, true}) {
    Window window = a_window(8, [&](SampleBuilder& sample, std::size_t) {
      sample.add(
          build::a_process(7, "api").sockets(TcpState::established, 1).state(ProcessState::running).fds(9, 1024));
      sample.add(a_socket().cookie(1).pid(7, "api"));
      if (outside) sample.add(unheld(a_socket().cookie(2), Holder::outside));
    });
    for (const char* rule : {"process-stopped", "fd-limit-reached", "closed-socket-fd-leak"}) {
      Outcome outcome = judged(rule, window, lab());
      EXPECT_EQ(outcome.fine_metric.empty(), outside) << rule << ": " << outcome.not_assessed;
      if (outside) {
        EXPECT_THAT(outcome.not_assessed, HasSubstr("1 socket held outside this container"));
      }
    }
  }
}

TEST(HolderWords, a_held_socket_stays_as_it_is) {
  Finding finding;
  finding.scope.pid = 7;
  finding.scope.holder = Holder::outside;
  finding.meaning = "x";
  fit_to_holder(finding);
  EXPECT_EQ(finding.meaning, "x");
  EXPECT_TRUE(finding.recommendation.steps.empty());
  EXPECT_EQ(why_no_pid(finding.scope), "");
}

}  // namespace
}  // namespace tcpadvisor::holder_test
