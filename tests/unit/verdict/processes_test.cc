// SPDX-License-Identifier: Apache-2.0
// What the state of a process explains: the findings of other rules about it, and about those who wait for it.
#include <gmock/gmock.h>

#include <algorithm>

#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::processes_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

const Finding* with_id(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.findings, id, &Finding::id);
  return found == verdict.findings.end() ? nullptr : &*found;
}

Verdict judged(const std::function<void(SampleBuilder&, std::size_t)>& fill) {
  return judge(a_window(12, fill), *Policy::named("lab"));
}

/// A full accept queue that drops.
void full_queue(SampleBuilder& sample, std::size_t i) {
  sample.add(a_socket().listen(8443, 9, 8).pid(7, "api").drops(10 * i));
  sample.counter("TcpExt.ListenOverflows", 10 * i);
}

void expect_explained(const Verdict& verdict, std::string_view effect, std::string_view cause) {
  const Finding* what = with_id(verdict, effect);
  const Finding* why = with_id(verdict, cause);
  ASSERT_TRUE(what && why) << effect << " by " << cause;
  EXPECT_EQ(what->cause, why->instance);
  EXPECT_EQ(what->severity, Severity::info) << effect;
  for (const std::string& step : what->recommendation.steps) EXPECT_THAT(step, Not(HasSubstr("gdb")));
}

TEST(ProcessCauses, a_stopped_server_is_why_its_queue_is_full_and_its_buffers_unread) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "api").state(ProcessState::stopped));
    full_queue(sample, i);
    sample.add(a_socket().cookie(2).recv_q(90'000).rcvbuf(131'072, 131'072).pid(7, "api"));
  });
  expect_explained(verdict, "accept-queue-app-slow", "process-stopped");
  expect_explained(verdict, "reader-too-slow", "process-stopped");
  EXPECT_EQ(verdict.findings.front().id, "process-stopped");
  EXPECT_EQ(exit_code(verdict), 11);
}

TEST(ProcessCauses, a_stopped_server_is_why_it_does_not_close_and_its_clients_wait) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t) {
    sample.add(a_process(7, "api").close_wait(20, 20).state(ProcessState::frozen));
    sample.add(a_process(8, "cli").fin_wait_2(20, 20));
    for (std::uint16_t k = 0; k < 20; ++k) {
      SocketRow server = a_socket().close_wait().age(70s).cookie(100u + k).pid(7, "api");
      SocketRow client = a_socket().fin_wait_2().age(70s).cookie(200u + k).pid(8, "cli");
      server.local = client.remote = Endpoint::v4(127, 0, 0, 1, 8443);
      server.remote = client.local = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(40'000 + k));
      sample.add(server).add(client);
    }
  });
  expect_explained(verdict, "close-wait-leak", "process-stopped");
  expect_explained(verdict, "fin-wait2-app-held", "process-stopped");
}

TEST(ProcessCauses, a_full_queue_at_the_descriptor_limit_is_not_a_slow_program) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "api").fds(64, 64));
    full_queue(sample, i);
  });
  expect_explained(verdict, "accept-queue-app-slow", "fd-limit-reached");
  EXPECT_EQ(with_id(verdict, "accept-queue-app-slow")->recommendation.text,
            "Give api[7] descriptors first (see fd-limit-reached): accept() fails for want of one.");
}

TEST(ProcessCauses, a_limit_that_is_only_near_explains_nothing) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "api").fds(950, 1024));
    full_queue(sample, i);
  });
  ASSERT_TRUE(with_id(verdict, "accept-queue-app-slow"));
  EXPECT_EQ(with_id(verdict, "accept-queue-app-slow")->severity, Severity::critical);
  EXPECT_EQ(with_id(verdict, "fd-limit-reached")->severity, Severity::info);
}

TEST(ProcessCauses, a_leak_is_why_the_limit_is_reached_if_it_has_most_of_the_descriptors) {
  auto with_leak = [](std::uint32_t leaked) {
    return judged([leaked](SampleBuilder& sample, std::size_t) {
      sample.add(a_process(7, "api").fds(64, 64).close_wait(leaked, leaked));
      sample.add(leaked, a_socket().close_wait().age(70s).pid(7, "api"));
      sample.add(a_socket().listen(8443, 5, 128).pid(7, "api").drops(0));
    });
  };
  Verdict most = with_leak(40);
  EXPECT_EQ(with_id(most, "fd-limit-reached")->cause, with_id(most, "close-wait-leak")->instance);
  EXPECT_THAT(with_id(most, "fd-limit-reached")->recommendation.text, HasSubstr("A higher limit only buys time"));
  Verdict some = with_leak(20);
  EXPECT_EQ(with_id(some, "fd-limit-reached")->cause, "");
}

