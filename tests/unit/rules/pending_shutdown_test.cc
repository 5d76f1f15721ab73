// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::pending_shutdown_test {
namespace {

using build::a_stuck_reader;
using build::a_stuck_sender;
using build::a_user_queue;
using build::a_window;
using build::s1_queue;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

TEST(PendingShutdownData, names_the_stalled_peer_and_the_bytes_at_risk) {
  auto finding = only_finding(judged("pending-shutdown-data", build::s1_pending_window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->finding_class, FindingClass::peer);
  EXPECT_EQ(finding->scope.pid, 812u);
  EXPECT_EQ(finding->scope.remote, "127.0.0.1:40000");
  EXPECT_THAT(finding->title, HasSubstr("client[4711] does not read"));
  EXPECT_THAT(finding->meaning, HasSubstr("driver queue 778,763 → Send-Q 130,944 (none sent) → "
                                          "window 0 → Recv-Q 137,845 of client[4711]"));
  EXPECT_EQ(value_of(*finding, "bytes_at_risk"), 778'763);
  EXPECT_EQ(value_of(*finding, "shutdown_pending_for"), 8);
  EXPECT_EQ(value_of(*finding, "send_q"), 130'944);
  EXPECT_EQ(value_of(*finding, "peer_recv_q"), 137'845);
  EXPECT_EQ(value_of(*finding, "peer_window"), 0);
  EXPECT_EQ(value_of(*finding, "acknowledged"), 0);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
}

TEST(PendingShutdownData, counts_what_was_thrown_away_also_after_the_end) {
  auto finding = only_finding(judged("pending-shutdown-data", build::s1_dropped_window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(value_of(*finding, "dropped_bytes"), 778'763);
  EXPECT_THAT(finding->meaning, HasSubstr("of 1,047,552 accepted bytes the kernel took 268,789"));
  EXPECT_THAT(finding->meaning, HasSubstr("A shutdown waited"));
  EXPECT_THAT(finding->meaning, HasSubstr("empty_out_q"));
}

TEST(PendingShutdownData, a_loss_needs_no_window) {
  Window one = a_window(1, [](SampleBuilder& sample, std::size_t) { sample.add(a_user_queue().dropped(5).ended()); });
  auto finding = only_finding(judged("pending-shutdown-data", one, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_THAT(finding->title, HasSubstr("5 bytes"));
}

Window slow_reader(bool pending) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t i) {
    std::uint64_t gone = 50'000 * i;
    sample.add(a_stuck_sender(130'944).set([&](SocketRow& row) { row.bytes_acked = 137'845 + gone; }));
    sample.add(a_stuck_reader(137'845));
    auto queue = s1_queue().queued(778'763 - gone, 1'047'552);
    sample.add(pending ? queue.pending_shutdown() : queue);
  });
}

TEST(PendingShutdownData, a_slow_reader_only_needs_time) {
  auto finding = only_finding(judged("pending-shutdown-data", slow_reader(true), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(value_of(*finding, "leaves_the_queue"), 50'000);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("empty in 10 s"));
  expect_fine(judged("pending-shutdown-data", slow_reader(false), lab()));
}

TEST(PendingShutdownData, tells_a_silent_path_and_an_idle_program_from_a_reader_that_stalls) {
  auto with = [](auto change) {
    return a_window(6, [=](SampleBuilder& sample, std::size_t) {
      sample.add(a_stuck_sender(130'944).set(change)).add(s1_queue().pending_shutdown());
    });
  };
  auto title = [&](auto change) {
    auto finding = only_finding(judged("pending-shutdown-data", with(change), lab()));
    return finding ? finding->title : "";
  };
  EXPECT_THAT(title([](SocketRow&) {}), HasSubstr("127.0.0.1:40000 does not read"));
  EXPECT_THAT(title([](SocketRow& row) {
                row.snd_wnd = 64'000;
                row.timer = Timer::retransmit;
                row.backoff = 5;
              }),
              HasSubstr("does not answer"));
  EXPECT_THAT(title([](SocketRow& row) {
                row.snd_wnd = 64'000;
                row.timer = Timer::none;
              }),
              HasSubstr("takes nothing"));
  EXPECT_THAT(title([](SocketRow& row) { row.send_q = 0; }), HasSubstr("the program does not write"));
}

TEST(PendingShutdownData, needs_both_a_shutdown_and_data_in_every_window) {
  auto window = [](auto queue) {
    return a_window(6, [=](SampleBuilder& sample, std::size_t i) { sample.add(a_stuck_sender(1)).add(queue(i)); });
  };
  expect_fine(judged("pending-shutdown-data", window([](std::size_t) -> UserQueue { return s1_queue(); }), lab()));
  expect_fine(judged("pending-shutdown-data",
                     window([](std::size_t) -> UserQueue { return s1_queue().queued(0, 9).pending_shutdown(); }),
                     lab()));
  auto just_now = [](std::size_t i) -> UserQueue { return i < 5 ? s1_queue() : s1_queue().pending_shutdown(); };
  expect_fine(judged("pending-shutdown-data", window(just_now), lab()));
}

TEST(PendingShutdownData, clears) {
  auto window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    auto queue = s1_queue().pending_shutdown();
    sample.add(a_stuck_sender(1)).add(i < 5 ? queue : queue.queued(0, 1'047'552).ended());
  });
  expect_fine(judged("pending-shutdown-data", window, lab()));
}

TEST(PendingShutdownData, one_finding_for_many_connections_of_a_process) {
  auto window = a_window(6, [](SampleBuilder& sample, std::size_t) {
    for (std::uint16_t port = 1; port <= 3; ++port) {
      UserQueue queue = s1_queue().queued(1'000 * port, 10'000).pending_shutdown();
      queue.remote.port = port;
      sample.add(queue);
    }
  });
  auto finding = only_finding(judged("pending-shutdown-data", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 3u);
  EXPECT_EQ(finding->scope.remote, "127.0.0.1");
  EXPECT_EQ(value_of(*finding, "bytes_at_risk"), 6'000);
  EXPECT_THAT(finding->title, HasSubstr("the peers of 3 connections take nothing"));
}

TEST(PendingShutdownData, is_never_fine_without_a_word) {
  Window silent = a_window(6, [](SampleBuilder&, std::size_t) {});
  expect_unknown(judged("pending-shutdown-data", silent, lab()), "no program publishes");
  Window deaf = a_window(6, [](SampleBuilder& sample, std::size_t) {
    sample.cover("user-queues", "").set([](Sample& s) {
      s.coverage.back().attempts = {{.source = "socket",
                                     .outcome = AttemptOutcome::failed,
                                     .why_not = "cannot bind",
                                     .cure = {},
                                     .sys_errno = 13}};
    });
  });
  expect_unknown(judged("pending-shutdown-data", deaf, lab()), "cannot bind");
  Window lied_to = a_window(6, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& s) { s.self.lost["user_queues_refused"] = 12; });
  });
  expect_unknown(judged("pending-shutdown-data", lied_to, lab()), "12 lines refused");
  Window mute = a_window(6, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_user_queue().set([](UserQueue& queue) { queue.dropped.reset(), queue.pending_shutdown.reset(); }));
  });
  expect_unknown(judged("pending-shutdown-data", mute, lab()), "pending_shutdown=");
  Window one = a_window(1, [](SampleBuilder& sample, std::size_t) { sample.add(s1_queue().pending_shutdown()); });
  expect_unknown(judged("pending-shutdown-data", one, lab()), "observe for longer");
}

}  // namespace
}  // namespace tcpadvisor::pending_shutdown_test
