// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/standing.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::standing_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::SampleBuilder;
using testing::HasSubstr;

const Policy& lab() {
  static const Policy policy = *Policy::named("lab");
  return policy;
}

const Finding* with_id(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.findings, id, &Finding::id);
  return found == verdict.findings.end() ? nullptr : &*found;
}

/// A host as `watch` sees it: one tick after the other, each judged after the one before.
class Watched {
 public:
  using Fill = std::function<void(SampleBuilder&, std::size_t)>;
  Watched(std::string_view id, Fill fill) : id_(id), fill_(std::move(fill)) {}

  /// For each tick whether the finding is there.
  std::vector<bool> ticks(std::size_t count, bool stands) {
    Window window;
    Standing standing;
    std::vector<bool> out;
    for (std::size_t i = 0; i < count; ++i) {
      SampleBuilder sample;
      sample.at(1s * static_cast<int>(i));
      fill_(sample, i);
      window.push(sample, {.recent = 3s, .recent_ticks = 8, .older_ticks = 0});
      last_ = judge(window, lab(), standing);
      if (stands) standing = last_.standing;
      out.push_back(with_id(last_, id_) != nullptr);
    }
    return out;
  }
  const Verdict& last() const { return last_; }

 private:
  std::string id_;
  Fill fill_;
  Verdict last_;
};

std::size_t turns(const std::vector<bool>& ticks) {
  std::size_t out = 0;
  for (std::size_t i = 1; i < ticks.size(); ++i) out += ticks[i] != ticks[i - 1] ? 1 : 0;
  return out;
}

