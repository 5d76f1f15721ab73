// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/user_queues.h"

#include "tests/unit/expect.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::user_queues_test {
namespace {

using build::a_stuck_reader;
using build::a_stuck_sender;
using build::a_user_queue;
using build::a_window;
using build::s1_queue;
using build::SampleBuilder;
using build::UserQueueBuilder;
using testing::HasSubstr;

Window of_queues(const std::function<UserQueue(std::size_t)>& queue, std::size_t samples = 6) {
  return a_window(samples, [=](SampleBuilder& sample, std::size_t i) { sample.add(queue(i)); });
}

TEST(MessageQueueHoldsSenders, fires_when_the_driver_queue_is_short) {
  auto finding = only_finding(judged("message-queue-holds-senders", build::s3_window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "suspended_senders"), 48);
  EXPECT_EQ(value_of(*finding, "user_queue"), 0);
  EXPECT_THAT(finding->meaning, HasSubstr("stop above 8,192, go on below 4,096"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("high_msgq_watermark from 8,192 to 524,288"));
  EXPECT_EQ(finding->recommendation.worst_case_memory_bytes, 524'288u);
}

TEST(MessageQueueHoldsSenders, not_when_the_driver_queue_holds_them_or_nobody_waits) {
  auto judge = [](auto change) {
    return judged("message-queue-holds-senders",
                  of_queues([=](std::size_t i) -> UserQueue { return change(build::s3_queue(i)); }), lab());
  };
  EXPECT_TRUE(only_finding(judge([](UserQueueBuilder queue) { return queue; })));
  expect_fine(judge([](UserQueueBuilder queue) { return queue.queued(9'000, 10'000).busy(1, 48); }));
  expect_fine(judge([](UserQueueBuilder queue) { return queue.message_queue(9'000, 0); }));
}

TEST(MessageQueueHoldsSenders, not_for_one_collision_now_and_then) {
  expect_fine(judged("message-queue-holds-senders", of_queues([](std::size_t i) -> UserQueue {
                       if (i % 3 == 0) return build::s3_queue(i);
                       return a_user_queue();
                     }),
                     lab()));
}

TEST(MessageQueueHoldsSenders, clears_and_needs_a_word) {
  auto cleared = [](std::size_t i) -> UserQueue {
    return i < 3 ? build::s3_queue(i) : a_user_queue().of(a_stuck_sender(0));
  };
  expect_fine(judged("message-queue-holds-senders", of_queues(cleared), lab()));
  auto mute = [](std::size_t) -> UserQueue {
    return a_user_queue().set([](UserQueue& queue) { queue.message_busy.reset(); });
  };
  expect_unknown(judged("message-queue-holds-senders", of_queues(mute), lab()), "mq_busy=");
  expect_unknown(judged("message-queue-holds-senders",
                        of_queues([](std::size_t i) -> UserQueue { return build::s3_queue(i); }, 1), lab()),
                 "observe for longer");
  expect_unknown(judged("message-queue-holds-senders", a_window(6, [](SampleBuilder&, std::size_t) {}), lab()),
                 "no program publishes");
}

TEST(UserQueueUnbounded, fires_when_the_queue_grows_past_its_mark) {
  auto finding = only_finding(judged("user-queue-unbounded", build::s4_window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(value_of(*finding, "user_queue_growth"), 4'000'000);
  EXPECT_EQ(value_of(*finding, "accepted_while_busy"), 8'000'000);
  EXPECT_EQ(value_of(*finding, "refused_sends"), 5'000);
  EXPECT_NEAR(*value_of(*finding, "reaches_1_GiB_in"), 263, 1);
  EXPECT_THAT(finding->meaning, HasSubstr("5,000 sends were turned away: neither queued nor sent"));
  EXPECT_THAT(finding->meaning, HasSubstr("1 GiB is reached in 4m 23s"));
}

TEST(UserQueueUnbounded, is_critical_when_memory_ends_soon) {
  auto finding = only_finding(judged("user-queue-unbounded", build::s4_window(400'000'000), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_LT(*value_of(*finding, "memory_of_host_used_up_in"), 600);
}

TEST(UserQueueUnbounded, a_queue_that_stays_or_shrinks_is_fine) {
  expect_fine(judged("user-queue-unbounded", build::s4_window(0), lab()));
  auto shrinks = [](std::size_t i) -> UserQueue {
    return a_user_queue().queued(90'000'000 - 1'000'000 * i, 100'000'000).busy(1).bypassed(1'000 * i);
  };
  expect_fine(judged("user-queue-unbounded", of_queues(shrinks), lab()));
  auto below = [](std::size_t i) -> UserQueue {
    return a_user_queue().queued(1'000 * i, 5'000 * i).busy(1).bypassed(i);
  };
  expect_fine(judged("user-queue-unbounded", of_queues(below), lab()));
}

TEST(UserQueueUnbounded, one_large_message_is_no_growth) {
  auto large = [](std::size_t i) -> UserQueue {
    std::uint64_t bytes = i < 2 ? 0 : 16'080'533;
    return a_user_queue().queued(bytes, bytes);
  };
  expect_fine(judged("user-queue-unbounded", of_queues(large), lab()));
}

TEST(UserQueueUnbounded, large_sends_that_drain_are_no_growth) {
  // 64 KiB sends one after the other: the queue is past its mark whenever we look, a little more each time.
  auto unbypassed = [](std::size_t i) -> UserQueue {
    return a_user_queue().queued(65'000 + 10 * i, 1'000'000 * i).busy(1).bypassed(0);
  };
  expect_fine(judged("user-queue-unbounded", of_queues(unbypassed), lab()));
  auto sags = [](std::size_t i) -> UserQueue {
    return a_user_queue().queued(i % 2 == 0 ? 65'000 + 10 * i : 20'000, 1'000'000 * i).busy(1).bypassed(i);
  };
  expect_fine(judged("user-queue-unbounded", of_queues(sags), lab()));
}

TEST(UserQueueUnbounded, clears) {
  auto cleared = [](std::size_t i) -> UserQueue {
    return a_user_queue().queued(i < 5 ? 1'000'000 * i : 0, 9'000'000).busy(1).bypassed(1'000'000 * i);
  };
  expect_fine(judged("user-queue-unbounded", of_queues(cleared), lab()));
}

TEST(UserQueueUnbounded, senders_that_pile_up_are_memory_too) {
  auto piling = [](std::size_t per_s) {
    return [=](std::size_t i) -> UserQueue {
      return a_user_queue()
          .of(a_stuck_sender(7'137))
          .queued(1'057'064, 1'068'428)
          .marks(1'048'576, 0)
          .busy(0, static_cast<std::uint32_t>(per_s * i));
    };
  };
  auto finding = only_finding(judged("user-queue-unbounded", of_queues(piling(350)), lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("suspends 1,750 senders, and 350 more each second"));
  EXPECT_EQ(value_of(*finding, "suspended_senders_growth"), 350);
  expect_fine(judged("user-queue-unbounded", of_queues(piling(4)), lab()));  // 8 in two windows of a second
  expect_fine(judged("user-queue-unbounded", of_queues(piling(0)), lab()));
}

TEST(UserQueueUnbounded, needs_a_mark) {
  auto mute = [](std::size_t i) -> UserQueue {
    return a_user_queue().queued(1'000'000 * i, 1'000'000 * i).set([](UserQueue& queue) { queue.high.reset(); });
  };
  expect_unknown(judged("user-queue-unbounded", of_queues(mute), lab()), "high=");
  expect_unknown(judged("user-queue-unbounded", a_window(6, [](SampleBuilder&, std::size_t) {}), lab()),
                 "no program publishes");
}

TEST(UserQueueWatermark, tells_where_each_byte_sits_at_the_smallest_buffers) {
  auto finding = only_finding(judged("user-queue-watermark", build::s2_window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "queued_at_tiny_mark"), 2);
  EXPECT_EQ(value_of(*finding, "sndbuf"), 4'608);
  EXPECT_EQ(value_of(*finding, "peer_rcvbuf"), 2'304);
  EXPECT_THAT(finding->meaning, HasSubstr("driver queue 2 → Send-Q 3,202"));
  EXPECT_THAT(finding->meaning, HasSubstr("of client[4711], all 4,356"));
  EXPECT_THAT(finding->meaning, HasSubstr("wait at >= 2 (an empty queue is not checked) and go on at <= 1"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("4,354/1 + 1 = 4,355"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("number 4 would wait, not number 4,356"));
}

TEST(UserQueueWatermark, predicts_the_send_that_waits) {
  struct Case {
    std::uint64_t kernels, high, queued;
    const char* says;
  };
  // Queue and count when the kernels take 6 or 5 bytes; from runs over AF_UNIX with K = 6, and from the story itself.
  for (const Case& one :
       {Case{6, 2, 2, " = 7 (K: bytes in the kernels)"}, Case{6, 3, 3, " = 8 (K: bytes in the kernels)"},
        Case{6, 5, 5, " = 10 (K: bytes in the kernels)"}, Case{6, 10, 10, " = 15 (K: bytes in the kernels)"},
        Case{6, 100, 100, " = 105 (K: bytes in the kernels)"}, Case{5, 2, 2, " = 6 (K: bytes in the kernels)"}}) {
    Window window = a_window(4, [&](SampleBuilder& sample, std::size_t) {
      SocketRow sender = a_stuck_sender(3).sndbuf(4'608, 4'608);
      sample.add(sender).add(
          a_user_queue().of(sender).queued(one.queued, one.kernels + one.queued).marks(one.high, 1).busy(1));
    });
    auto finding = only_finding(judged("user-queue-watermark", window, lab()));
    ASSERT_TRUE(finding);
    EXPECT_THAT(finding->recommendation.formula, HasSubstr(one.says));
  }
}

TEST(UserQueueWatermark, a_stalled_peer_is_named_when_nobody_has_shut_down) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_stuck_sender(130'944)).add(a_stuck_reader(137'845)).add(s1_queue().refused(7));
  });
  auto finding = only_finding(judged("user-queue-watermark", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::peer);
  EXPECT_THAT(finding->title, HasSubstr("778,763 bytes queued: client[4711] does not read"));
  EXPECT_EQ(value_of(*finding, "bytes_at_risk"), 778'763);
  EXPECT_THAT(finding->meaning, HasSubstr("7 sends were turned away"));
  EXPECT_THAT(finding->meaning, HasSubstr("Its own limit is 8,192. Senders wait"));
  EXPECT_THAT(finding->recommendation.steps,
              testing::Contains(HasSubstr("where beam.smp keeps its limit: the port's high_watermark")));
  for (const NotUseful& useless : finding->not_useful) EXPECT_THAT(useless.why, testing::Not(testing::IsEmpty()));
}

TEST(UserQueueWatermark, a_program_that_tells_only_its_bytes_is_understood) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t) {
    UserQueue bare;
    SocketRow sender = a_stuck_sender(130'944);
    bare.netns = sender.netns;
    bare.local = sender.local;
    bare.remote = sender.remote;
    bare.pid = 812;
    bare.comm = "beam.smp";
    bare.queued = 778'763;
    sample.add(sender).add(bare);
  });
  auto finding = only_finding(judged("user-queue-watermark", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("(not on this host). No sender waits yet."));
}

TEST(UserQueueWatermark, a_limit_that_is_passed_is_named_and_that_of_an_unknown_program_is_not_made_up) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t) {
    UserQueueBuilder queue = s1_queue().set([](UserQueue& q) {
      q.comm = "server";
      q.busy = std::nullopt;
      q.waiting = q.suspended = std::nullopt;
    });
    sample.add(a_stuck_sender(130'944)).add(a_stuck_reader(137'845)).add(queue);
  });
  auto finding = only_finding(judged("user-queue-watermark", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("Its own limit is 8,192. It is past that: whoever heeds it waits now."));
  EXPECT_THAT(finding->recommendation.steps, testing::Not(testing::Contains(HasSubstr("keeps its limit"))));
}

TEST(UserQueueWatermark, other_rules_tell_the_rest) {
  for (const Window& window : {build::s1_pending_window(), build::s3_window(), build::s4_window()}) {
    Outcome outcome = judged("user-queue-watermark", window, lab());
    EXPECT_TRUE(outcome.findings.empty()) << outcome.findings.front().title;
    EXPECT_EQ(outcome.fine_metric, "") << "what another rule tells is not fine";
  }
}

/// The stalled peer of above; the program speaks from sample `first` on.
Window stalled_and_heard_from(std::size_t first) {
  return a_window(9, [=](SampleBuilder& sample, std::size_t i) {
    sample.add(a_stuck_sender(130'944)).add(a_stuck_reader(137'845));
    if (i >= first) sample.add(s1_queue());
  });
}

TEST(UserQueueWatermark, what_was_not_yet_said_in_the_first_sample_is_no_no) {
  EXPECT_TRUE(only_finding(judged("user-queue-watermark", stalled_and_heard_from(1), lab())));
}

TEST(UserQueueWatermark, a_queue_that_was_heard_late_is_not_called_fine) {
  for (std::size_t first : {7, 8}) {
    expect_unknown(judged("user-queue-watermark", stalled_and_heard_from(first), lab()), "a part of the time");
  }
}

TEST(UserQueueWatermark, clears_when_the_peer_reads) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    std::uint64_t gone = i < 4 ? 0 : 100'000 * (i - 3);
    sample.add(a_stuck_sender(130'944).set([&](SocketRow& row) { row.bytes_acked = 137'845 + gone; }));
    sample.add(s1_queue().queued(778'763 - gone, 1'047'552));
  });
  expect_fine(judged("user-queue-watermark", window, lab()));
}

TEST(UserQueueWatermark, needs_the_socket_and_time) {
  auto ended = [](std::size_t) -> UserQueue { return a_user_queue().ended(); };
  expect_unknown(judged("user-queue-watermark", of_queues(ended), lab()), "have ended");
  auto moving = [](std::size_t i) -> UserQueue { return a_user_queue().queued(100, 1'000 * i); };
  expect_unknown(judged("user-queue-watermark", of_queues(moving), lab()), "not in the list of connections");
  expect_unknown(judged("user-queue-watermark", of_queues(moving, 1), lab()), "observe for longer");
}

/// A sender of `rate` bytes a second on a path of 100 Mbit/s and 20 ms, seen once a second.
Window on_path(double rate, std::uint64_t high, std::uint64_t low,
               const std::function<std::uint64_t(std::size_t)>& queued, bool starved, std::uint32_t last_cwnd = 173) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    SocketRow sender = build::a_socket().pid(77, "writer").send_q(starved ? 3'000 : 300'000).set([&](SocketRow& row) {
      row.snd_cwnd = i == 7 ? last_cwnd : 173;
      row.mss = 1'448;
      row.srtt_us = row.min_rtt_us = 20'000;
      row.app_limited = starved;
      row.rwnd_limited_us = row.sndbuf_limited_us = 0;
      row.bytes_acked = static_cast<std::uint64_t>(rate * static_cast<double>(i));
    });
    auto bytes = static_cast<std::uint64_t>(rate * static_cast<double>(i)) + queued(i);
    auto queue = a_user_queue().of(sender).queued(queued(i), bytes).marks(high, low);
    sample.add(sender).add(queued(i) >= high / 2 ? queue.busy(1) : queue);
  });
}

std::uint64_t now_and_then(std::size_t i) {
  return i % 2 ? 8'000 : 0;
}

TEST(UserQueueWatermark, marks_too_small_for_the_path) {
  auto finding =
      only_finding(judged("user-queue-watermark", on_path(1'562'500, 8'192, 4'096, now_and_then, true), lab()));
  ASSERT_TRUE(finding);
  EXPECT_NEAR(*value_of(*finding, "rate_held_down"), 12.5, 0.1);
  EXPECT_NEAR(*value_of(*finding, "wake_latency"), 5.2, 0.1);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("low mark to 131,072 and the high mark to 262,144"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("100 Mbit/s x 5.2 ms"));
  EXPECT_EQ(finding->recommendation.worst_case_memory_bytes, 262'144u);
}

TEST(UserQueueWatermark, a_window_that_bbr_narrows_for_a_moment_is_not_the_path) {
  const Window window = on_path(1'562'500, 8'192, 4'096, now_and_then, true, 4);
  auto finding = only_finding(judged("user-queue-watermark", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_NEAR(*value_of(*finding, "cwnd_x_mss_per_srtt"), 100.2, 0.1);
}

TEST(UserQueueWatermark, a_program_that_has_no_more_to_send_is_fine) {
  auto empty = [](std::size_t) -> std::uint64_t { return 0; };
  expect_fine(judged("user-queue-watermark", on_path(1'562'500, 8'192, 4'096, empty, true), lab()));
  expect_fine(judged("user-queue-watermark", on_path(1'562'500, 8'192, 4'096, now_and_then, false), lab()));
  expect_fine(judged("user-queue-watermark", on_path(9'000'000, 8'192, 4'096, now_and_then, true), lab()));
}

TEST(UserQueueWatermark, marks_too_large_for_the_delay) {
  auto between = [](std::uint64_t low) { return [=](std::size_t i) { return low + low / 8 * (i % 8); }; };
  Outcome outcome = judged("user-queue-watermark", on_path(12e6, 16u << 20, 8u << 20, between(8u << 20), false), lab());
  auto finding = only_finding(outcome);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_GT(*value_of(*finding, "delay_in_queues"), 0.7);
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("rate x 0.5 s - Send-Q"));
  expect_fine(judged("user-queue-watermark", on_path(12e6, 512u << 10, 256u << 10, between(256u << 10), false), lab()));
}

TEST(UserQueues, finds_the_other_end_only_where_it_can_be) {
  auto far_of = [](NetnsId here, Endpoint local, std::vector<std::pair<NetnsId, std::uint64_t>> others) {
    Window window = a_window(3, [&](SampleBuilder& sample, std::size_t) {
      SocketRow near = build::a_socket().local(local).netns(here);
      for (auto [netns, cookie] : others) {
        SocketRow far = build::a_socket().local(near.remote).remote(near.local).netns(netns).cookie(cookie);
        sample.add(far);
      }
      sample.add(near).add(a_user_queue().of(near));
    });
    const SocketRow* far = view_queues(window, lab()).stories.front().far;
    return far == nullptr ? 0 : far->cookie;
  };
  Endpoint loopback = Endpoint::v4(127, 0, 0, 1, 1), routed = Endpoint::v4(10, 0, 0, 1, 1);
  EXPECT_EQ(far_of(1, loopback, {{1, 50}}), 50u);
  EXPECT_EQ(far_of(1, loopback, {{2, 50}}), 0u);
  EXPECT_EQ(far_of(1, routed, {{2, 50}}), 50u);
  EXPECT_EQ(far_of(1, routed, {{2, 50}, {3, 51}}), 0u) << "two candidates";
  EXPECT_EQ(far_of(1, routed, {{2, 50}, {1, 51}, {3, 52}}), 51u) << "the nearest";
}

TEST(UserQueues, two_processes_that_speak_for_one_socket_are_two_stories) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_user_queue().dropped(1)).add(a_user_queue().dropped(2).set([](UserQueue& q) { q.pid = 5; }));
  });
  EXPECT_EQ(judged("pending-shutdown-data", window, lab()).findings.size(), 2u);
}

}  // namespace
}  // namespace tcpadvisor::user_queues_test
