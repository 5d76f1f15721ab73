// SPDX-License-Identifier: Apache-2.0
// The stories of a program's own queue as one answer: one finding to act on, its cause linked, and no setting.
#include <gmock/gmock.h>

#include <algorithm>

#include "advisor/verdict/verdict.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::user_queues_test {
namespace {

using build::a_stuck_reader;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

Policy lab() {
  return *Policy::named("lab");
}

const Finding* with_id(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.findings, id, &Finding::id);
  return found == verdict.findings.end() ? nullptr : &*found;
}

/// The only finding that is more than information, if it is this rule's.
const Finding* only_serious(const Verdict& verdict, std::string_view id) {
  const Finding* out = nullptr;
  for (const Finding& finding : verdict.findings) {
    EXPECT_FALSE(finding.recommendation.change) << finding.id;
    EXPECT_NE(finding.recommendation.kind, RecommendationKind::sysctl) << finding.id;
    if (finding.severity == Severity::info) continue;
    EXPECT_EQ(finding.id, id) << finding.title;
    out = &finding;
  }
  return out;
}

void expect_caused_by_the_reader(const Verdict& verdict, std::string_view id) {
  const Finding* story = only_serious(verdict, id);
  const Finding* reader = with_id(verdict, "reader-too-slow");
  ASSERT_NE(story, nullptr);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(story->cause, reader->instance);
  EXPECT_EQ(reader->severity, Severity::info);
  EXPECT_THAT(reader->confidence_why, HasSubstr(story->instance));
}

TEST(QueueStories, s1_is_one_story_with_the_reader_as_its_cause) {
  Verdict pending = judge(build::s1_pending_window(), lab());
  expect_caused_by_the_reader(pending, "pending-shutdown-data");
  EXPECT_EQ(exit_code(pending), 10);
  Verdict dropped = judge(build::s1_dropped_window(), lab());
  expect_caused_by_the_reader(dropped, "pending-shutdown-data");
  EXPECT_EQ(exit_code(dropped), 11);
}

TEST(QueueStories, s2_to_s4_are_one_story_each) {
  expect_caused_by_the_reader(judge(build::s2_window(), lab()), "user-queue-watermark");
  EXPECT_NE(only_serious(judge(build::s3_window(), lab()), "message-queue-holds-senders"), nullptr);
  expect_caused_by_the_reader(judge(build::s4_window(), lab()), "user-queue-unbounded");
  expect_caused_by_the_reader(judge(build::s4_window(0), lab()), "user-queue-watermark");
}

TEST(QueueStories, a_reader_that_keeps_others_waiting_too_stays_a_warning) {
  Verdict verdict =
      judge(a_window(9,
                     [](SampleBuilder& sample, std::size_t) {
                       sample.add(build::a_stuck_sender(130'944)).add(a_stuck_reader(137'845));
                       sample.add(build::s1_queue().pending_shutdown());
                       sample.add(a_stuck_reader(137'845).cookie(77).remote(Endpoint::v4(192, 0, 2, 1, 80)));
                     }),
            lab());
  const Finding* reader = with_id(verdict, "reader-too-slow");
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->severity, Severity::warning);
  EXPECT_EQ(with_id(verdict, "pending-shutdown-data")->cause, reader->instance);
}

TEST(QueueStories, a_reader_of_other_connections_is_not_the_cause) {
  Verdict verdict = judge(a_window(9,
                                   [](SampleBuilder& sample, std::size_t) {
                                     sample.add(build::a_stuck_sender(130'944));
                                     sample.add(build::s1_queue().pending_shutdown());
                                     sample.add(a_stuck_reader(137'845).remote(Endpoint::v4(192, 0, 2, 1, 80)));
                                   }),
                          lab());
  EXPECT_EQ(with_id(verdict, "pending-shutdown-data")->cause, "");
  EXPECT_EQ(with_id(verdict, "reader-too-slow")->severity, Severity::warning);
}

TEST(QueueStories, the_queue_explains_its_full_send_buffer) {
  Verdict verdict = judge(a_window(9,
                                   [](SampleBuilder& sample, std::size_t i) {
                                     SocketRow sender = build::a_stuck_sender(130'944).set([&](SocketRow& row) {
                                       row.busy_us = 1'000'000 * i;
                                       row.sndbuf_limited_us = 900'000 * i;
                                     });
                                     sample.add(sender).add(build::s1_queue());
                                   }),
                          lab());
  const Finding* locked = with_id(verdict, "sndbuf-locked-by-app");
  ASSERT_NE(locked, nullptr);
  EXPECT_EQ(locked->cause, only_serious(verdict, "user-queue-watermark")->instance);
}

}  // namespace
}  // namespace tcpadvisor::user_queues_test