void tcp_memory(SampleBuilder& sample, double share) {
  sample.set([&](Sample& one) {
    one.memory.limits_pages = {{300'000, 400'000, 600'000}};
    one.memory.pages = static_cast<std::uint64_t>(share * 400'000);
  });
}

/// Something whose number swings about its mark: for some ticks a little above, then as long a little below.
struct Swing {
  std::string_view id;
  std::function<void(SampleBuilder&, double swing)> fill;
};

std::vector<Swing> swings() {
  return {
      {"tcp-mem-pressure-global", [](SampleBuilder& sample, double swing) { tcp_memory(sample, 0.8 * swing); }},
      {"reader-too-slow",
       [](SampleBuilder& sample, double swing) {
         sample.add(a_process(7, "api"));
         sample.add(a_socket().pid(7, "api").recv_q(70'000).rcvbuf(131'072,
                                                                   static_cast<std::uint64_t>(0.75 * 131'072 * swing)));
       }},
      {"fd-limit-reached",
       [](SampleBuilder& sample, double swing) {
         sample.add(a_process(7, "api").fds(static_cast<std::uint32_t>(900 * swing), 1'000));
       }},
      {"port-exhaustion",
       [](SampleBuilder& sample, double swing) {
         PortUse use{};
         use.netns = build::kHostNetns;
         use.source = Endpoint::v4(10, 0, 0, 1, 0);
         use.destination = Endpoint::v4(10, 0, 0, 9, 443);
         use.used = static_cast<std::uint64_t>(0.8 * 28'232 * swing);
         use.timewait = use.used;
         sample.add(use);
       }},
  };
}

std::vector<bool> seen(const Swing& one, bool stands, double below = 0.96) {
  auto fill = [&](SampleBuilder& sample, std::size_t i) { one.fill(sample, i / 6 % 2 == 0 ? 1.05 : below); };
  return Watched(one.id, fill).ticks(48, stands);
}

TEST(Standing, what_swings_about_its_mark_does_not_come_and_go) {
  for (const Swing& one : swings()) {
    SCOPED_TRACE(one.id);
    EXPECT_GE(turns(seen(one, false)), 6u) << "without it there is nothing to hold";
    EXPECT_LE(turns(seen(one, true)), 1u);
    EXPECT_TRUE(seen(one, true).back());
  }
}

TEST(Standing, what_falls_below_its_lower_mark_goes) {
  for (const Swing& one : swings()) {
    SCOPED_TRACE(one.id);
    EXPECT_GE(turns(seen(one, true, 0.5)), 6u);
  }
}

TEST(Standing, says_that_it_only_stands_and_with_which_numbers) {
  Watched host("fd-limit-reached", [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "api").fds(i < 6 ? 910 : 870, 1'000));
  });
  host.ticks(12, true);
  const Finding* finding = with_id(host.last(), "fd-limit-reached");
  ASSERT_NE(finding, nullptr);
  EXPECT_THAT(finding->confidence_why, HasSubstr("stands until it is beyond the lower mark as well"));
  for (const CheckedAndFine& fine : host.last().checked_and_fine) EXPECT_NE(fine.id, "fd-limit-reached");
}

TEST(Standing, nothing_appears_below_its_mark) {
  Watched host("tcp-mem-pressure-global", [](SampleBuilder& sample, std::size_t) { tcp_memory(sample, 0.75); });
  EXPECT_EQ(turns(host.ticks(20, true)), 0u);
  EXPECT_EQ(with_id(host.last(), "tcp-mem-pressure-global"), nullptr);
}

TEST(Standing, of_one_process_is_not_that_of_another) {
  Watched host("fd-limit-reached", [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(i < 6 ? 7 : 8, "api").fds(i < 6 ? 910 : 870, 1'000));
  });
  host.ticks(12, true);
  EXPECT_EQ(with_id(host.last(), "fd-limit-reached"), nullptr) << "it was restarted";
}

TEST(Standing, whoever_has_changed_the_setting_is_judged_anew) {
  // 0.81 of the ports, then 0.78: below the mark and above the lower one.
  auto host = [](bool widened) {
    return Watched("port-exhaustion", [=](SampleBuilder& sample, std::size_t i) {
      PortUse use{};
      use.netns = build::kHostNetns;
      use.source = Endpoint::v4(10, 0, 0, 1, 0);
      use.destination = Endpoint::v4(10, 0, 0, 9, 443);
      use.used = i < 6 ? 23'000 : 22'000;
      sample.add(use);
      if (widened && i >= 6) sample.sysctl("net.ipv4.ip_local_port_range", {32'700, 60'999});
    });
  };
  Watched left = host(false), widened = host(true);
  left.ticks(12, true);
  widened.ticks(12, true);
  EXPECT_NE(with_id(left.last(), "port-exhaustion"), nullptr);
  EXPECT_EQ(with_id(widened.last(), "port-exhaustion"), nullptr);
}

TEST(Standing, the_same_before_gives_the_same_verdict) {
  const Window window = build::a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "api").fds(i < 6 ? 910 : 870, 1'000));
    tcp_memory(sample, i < 6 ? 0.85 : 0.75);
  });
  const Verdict first = judge(window, lab());
  const Verdict second = judge(window, lab(), first.standing), again = judge(window, lab(), first.standing);
  EXPECT_EQ(second.standing, again.standing);
  ASSERT_EQ(second.findings.size(), again.findings.size());
  for (std::size_t i = 0; i < second.findings.size(); ++i) {
    EXPECT_EQ(second.findings[i].instance, again.findings[i].instance);
    EXPECT_EQ(second.findings[i].confidence_why, again.findings[i].confidence_why);
  }
}

TEST(Standing, every_threshold_clears_between_nothing_and_twice_its_mark) {
  std::size_t with_lower_mark = 0;
  for (const Rule& rule : all_rules()) {
    for (const Threshold& one : rule.thresholds) {
      EXPECT_GT(one.clears, 0) << rule.id << " " << one.name;
      EXPECT_LE(one.clears, 2) << rule.id << " " << one.name;
      with_lower_mark += one.clears != 1 ? 1 : 0;
      Policy policy;
      EXPECT_LE(policy.to_clear().value(one), std::max(one.most, one.initial)) << rule.id << " " << one.name;
    }
  }
  EXPECT_GE(with_lower_mark, 60u);
}

}  // namespace
}  // namespace tcpadvisor::standing_test
