// SPDX-License-Identifier: Apache-2.0
// No step of any rule stops or ends a process on which others depend: an init, a manager, one of several holders.
#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::safe_steps_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;

/// Every fault that one process can have, all of `pid`.
Window faulty(Pid pid, const std::string& comm, std::uint32_t holders) {
  return a_window(10, [=](SampleBuilder& sample, std::size_t i) {
    auto listener = [&](std::uint64_t cookie, std::uint16_t port, std::uint32_t queue, std::uint64_t drops) {
      sample.add(a_socket().cookie(cookie).listen(port, queue, 64).pid(pid, comm).drops(drops));
    };
    listener(1, 80, 65, 10 * i);
    listener(2, 81, 0, i < 5 ? 0 : 400);
    listener(3, 82, 5, 0);
    listener(4, 83, 20, 0);
    listener(5, 84, 65, 10 * i);
    sample.add(a_socket().cookie(6).listen(84, 0, 64).pid(pid + 900, "sibling").drops(0));
    listener(7, 85, 0, 3 * i);
    sample.counter("TcpExt.ListenOverflows", 20 * i + (i < 5 ? 0 : 400)).counter("TcpExt.TCPMD5NotFound", 3 * i);
    sample.counter("TcpExt.SyncookiesSent", 2'000 * i);
    sample.add(30, a_socket().close_wait().age(49s + 1s * i).pid(pid, comm), 100);
    sample.add(20, a_socket().close_wait().age(49s).holder(Holder::unaccepted).local(Endpoint::v4(0, 0, 0, 0, 83)),
               200);
    sample.add(20, a_socket().fin_wait_2().age(90s).pid(pid, comm), 300);
    sample.add(
        a_process(pid, comm).close_wait(30, 30).fin_wait_2(20, 20).sockets(TcpState::close, 40).memory(1 << 30, 0));
    sample.add(a_socket()
                   .cookie(9)
                   .pid(pid, comm)
                   .recv_q(1'200'000)
                   .rcvbuf(2'000'000, 1'990'000)
                   .remote(Endpoint::v4(10, 0, 0, 7, 99)));
    sample.add(a_socket()
                   .cookie(10)
                   .pid(pid, comm)
                   .locks(true, true)
                   .rcvbuf(131'072, 9'000)
                   .sndbuf(131'072, 130'000)
                   .set([&](SocketRow& row) {
                     row.bytes_received = 4'000'000 * i;
                     row.rcv_rtt_us = 20'000;
                     row.rcv_wnd = 80'480;
                     row.busy_us = 1'000'000 * i;
                     row.sndbuf_limited_us = 410'000 * i;
                   }));
    sample.set([&](Sample& s) {
      s.memory.pages = 420'000;
      s.memory.under_pressure = true;
      for (SocketRow& row : s.sockets) {
        if (!row.owner) continue;
        row.owner->holders = holders;
        for (Pid other = 1; other < holders; ++other)
          row.others.push_back({.pid = 90'000 + other, .comm = comm, .fds = 1});
      }
    });
  });
}

/// All findings before relations take any of them away.
std::vector<Finding> all_findings(const Window& window) {
  std::vector<Finding> out;
  const Policy lab = *Policy::named("lab");
  const Evidence whole(window, lab);
  for (const Rule& rule : all_rules()) {
    const Policy own = lab.of(rule.id);
    std::ranges::move(rule.judge(Evidence(whole, own)).findings, std::back_inserter(out));
  }
  return out;
}

bool disturbs(const std::string& text) {
  static const std::regex word(R"(\b(gdb|perf|strace|kill|pkill|restart|ptrace|bpftrace|SIGKILL)\b)");
  return std::regex_search(text, word);
}

std::set<std::string> that_disturb(const Window& window) {
  std::set<std::string> out;
  for (const Finding& finding : all_findings(window)) {
    for (const std::string& step : finding.recommendation.steps) {
      if (disturbs(step)) out.insert(finding.id + ": " + step);
    }
  }
  return out;
}

TEST(SafeSteps, a_plain_process_may_be_looked_at_and_restarted) {
  EXPECT_GE(that_disturb(faulty(4242, "payments", 1)).size(), 5u) << "else the tests below prove nothing";
}

TEST(SafeSteps, never_an_init_a_manager_or_one_of_several) {
  EXPECT_THAT(that_disturb(faulty(1, "payments", 1)), testing::IsEmpty()) << "pid 1";
  EXPECT_THAT(that_disturb(faulty(77, "systemd", 1)), testing::IsEmpty()) << "a user's manager";
  EXPECT_THAT(that_disturb(faulty(78, "containerd-shim", 1)), testing::IsEmpty());
  EXPECT_THAT(that_disturb(faulty(4242, "payments", 3)), testing::IsEmpty()) << "one of three holders";
}

TEST(SafeSteps, the_made_up_host_shows_most_rules) {
  std::set<std::string> fired;
  for (const Finding& finding : all_findings(faulty(4242, "payments", 1))) fired.insert(finding.id);
  EXPECT_GE(fired.size(), 11u) << testing::PrintToString(fired);
}

TEST(SafeSteps, no_finding_about_published_queues_disturbs_anybody) {
  for (const Window& window : {build::s1_pending_window(), build::s1_dropped_window(), build::s2_window(),
                               build::s3_window(), build::s4_window()}) {
    EXPECT_THAT(that_disturb(window), testing::IsEmpty());
  }
}

}  // namespace
}  // namespace tcpadvisor::safe_steps_test
