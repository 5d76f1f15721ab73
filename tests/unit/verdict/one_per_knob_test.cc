// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/one_per_knob.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "advisor/base/saturate.h"
#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"
#include "tests/unit/verdict/capped_flows.h"

namespace tcpadvisor::one_per_knob_test {
namespace {

using build::a_socket;
using build::a_window;
using build::capped_flows;
using build::SampleBuilder;
using testing::ElementsAre;
using testing::HasSubstr;

using Values = std::vector<std::int64_t>;
using Fill = std::function<void(SampleBuilder&, std::size_t)>;

const Policy& lab() {
  static const Policy policy = *Policy::named("lab");
  return policy;
}

/// A finding of any rule that would set `knob` of the host.
Finding a_wish(std::string id, std::string_view knob, const Values& current, const Values& target,
               FindingClass finding_class = FindingClass::kernel_config) {
  Finding finding;
  finding.instance = "of-" + id;
  finding.id = std::move(id);
  finding.severity = Severity::warning;
  finding.finding_class = finding_class;
  Change change;
  change.knob = knob;
  change.current = current;
  change.lower = change.target = change.upper = target;
  finding.recommendation.kind = RecommendationKind::sysctl;
  finding.recommendation.text = "as the rule says it";
  finding.recommendation.formula = "arithmetic of " + finding.id;
  finding.recommendation.verify = "look again";
  finding.recommendation.change = std::move(change);
  return finding;
}

std::vector<Finding> agreed(std::vector<Finding> findings) {
  const Window window = a_window(3, [](SampleBuilder&, std::size_t) {});
  one_per_knob(Evidence(window, lab()), findings);
  return findings;
}

std::vector<const Finding*> with_change(const std::vector<Finding>& findings) {
  std::vector<const Finding*> out;
  for (const Finding& finding : findings) {
    if (finding.recommendation.change) out.push_back(&finding);
  }
  return out;
}

struct Pair {
  std::string_view knob;
  Values current, first, second, together;
  FindingClass first_class = FindingClass::kernel_config, second_class = FindingClass::kernel_config;
};

TEST(OneChange, of_two_wishes_is_one_value_in_either_order) {
  constexpr auto kMemory = FindingClass::memory;
  for (const Pair& pair :
       {Pair{"net.core.somaxconn", {128}, {1024}, {8192}, {8192}},
        Pair{"net.ipv4.ip_local_port_range", {32'768, 60'999}, {20'000, 60'999}, {15'000, 65'535}, {15'000, 65'535}},
        Pair{"net.ipv4.ip_local_port_range", {32'768, 60'999}, {15'000, 60'999}, {20'000, 65'535}, {15'000, 65'535}},
        Pair{"net.ipv4.tcp_notsent_lowat", {4'000'000}, {131'072}, {65'536}, {131'072}},
        Pair{"net.ipv4.tcp_fin_timeout", {60}, {30}, {120}, {30}},
        Pair{"net.ipv4.tcp_rmem", {1, 9, 20}, {1, 5, 20}, {1, 9, 80}, {1, 5, 80}},
        Pair{"net.ipv4.tcp_rmem", {1, 9, 20}, {1, 9, 15}, {1, 9, 80}, {1, 9, 15}, kMemory},
        Pair{"net.ipv4.tcp_rmem", {1, 9, 90}, {1, 9, 60}, {1, 9, 40}, {1, 9, 40}, kMemory, kMemory},
        Pair{"net.ipv4.tcp_rmem", {1, 9, 90}, {1, 9, 60}, {1, 9, 40}, {1, 9, 60}, kMemory},
        // The parts would not be in order.
        Pair{"net.ipv4.tcp_mem", {1, 2, 900}, {3, 4, 5}, {20, 30, 40}, {20, 30, 40}, kMemory}}) {
    const Finding one = a_wish("first", pair.knob, pair.current, pair.first, pair.first_class);
    const Finding other = a_wish("second", pair.knob, pair.current, pair.second, pair.second_class);
    for (const bool turned : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {} and {}{}", pair.knob, values_text(pair.first), values_text(pair.second),
                               turned ? ", turned" : ""));
      const std::vector<Finding> both =
          agreed(turned ? std::vector<Finding>{other, one} : std::vector<Finding>{one, other});
      ASSERT_EQ(with_change(both).size(), 1u);
      const Change& change = *with_change(both).front()->recommendation.change;
      EXPECT_EQ(change.target, pair.together);
      for (std::size_t at = 0; at < change.target.size(); ++at) {
        EXPECT_LE(change.lower[at], change.target[at]);
        EXPECT_LE(change.target[at], change.upper[at]);
      }
    }
  }
}

TEST(OneChange, is_referred_to_by_all_that_wanted_it) {
  const std::vector<Finding> all =
      agreed({a_wish("a", "net.core.somaxconn", {128}, {1024}), a_wish("b", "net.core.somaxconn", {128}, {8192}),
              a_wish("c", "net.core.somaxconn", {128}, {4096})});
  EXPECT_EQ(all[1].recommendation.text, "as the rule says it");
  for (const Finding* other : {&all[0], &all[2]}) {
    EXPECT_EQ(other->recommendation.text, "Covered by net.core.somaxconn = 8192 of finding of-b.");
    EXPECT_EQ(other->recommendation.kind, RecommendationKind::none);
    EXPECT_EQ(other->recommendation.verify, "look again");
    EXPECT_EQ(other->severity, Severity::warning);
  }
}

TEST(OneChange, made_of_parts_shows_the_arithmetic_of_all) {
  const std::vector<Finding> all = agreed({a_wish("grow", "net.ipv4.tcp_rmem", {1, 9, 20}, {1, 9, 80}),
                                           a_wish("start", "net.ipv4.tcp_rmem", {1, 9, 20}, {1, 5, 20})});
  ASSERT_EQ(with_change(all).size(), 1u);
  const Recommendation& cure = with_change(all).front()->recommendation;
  EXPECT_THAT(cure.text, HasSubstr("net.ipv4.tcp_rmem = 1 5 80: one value for this finding and for of-start (start)"));
  EXPECT_THAT(cure.formula, HasSubstr("arithmetic of grow; start: arithmetic of start"));
}

TEST(OneChange, lowering_beats_raising_and_the_loser_says_why) {
  const std::vector<Finding> all =
      agreed({a_wish("speed", "net.ipv4.tcp_rmem", {1, 9, 20}, {1, 9, 80}),
              a_wish("safety", "net.ipv4.tcp_rmem", {1, 9, 20}, {1, 9, 10}, FindingClass::memory)});
  ASSERT_THAT(with_change(all), ElementsAre(&all[1]));
  EXPECT_EQ(all[0].severity, Severity::info);
  EXPECT_EQ(all[0].recommendation.text,
            "Do not raise net.ipv4.tcp_rmem now: finding of-safety (safety) lowers it, and memory comes before speed "
            "(net.ipv4.tcp_rmem = 1 9 10).");
}

TEST(OneChange, of_two_namespaces_is_two) {
  Finding inside = a_wish("b", "net.core.somaxconn", {128}, {8192});
  inside.recommendation.change->netns = 99;
  inside.recommendation.change->host_netns = false;
  Finding elsewhere = inside;
  elsewhere.recommendation.change->netns = 98;
  EXPECT_EQ(with_change(agreed({a_wish("a", "net.core.somaxconn", {128}, {1024}), inside, elsewhere})).size(), 3u);
}

// Through real rules.

Verdict judged(const Fill& fill) {
  return judge(a_window(8, fill), lab());
}

/// By setting: the findings that change it, and their values.
std::multimap<std::string_view, const Finding*> changes_of(const Verdict& verdict) {
  std::multimap<std::string_view, const Finding*> out;
  for (const Finding& finding : verdict.findings) {
    if (finding.recommendation.change) out.emplace(finding.recommendation.change->knob, &finding);
  }
  return out;
}

const Finding* with_id(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.findings, id, &Finding::id);
  return found == verdict.findings.end() ? nullptr : &*found;
}

TEST(BothMaxima, that_fit_together_are_both_raised_and_say_so) {
  const Verdict verdict = judged(capped_flows);
  const Finding* in = with_id(verdict, "rcvbuf-bdp-autotune-cap");
  const Finding* out = with_id(verdict, "sndbuf-bdp-autotune-cap");
  ASSERT_TRUE(in != nullptr && out != nullptr);
  ASSERT_TRUE(in->recommendation.change && out->recommendation.change);
  EXPECT_EQ(in->recommendation.change->target, (Values{4096, 131'072, 6 << 20}));
  EXPECT_EQ(out->recommendation.change->target, (Values{4096, 16'384, 4 << 20}));
  EXPECT_THAT(in->recommendation.formula, HasSubstr("with net.ipv4.tcp_wmem = 4 MiB: 8 busy"));
  EXPECT_THAT(in->recommendation.formula, HasSubstr("8 busy connections x (6 MiB + 4 MiB) = 80 MiB <="));
  EXPECT_EQ(in->recommendation.worst_case_memory_bytes, 80u << 20);
}

TEST(BothMaxima, that_pass_alone_and_not_together_are_raised_less) {
  const Verdict verdict = judged([](SampleBuilder& sample, std::size_t i) {
    capped_flows(sample, i);
    // 64 MiB for eight busy connections: 8 MiB each.
    sample.set([](Sample& one) { one.memory.limits_pages = {{15'000, 20'480, 30'000}}; });
  });
  const Finding* in = with_id(verdict, "rcvbuf-bdp-autotune-cap");
  const Finding* out = with_id(verdict, "sndbuf-bdp-autotune-cap");
  ASSERT_TRUE(in != nullptr && out != nullptr);
  ASSERT_TRUE(in->recommendation.change && out->recommendation.change);
  const std::uint64_t both =
      to_u64(in->recommendation.change->target[2]) + to_u64(out->recommendation.change->target[2]);
  EXPECT_LE(8 * both, 64u << 20);
  EXPECT_EQ(in->recommendation.change->target[2], 4 << 20) << "6 MiB would pass beside the 128 KiB of now";
  EXPECT_THAT(in->recommendation.text, HasSubstr("less than it would be alone"));
  EXPECT_THAT(in->recommendation.formula, HasSubstr("8 busy connections x (4 MiB + 4 MiB) = 64 MiB <= 80 % of"));
}

TEST(BothMaxima, of_which_only_one_fits_are_one_change_and_one_reason) {
  const Verdict verdict = judged([](SampleBuilder& sample, std::size_t i) {
    capped_flows(sample, i);
    sample.set([](Sample& one) { one.memory.limits_pages = {{1'000, 1'750, 2'000}}; });  // 700 KiB each
  });
  const auto changes = changes_of(verdict);
  std::uint64_t raised = 0;
  for (const auto& [knob, finding] : changes) {
    const Change& change = *finding->recommendation.change;
    if (knob == "net.ipv4.tcp_rmem" || knob == "net.ipv4.tcp_wmem") ++raised;
    EXPECT_LE(8 * (to_u64(change.target[2]) + (knob == "net.ipv4.tcp_rmem" ? 131'072 : 262'144)), 5'734'400u);
  }
  EXPECT_EQ(raised, 1u);
  for (std::string_view id : {"rcvbuf-bdp-autotune-cap", "sndbuf-bdp-autotune-cap"}) {
    const Finding* finding = with_id(verdict, id);
    ASSERT_NE(finding, nullptr);
    if (finding->recommendation.change) continue;
    EXPECT_EQ(finding->severity, Severity::info);
    EXPECT_THAT(finding->recommendation.text, HasSubstr("Do not raise net.ipv4.tcp_"));
  }
}

/// A host on which two rules would set `knob`.
struct Contest {
  std::string_view knob;
  std::set<std::string_view> rules;
  Fill fill;
};

std::vector<Contest> contests() {
  auto two_listeners = [](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.core.somaxconn", {8});
    sample.add(a_socket().cookie(1).listen(80, 0, 8).pid(1, "a").drops(i < 5 ? 0 : 347));
    sample.add(a_socket().cookie(2).listen(81, 0, 8).pid(2, "b").drops(i < 5 ? 0 : 3000));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 3347);
  };
  auto unordered_in = [](SampleBuilder& sample, std::size_t i) {
    capped_flows(sample, i);
    sample.sysctl("net.ipv4.tcp_rmem", {4096, 300'000, 262'144});
  };
  auto unordered_out = [](SampleBuilder& sample, std::size_t i) {
    capped_flows(sample, i);
    sample.sysctl("net.ipv4.tcp_wmem", {4096, 200'000, 131'072});
  };
  auto large_start = [](SampleBuilder& sample, std::size_t i) {
    capped_flows(sample, i);
    sample.sysctl("net.ipv4.tcp_rmem", {4096, 262'145, 262'145}).count(TcpState::established, 60'000);
  };
  auto both_about_tcp_mem = [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& one) {
      one.memory.limits_pages = {{100, 200, 3'000'000}};
      one.memory.pages = 190;
    });
    sample.sysctl("net.ipv4.tcp_mem", {100, 200, 3'000'000});
  };
  auto two_destinations = [](SampleBuilder& sample, std::size_t) {
    for (std::uint8_t last : {8, 9}) {
      PortUse use{};
      use.netns = build::kHostNetns;
      use.source = Endpoint::v4(10, 0, 0, 1, 0);
      use.destination = Endpoint::v4(10, 0, 0, last, 443);
      use.used = 27'000;
      use.timewait = 26'000;
      sample.add(use);
    }
  };
  return {{"net.core.somaxconn", {"backlog-too-small"}, two_listeners},
          {"net.ipv4.tcp_rmem", {"rcvbuf-bdp-autotune-cap", "mem-max-relation"}, unordered_in},
          {"net.ipv4.tcp_rmem", {"rcvbuf-bdp-autotune-cap", "mem-max-relation"}, large_start},
          {"net.ipv4.tcp_wmem", {"sndbuf-bdp-autotune-cap", "mem-max-relation"}, unordered_out},
          {"net.ipv4.tcp_mem", {"tcp-mem-pressure-global", "stale-settings"}, both_about_tcp_mem},
          {"net.ipv4.ip_local_port_range", {"port-exhaustion"}, two_destinations}};
}

TEST(Contests, each_pair_of_rules_leaves_one_change_that_the_other_names) {
  for (const Contest& contest : contests()) {
    SCOPED_TRACE(fmt::format("{} by {}", contest.knob, fmt::join(contest.rules, ", ")));
    // Each of them would set it.
    const Window window = a_window(8, contest.fill);
    std::size_t wishes = 0;
    for (const Rule& rule : all_rules()) {
      const Policy own = lab().of(rule.id);
      const Evidence whole(window, lab());
      for (const Finding& finding : rule.judge(Evidence(whole, own)).findings) {
        const Boxed<Change>& change = finding.recommendation.change;
        wishes += change && change->knob == contest.knob && contest.rules.contains(rule.id) ? 1 : 0;
      }
    }
    EXPECT_GE(wishes, 2u) << "no contest";
    const Verdict verdict = judge(window, lab());
    const auto changes = changes_of(verdict);
    ASSERT_EQ(changes.count(contest.knob), 1u);
    const Finding& bearer = *changes.find(contest.knob)->second;
    EXPECT_TRUE(std::ranges::is_sorted(bearer.recommendation.change->target));
    EXPECT_FALSE(bearer.recommendation.formula.empty());
    for (const Finding& finding : verdict.findings) {
      if (!contest.rules.contains(finding.id) || &finding == &bearer) continue;
      const std::string& text = finding.recommendation.text;
      if (!text.starts_with("Covered by") && !text.starts_with("Do not raise")) continue;
      EXPECT_THAT(text, HasSubstr(bearer.instance));
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::one_per_knob_test