/// A sender with 3.8 MB that its peer on this host does not take.
void stuck_pair(SampleBuilder& sample, ProcessState reader_state, Pid reader_pid = 12) {
  const auto port = static_cast<std::uint16_t>(40'000 - 12 + reader_pid);
  SocketRow sender = a_socket().cookie(2 * reader_pid - 23).close_wait().send_q(3'800'000).pid(5, "tower");
  sender.snd_wnd = 0;
  sender.timer = Timer::persist;
  sender.bytes_acked = 70'000;
  sender.remote = Endpoint::v4(10, 0, 0, 2, port);
  SocketRow reader = a_socket().fin_wait_2().cookie(2 * reader_pid - 22).recv_q(90'000).rcvbuf(131'072, 131'072);
  reader.holder = Holder::process;
  reader.owner = Owner{.pid = reader_pid, .comm = "browser", .fd = 7};
  reader.local = sender.remote;
  reader.remote = Endpoint::v4(10, 0, 0, 1, 8443);
  sample.add(sender).add(reader).add(a_process(reader_pid, "browser").state(reader_state));
  if (reader_pid == 12) sample.add(a_process(5, "tower"));
}

TEST(ProcessCauses, a_reader_on_this_host_is_who_has_to_act) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t) { stuck_pair(sample, ProcessState::running); });
  expect_explained(verdict, "peer-not-reading", "reader-too-slow");
  EXPECT_EQ(with_id(verdict, "reader-too-slow")->scope.pid, 12u);
  EXPECT_EQ(with_id(verdict, "reader-too-slow")->severity, Severity::warning);
}

TEST(ProcessCauses, workers_that_have_a_part_each_are_together_who_has_to_act) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t) {
    for (Pid worker : {12, 13, 14}) stuck_pair(sample, ProcessState::running, worker);
  });
  EXPECT_EQ(std::ranges::count(verdict.findings, "reader-too-slow", &Finding::id), 3);
  const Finding* waits = with_id(verdict, "peer-not-reading");
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->severity, Severity::info);
  EXPECT_NE(waits->cause, "");
}

TEST(ProcessCauses, a_reader_that_is_stopped_explains_both) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t) { stuck_pair(sample, ProcessState::stopped); });
  expect_explained(verdict, "peer-not-reading", "process-stopped");
  expect_explained(verdict, "reader-too-slow", "process-stopped");
}

/// A client that gives up on the full queue of a server that has no descriptor left, because of a leak or not.
Verdict chain_of_three(bool leaks) {
  return judged([leaks](SampleBuilder& sample, std::size_t i) {
    const std::uint32_t leaked = leaks ? 40 : 0;
    sample.add(a_process(7, "api").fds(64, 64).close_wait(leaked, leaked));
    sample.add(leaked, a_socket().close_wait().age(70s).pid(7, "api"), 500);
    full_queue(sample, i);
    sample.add(FailedConnects{build::kHostNetns, 42, "client", Endpoint::v4(127, 0, 0, 1, 8443), ConnectEnd::given_up,
                              9, 100, 1'000});
  });
}

TEST(ProcessCauses, all_of_a_chain_is_linked_to_its_end) {
  Verdict verdict = chain_of_three(false);
  expect_explained(verdict, "accept-queue-app-slow", "fd-limit-reached");
  expect_explained(verdict, "connects-fail", "fd-limit-reached");
  EXPECT_THAT(with_id(verdict, "connects-fail")->confidence_why,
              HasSubstr("behind that is fd-limit-reached of api[7]"));
  EXPECT_EQ(with_id(verdict, "fd-limit-reached")->cause, "");
  EXPECT_EQ(with_id(verdict, "fd-limit-reached")->severity, Severity::critical);

  Verdict longer = chain_of_three(true);
  expect_explained(longer, "accept-queue-app-slow", "close-wait-leak");
  expect_explained(longer, "connects-fail", "close-wait-leak");
  EXPECT_EQ(with_id(longer, "fd-limit-reached")->cause, with_id(longer, "close-wait-leak")->instance);
  EXPECT_NE(with_id(longer, "close-wait-leak")->severity, Severity::info);
}

TEST(ProcessCauses, a_reader_without_a_descriptor_explains_in_plain_words) {
  Verdict verdict = judged([](SampleBuilder& sample, std::size_t) {
    stuck_pair(sample, ProcessState::running);
    sample.set([](Sample& s) {
      SocketRow& reader = s.sockets.back();
      reader.owner.reset();
      reader.holder = Holder::no_descriptor;
      reader.last_user = LastUser{.pid = 12, .comm = "broker"};
    });
  });
  expect_explained(verdict, "peer-not-reading", "reader-too-slow");
  EXPECT_THAT(with_id(verdict, "peer-not-reading")->confidence_why,
              HasSubstr("broker[12], which has no descriptor left, on this host, does not read"));
  EXPECT_THAT(with_id(verdict, "reader-too-slow")->meaning, HasSubstr("SCM_RIGHTS")) << "the verdict says it";
}

}  // namespace
}  // namespace tcpadvisor::processes_test
