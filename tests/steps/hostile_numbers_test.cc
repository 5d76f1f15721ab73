// SPDX-License-Identifier: Apache-2.0
// Whatever the numbers of a Sample are: judging ends, does work by the size of the Sample and not by a number in it,
// and gives no advice that is turned round. Under an UndefinedBehaviorSanitizer an overflow ends it.
#include "tests/unit/hostile_numbers.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <regex>

#include "advisor/base/text.h"
#include "advisor/verdict/verdict.h"
#include "tests/steps/steps.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::hostile_numbers_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::kHostile;
using build::SampleBuilder;
using build::spoiled;
using build::Spoiler;

constexpr int kRuns = 120;  // per window and kind; each is a few milliseconds

/// Leaks, a slow reader, a burst at a short backlog, orphans and memory pressure, with every optional number told.
Window busy_host() {
  return a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().cookie(1).listen(8443, i == 4 ? 16 : 0, 16).pid(4242, "payments").drops(i < 5 ? 0 : 347));
    sample.add(a_socket().cookie(2).listen(8444, 16, 16).pid(4242, "payments").drops(10 * i));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.add(30, a_socket().close_wait().age(49s + 1s * i).pid(4242, "payments").recv_q(12), 100);
    sample.add(20, a_socket().close_wait().age(49s + 1s * i).holder(Holder::unaccepted), 200);
    sample.add(20, a_socket().fin_wait_2().age(90s).pid(5151, "batch"), 300);
    sample.add(20, a_socket().fin_wait_2().holder(Holder::orphan), 400);
    sample.add(a_process(4242, "payments").close_wait(30, 30).fds(212, 1024).memory(1 << 30, 1 << 20));
    sample.add(a_process(5151, "batch").fin_wait_2(20, 20).sockets(TcpState::close, 40));
    sample.add(
        a_socket().cookie(9).pid(5151, "batch").recv_q(1'200'000).rcvbuf(2'000'000, 1'990'000).locks(true, true));
    sample.count(TcpState::time_wait, 12'000).count(TcpState::fin_wait_2, 40'000).count(TcpState::listen, 2);
    sample.counter("TcpExt.TCPMemoryPressures", i)
        .counter("TcpExt.TCPRcvQDrop", 9 * i)
        .sysctl("net.core.somaxconn", {16});
    sample.set([](Sample& s) {
      s.memory.pages = 420'000;
      s.memory.under_pressure = true;
    });
  });
}

std::vector<std::function<Window()>> windows() {
  return {[] { return build::s1_pending_window(); },
          build::s1_dropped_window,
          build::s2_window,
          build::s3_window,
          [] { return build::s4_window(); },
          busy_host};
}

double number_of(std::string text) {
  std::erase(text, ',');
  return std::stod(text);
}

/// What is to be raised becomes more, and between its bounds.
void expect_not_turned_round(const Finding& finding) {
  static const std::regex raise(R"(Raise .* from ([\d,]+) to ([\d,]+))");
  const Recommendation& cure = finding.recommendation;
  std::smatch match;
  if (std::regex_search(cure.text, match, raise)) {
    EXPECT_LT(number_of(match[1]), number_of(match[2])) << finding.id << ": " << cure.text;
  }
  if (!cure.change) return;
  const Change& change = *cure.change;
  // Puts settings right: their order, a switch, a start that is too large, a guard that guards nothing.
  if (finding.id == "mem-max-relation" || finding.id == "stale-settings") {
    EXPECT_NE(change.target, change.current) << text_of(change).apply;
    EXPECT_TRUE(std::ranges::is_sorted(change.target)) << text_of(change).apply;
    return;
  }
  bool lowers = change.knob == "net.ipv4.tcp_fin_timeout" || finding.id == "abort-on-overflow-set";  // switched off
  std::size_t middle = change.target.size() / 2;  // of a triple, or the only one
  std::int64_t current = change.current.at(middle), target = change.target.at(middle);
  EXPECT_TRUE(lowers ? target < current : target > current) << finding.id << ": " << text_of(change).apply;
  EXPECT_GE(change.upper.at(middle), target) << finding.id;
  if (change.target.size() == 1) {
    EXPECT_LE(change.lower.front(), target) << finding.id;
  }
}

