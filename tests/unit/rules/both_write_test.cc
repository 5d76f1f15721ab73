// SPDX-License-Identifier: Apache-2.0
// Both ends of a connection write and neither reads: whoever asks has to read the answers.
#include "tests/unit/expect.h"

namespace tcpadvisor::both_write_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

SocketRow stuck_both_ways(Pid pid, const char* comm) {
  SocketRow row = a_socket().pid(pid, comm).recv_q(300'000).rcvbuf(400'000, 390'000).send_q(900'000);
  row.snd_wnd = 0;
  row.timer = Timer::persist;
  row.bytes_acked = 50'000;
  return row;
}

/// The server's end of it: its port is one on which it listens.
void server(SampleBuilder& sample, bool listens = true) {
  sample.add(a_process(9, "memcached")).add(stuck_both_ways(9, "memcached"));
  if (listens) sample.add(a_socket().cookie(77).listen(8443, 0, 128).pid(9, "memcached").drops(0));
}

TEST(BothWrite, a_server_that_waits_for_its_answers_to_be_read_is_not_accused) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) { server(sample); });
  auto reader = only_finding(judged("reader-too-slow", window, lab()));
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->severity, Severity::info);
  EXPECT_EQ(reader->finding_class, FindingClass::peer);
  EXPECT_EQ(reader->recommendation.kind, RecommendationKind::peer);
  EXPECT_THAT(reader->title, HasSubstr("memcached[9] reads no more before 10.0.0.2:40000 takes its answers"));
  auto sender = only_finding(judged("peer-not-reading", window, lab()));
  ASSERT_TRUE(sender);
  EXPECT_EQ(sender->severity, Severity::warning);
}

TEST(BothWrite, who_asks_and_does_not_read_is) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) { server(sample, false); });
  auto reader = only_finding(judged("reader-too-slow", window, lab()));
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->severity, Severity::warning);
  EXPECT_THAT(reader->meaning, HasSubstr("Each of the two waits"));
  EXPECT_THAT(reader->recommendation.text, HasSubstr("read the answers while it sends"));
  auto sender = only_finding(judged("peer-not-reading", window, lab()));
  ASSERT_TRUE(sender);
  EXPECT_EQ(sender->severity, Severity::info);
  EXPECT_THAT(sender->confidence_why, HasSubstr("does not read what the peer answers"));
}

/// Both ends on this host; `read` bytes were read by the end that was connected to.
Window both_here(std::uint64_t read) {
  return a_window(8, [read](SampleBuilder& sample, std::size_t) {
    SocketRow left = stuck_both_ways(9, "left");
    left.bytes_received = left.recv_q + read;
    SocketRow right = stuck_both_ways(8, "right");
    right.cookie = 2;
    right.local = left.remote;
    right.remote = left.local;
    right.bytes_received = right.recv_q + 1;
    sample.add(a_process(9, "left")).add(a_process(8, "right")).add(left).add(right);
    sample.add(a_socket().cookie(77).listen(8443, 0, 128).pid(9, "left").drops(0));
  });
}

TEST(BothWrite, if_neither_has_ever_read_both_owe_the_read) {
  Outcome outcome = judged("reader-too-slow", both_here(0), lab());
  ASSERT_EQ(outcome.findings.size(), 2u);
  for (const Finding& finding : outcome.findings) {
    EXPECT_EQ(finding.severity, Severity::warning);
    EXPECT_THAT(finding.title, HasSubstr("both write and neither reads"));
    for (const char* who : {"left[9]", "right[8]"}) {
      EXPECT_THAT(finding.title, HasSubstr(who));
      EXPECT_THAT(finding.recommendation.text, HasSubstr(who));
    }
    EXPECT_THAT(finding.meaning, HasSubstr("owes the read as much"));
  }
}

TEST(BothWrite, a_server_that_has_read_may_be_answering_and_both_are_named) {
  Outcome outcome = judged("reader-too-slow", both_here(20), lab());
  ASSERT_EQ(outcome.findings.size(), 2u);
  const Finding& right = outcome.findings[0];
  EXPECT_EQ(right.severity, Severity::warning);
  EXPECT_EQ(right.scope.pid, 8u);
  EXPECT_THAT(right.title, HasSubstr("right[8] and left[9] both write"));
  EXPECT_THAT(right.meaning, HasSubstr("If left[9] answers what right[8] asks"));
  EXPECT_EQ(outcome.findings[1].severity, Severity::info);
}

TEST(BothWrite, a_server_that_does_not_read_and_can_send_is_accused) {
  auto with = [](std::uint64_t send_q, std::uint32_t peer_window) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t) {
      SocketRow row = stuck_both_ways(9, "api");
      row.send_q = send_q;
      row.snd_wnd = peer_window;
      row.timer = Timer::none;
      sample.add(a_process(9, "api")).add(row);
      sample.add(a_socket().cookie(77).listen(8443, 0, 128).pid(9, "api").drops(0));
    });
  };
  for (const Window& window : {with(0, 0), with(5'000, 60'000)}) {
    auto reader = only_finding(judged("reader-too-slow", window, lab()));
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->severity, Severity::warning);
    EXPECT_THAT(reader->meaning, Not(HasSubstr("Each of the two")));
  }
}

TEST(BothWrite, the_sockets_that_only_do_not_read_are_a_finding_of_their_own) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    server(sample);
    SocketRow upload = a_socket().cookie(2).pid(9, "memcached").recv_q(300'000).rcvbuf(400'000, 390'000);
    upload.remote.port = 40'001;
    sample.add(upload);
  });
  Outcome outcome = judged("reader-too-slow", window, lab());
  ASSERT_EQ(outcome.findings.size(), 2u);
  EXPECT_EQ(outcome.findings[0].severity, Severity::warning);
  EXPECT_EQ(outcome.findings[1].severity, Severity::info);
  EXPECT_NE(outcome.findings[0].topic, outcome.findings[1].topic);
}

TEST(PeerNotReading, says_of_a_reader_on_this_host_that_it_is_slow) {
  auto with = [](std::uint64_t read_per_look) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
      SocketRow here = stuck_both_ways(5, "files");
      here.recv_q = 0;
      SocketRow far = a_socket().cookie(2).pid(6, "curl").recv_q(500'000).local(here.remote).remote(here.local);
      far.bytes_received = 1'000'000 + read_per_look * i;
      sample.add(a_process(5, "files")).add(a_process(6, "curl")).add(here).add(far);
    });
  };
  auto slow = only_finding(judged("peer-not-reading", with(50'000), lab()));
  ASSERT_TRUE(slow);
  EXPECT_THAT(slow->title, HasSubstr("curl[6] reads too slowly"));
  auto none = only_finding(judged("peer-not-reading", with(0), lab()));
  ASSERT_TRUE(none);
  EXPECT_THAT(none->title, HasSubstr("curl[6] does not read"));
}

}  // namespace
}  // namespace tcpadvisor::both_write_test
