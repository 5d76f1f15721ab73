// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::stuck_senders_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

struct Sender {
  TcpState state = TcpState::established;
  std::uint64_t send_q = 3'800'000, acked_per_look = 0;
  std::optional<std::uint32_t> peer_window = 0;
  Timer timer = Timer::persist;
  const char* comm = "tower";
};

SocketRow row_of(const Sender& sender, std::size_t i) {
  SocketRow row = a_socket().state(sender.state).send_q(sender.send_q).pid(5, sender.comm);
  row.bytes_acked = 70'000 + sender.acked_per_look * i;
  row.snd_wnd = sender.peer_window;
  row.timer = sender.timer;
  row.not_sent = sender.send_q;
  return row;
}

Window sending(const Sender& sender, std::uint64_t rss_growth = 0) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(5, sender.comm).rss((50 << 20) + rss_growth * i));
    sample.add(row_of(sender, i));
  });
}

TEST(PeerNotReading, fires_for_a_closed_window_and_names_both_ends) {
  auto finding = only_finding(judged("peer-not-reading", sending({}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->finding_class, FindingClass::peer);
  EXPECT_EQ(finding->scope.pid, 5u);
  EXPECT_EQ(finding->scope.remote, "10.0.0.2:40000");
  EXPECT_THAT(finding->title, HasSubstr("10.0.0.2:40000 does not read: 3.6 MiB of tower[5] wait in Send-Q"));
  EXPECT_EQ(value_of(*finding, "stuck_for"), 7);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
}

TEST(PeerNotReading, fires_after_the_peer_has_shut_down_its_half) {
  auto finding = only_finding(judged("peer-not-reading", sending({.state = TcpState::close_wait}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("shut down its own sending half"));
}

TEST(PeerNotReading, a_path_that_does_not_answer_is_another_matter_and_not_fine) {
  auto sent_again = [](std::uint8_t backoff) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
      SocketRow row = row_of({.peer_window = 65'536, .timer = Timer::retransmit}, i);
      row.backoff = backoff;
      sample.add(row);
    });
  };
  expect_unknown(judged("peer-not-reading", sent_again(2), lab()), "1 socket stands still");
  expect_fine(judged("peer-not-reading", sent_again(4), lab()));
  EXPECT_TRUE(only_finding(judged("send-queue-dead-peers", sent_again(4), lab())));
  expect_fine(judged("peer-not-reading", sent_again(0), lab()));
}

TEST(PeerNotReading, a_few_bytes_are_told_without_alarm) {
  auto finding = only_finding(judged("peer-not-reading", sending({.send_q = 300}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
}

TEST(PeerNotReading, what_moves_is_read_however_slowly) {
  expect_fine(judged("peer-not-reading", sending({.acked_per_look = 1'000}), lab()));
}

TEST(PeerNotReading, an_open_window_is_another_story) {
  expect_fine(judged("peer-not-reading", sending({.peer_window = 65'535, .timer = Timer::retransmit}), lab()));
}

TEST(PeerNotReading, an_empty_send_queue_waits_for_nobody) {
  expect_fine(judged("peer-not-reading", sending({.send_q = 0}), lab()));
}

TEST(PeerNotReading, clears_when_the_peer_reads_again) {
  Window window = a_window(12, [](SampleBuilder& sample, std::size_t i) {
    Sender sender;
    if (i >= 11) sender.send_q = 1'000'000;
    SocketRow row = row_of(sender, i);
    if (i >= 11) row.bytes_acked = 2'870'000;
    sample.add(row);
  });
  expect_fine(judged("peer-not-reading", window, lab()));
}

TEST(PeerNotReading, is_not_assessed_where_windows_are_not_shown) {
  expect_unknown(judged("peer-not-reading", sending({.peer_window = {}, .timer = Timer::none}), lab()),
                 "does not show the peers' windows");
  Window brief = a_window(2, [](SampleBuilder& sample, std::size_t i) { sample.add(row_of({}, i)); });
  expect_unknown(judged("peer-not-reading", brief, lab()), "observe for");
}

TEST(PeerNotReading, what_the_program_has_closed_is_told_apart) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    SocketRow row = row_of({.state = TcpState::fin_wait_1}, i);
    row.holder = Holder::orphan;
    row.owner.reset();
    row.inode = 0;
    sample.add(row);
  });
  auto finding = only_finding(judged("peer-not-reading", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_THAT(finding->title, HasSubstr("that the program has closed"));
}

TEST(PeerNotReading, the_process_at_the_other_end_is_named_if_it_is_here) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(row_of({}, i));
    SocketRow far = a_socket().cookie(2).pid(12, "browser").recv_q(70'000);
    far.local = Endpoint::v4(10, 0, 0, 2, 40'000);
    far.remote = Endpoint::v4(10, 0, 0, 1, 8443);
    sample.add(far);
  });
  auto finding = only_finding(judged("peer-not-reading", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("browser[12] does not read"));
}

TEST(PeerNotReading, who_cannot_send_is_no_leak) {
  auto close_wait = [](std::uint32_t peer_window) {
    return a_window(8, [peer_window](SampleBuilder& sample, std::size_t i) {
      SocketRow row = row_of({.state = TcpState::close_wait, .peer_window = peer_window, .timer = Timer::none}, i);
      row.state_age_ms = 70'000;
      sample.add(20, row).add(a_process(5, "tower").close_wait(20, 20));
    });
  };
  expect_fine(judged("close-wait-leak", close_wait(0), lab()));
  EXPECT_TRUE(only_finding(judged("peer-not-reading", close_wait(0), lab())));
  EXPECT_TRUE(only_finding(judged("close-wait-leak", close_wait(65'535), lab())));
}

TEST(HiddenUserQueue, fires_when_memory_grows_behind_a_full_send_queue) {
  auto finding = only_finding(judged("hidden-user-queue", sending({.comm = "redis-server"}, 1 << 20), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 5u);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_EQ(value_of(*finding, "rss_growth"), 7 << 20);
  EXPECT_THAT(finding->title, HasSubstr("60 MiB per minute"));
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("client-output-buffer-limit"));
  auto other = only_finding(judged("hidden-user-queue", sending({}, 1 << 20), lab()));
  ASSERT_TRUE(other);
  EXPECT_THAT(other->recommendation.steps.front(), Not(HasSubstr("client-output-buffer-limit")));
}

TEST(HiddenUserQueue, needs_growth_that_matters_and_goes_on) {
  expect_fine(judged("hidden-user-queue", sending({}, 50'000), lab()));
  Window once = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(5, "tower").rss(i < 2 ? 50u << 20 : 80u << 20)).add(row_of({}, i));
  });
  expect_fine(judged("hidden-user-queue", once, lab()));
}

TEST(HiddenUserQueue, needs_a_peer_that_does_not_read) {
  expect_fine(judged("hidden-user-queue", sending({.acked_per_look = 1'000'000}, 1 << 20), lab()));
}

TEST(HiddenUserQueue, a_published_queue_is_not_hidden) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    SocketRow row = row_of({}, i);
    sample.add(a_process(5, "tower").rss((50u << 20) + (i << 20))).add(row).add(build::a_user_queue().of(row));
  });
  expect_fine(judged("hidden-user-queue", window, lab()));
}

TEST(HiddenUserQueue, is_not_assessed_without_the_memory_of_the_process) {
  Window window =
      a_window(8, [](SampleBuilder& sample, std::size_t i) { sample.add(a_process(5, "tower")).add(row_of({}, i)); });
  expect_unknown(judged("hidden-user-queue", window, lab()), "the memory of 1 sender");
}

TEST(ReaderTooSlow, says_how_fast_it_reads_if_it_reads) {
  auto reading = [](std::uint64_t per_look) {
    return a_window(8, [per_look](SampleBuilder& sample, std::size_t i) {
      SocketRow row = a_socket().recv_q(90'000).rcvbuf(131'072, 131'072).pid(5, "slow");
      row.bytes_received = 200'000 + per_look * i;
      sample.add(row);
    });
  };
  auto slow = only_finding(judged("reader-too-slow", reading(102'400), lab()));
  ASSERT_TRUE(slow);
  EXPECT_THAT(slow->title, HasSubstr("slow[5] reads 100 KiB/s, too slowly for its sender: 87.9 KiB unread"));
  EXPECT_EQ(value_of(*slow, "read_rate"), 102'400);
  auto none = only_finding(judged("reader-too-slow", reading(0), lab()));
  ASSERT_TRUE(none);
  EXPECT_THAT(none->title, HasSubstr("slow[5] does not read"));
}

TEST(ReaderTooSlow, a_client_with_a_steady_pace_limits_itself) {
  auto reading = [](bool steady, bool accepted) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
      SocketRow row = a_socket().recv_q(90'000).rcvbuf(131'072, 131'072).pid(5, "wget");
      row.bytes_received = 200'000 + 200'000 * i + (steady ? 20'000 * (i % 2) : 150'000 * (i % 2));
      sample.add(row);
      if (accepted) sample.add(a_socket().cookie(77).listen(row.local.port, 0, 128).pid(5, "wget").drops(0));
    });
  };
  auto finding = only_finding(judged("reader-too-slow", reading(true, false), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->confidence_why, HasSubstr("at a steady pace"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Nothing, if it limits its rate on purpose."));
  for (const Window& window : {reading(false, false), reading(true, true)}) {
    auto slow = only_finding(judged("reader-too-slow", window, lab()));
    ASSERT_TRUE(slow);
    EXPECT_EQ(slow->severity, Severity::warning);
  }
}

TEST(ReaderTooSlow, a_process_that_has_shut_down_its_half_still_has_to_read) {
  auto half_closed = [](Holder holder) {
    return a_window(8, [holder](SampleBuilder& sample, std::size_t) {
      SocketRow row = a_socket().fin_wait_2().recv_q(90'000).rcvbuf(131'072, 131'072).pid(5, "browser");
      if (holder == Holder::orphan) {
        row.holder = holder;
        row.owner.reset();
        row.inode = 0;
      }
      sample.add(row);
    });
  };
  EXPECT_TRUE(only_finding(judged("reader-too-slow", half_closed(Holder::process), lab())));
  expect_fine(judged("reader-too-slow", half_closed(Holder::orphan), lab()));
}

}  // namespace
}  // namespace tcpadvisor::stuck_senders_test