std::size_t findings_of(const Window& window) {
  return judge(window, *Policy::named("lab")).findings.size();
}

std::uint64_t steps_of(const Window& window) {
  std::uint64_t before = steps();
  findings_of(window);
  return steps() - before;
}

void expect_sane(const Window& plain, const Window& window, const std::string& what) {
  SCOPED_TRACE(what);
  EXPECT_LE(steps_of(window), 20 * steps_of(plain)) << "work by a number, not by the size of the Sample";
  Verdict verdict = judge(window, *Policy::named("lab"));
  EXPECT_LE(verdict.findings.size(), 60u);
  for (const Finding& finding : verdict.findings) {
    expect_not_turned_round(finding);
    for (const Measurement& part : finding.evidence) EXPECT_FALSE(std::isnan(part.value)) << part.metric;
    EXPECT_LT(finding.meaning.size() + finding.recommendation.text.size(), 4'000u) << finding.id;
  }
}

TEST(HostileNumbers, the_same_one_everywhere) {
  for (const auto& window : windows()) {
    for (std::uint64_t value : kHostile) {
      for (bool identities : {false, true}) {
        expect_sane(window(), spoiled(window, Spoiler(1, {value}, 1, identities)), "all are " + with_commas(value));
      }
    }
  }
}

TEST(HostileNumbers, a_few_at_a_time) {
  std::vector<std::uint64_t> values(kHostile.begin(), kHostile.end());
  std::size_t at = 0;
  for (const auto& window : windows()) {
    ++at;
    for (std::uint32_t seed = 0; seed < kRuns; ++seed) {
      double share = seed % 3 == 0 ? 0.02 : seed % 3 == 1 ? 0.2 : 0.7;
      expect_sane(window(), spoiled(window, Spoiler(seed, values, share, seed % 4 == 0)),
                  "window " + std::to_string(at) + ", seed " + std::to_string(seed));
      if (HasFailure()) return;  // one case says enough
    }
  }
}

/// Found in use: one datagram of an ordinary user made the search for the size of a send run up to the number in it.
TEST(HostileNumbers, a_published_queue_does_not_set_the_work) {
  for (std::uint64_t queued : {20'000'000'001ull, (1ull << 53) + 1, ~0ull}) {
    Window window = a_window(6, [=](SampleBuilder& sample, std::size_t) {
      SocketRow sender = build::a_stuck_sender(3'202).sndbuf(4'608, 4'600);
      SocketRow reader = build::a_stuck_reader(1'152).rcvbuf(2'304, 2'304);
      sample.add(sender).add(reader).add(
          build::a_user_queue().of(sender).queued(queued, queued + (queued == ~0ull ? 0 : 1)).marks(1, 1).busy(1));
    });
    std::vector<Finding> findings = judge(window, *Policy::named("lab")).findings;
    EXPECT_NE(std::ranges::find(findings, "user-queue-watermark", &Finding::id), findings.end());
  }
}

TEST(HostileNumbers, a_mark_that_cannot_be_doubled_is_not_to_be_raised) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    sample.add(build::s3_queue(i).set([](UserQueue& queue) { queue.message_high = 9'007'199'254'740'992; }));
  });
  Verdict verdict = judge(window, *Policy::named("lab"));
  ASSERT_EQ(verdict.findings.size(), 1u);
  EXPECT_THAT(verdict.findings.front().recommendation.text, testing::HasSubstr("fewer senders per connection"));
  EXPECT_FALSE(verdict.findings.front().recommendation.worst_case_memory_bytes);
}

TEST(HostileNumbers, a_backlog_beyond_use_is_not_shortened) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(80, 0, 100'000).pid(1, "web").drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.sysctl("net.core.somaxconn", {100'000});
  });
  Verdict verdict = judge(window, *Policy::named("lab"));
  ASSERT_EQ(verdict.findings.size(), 1u);
  EXPECT_EQ(verdict.findings.front().recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(verdict.findings.front().recommendation.text, testing::HasSubstr("accept bursts faster"));
}

}  // namespace
}  // namespace tcpadvisor::hostile_numbers_test
