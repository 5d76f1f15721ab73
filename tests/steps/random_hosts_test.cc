// SPDX-License-Identifier: Apache-2.0
// What holds for every verdict, on hosts made at random. TCPADVISOR_HOSTS sets how many (TCPADVISOR_HOSTS=200000
// build/dev/tests/steps_test --gtest_filter='RandomHosts*' takes some minutes).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "advisor/base/saturate.h"
#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/steps/random_host.h"

namespace tcpadvisor::random_hosts_test {
namespace {

using build::RandomHost;

std::uint64_t hosts() {
  const char* wanted = std::getenv("TCPADVISOR_HOSTS");
  return wanted == nullptr ? 4'000 : std::strtoull(wanted, nullptr, 10);
}

const Policy& lab() {
  static const Policy policy = *Policy::named("lab");
  return policy;
}

/// All that a reader would see, as text.
std::string text_of(const Verdict& verdict) {
  std::string out;
  for (const Finding& finding : verdict.findings) {
    out += fmt::format("{} {} {} {} {} {} | {} | {} | {}\n", finding.id, finding.instance, finding.title,
                       static_cast<int>(finding.severity), finding.cause, finding.confidence_why, finding.meaning,
                       finding.recommendation.text, fmt::join(finding.recommendation.steps, "; "));
    for (const Measurement& part : finding.evidence) {
      out += fmt::format("  {} {} {} {} {} {}\n", part.metric, part.source, part.value, part.unit, part.window_s,
                         part.samples);
    }
  }
  for (const CheckedAndFine& fine : verdict.checked_and_fine)
    out += fmt::format("{} {} {}\n", fine.id, fine.metric, fine.value);
  for (const NotAssessed& part : verdict.not_assessed) out += fmt::format("{}: {}\n", part.id, part.reason);
  return out;
}

bool of_host(const Change& change) {
  const Knob* knob = find_knob(change.knob);
  return knob != nullptr && knob->scope == KnobScope::host;
}

void expect_evidence(const Finding& finding) {
  EXPECT_FALSE(finding.evidence.empty());
  EXPECT_FALSE(finding.title.empty());
  EXPECT_FALSE(finding.meaning.empty());
  EXPECT_FALSE(finding.instance.empty());
  for (const Measurement& part : finding.evidence) {
    EXPECT_FALSE(part.metric.empty());
    EXPECT_FALSE(part.source.empty()) << part.metric;
    EXPECT_TRUE(std::isfinite(part.value)) << part.metric;
    EXPECT_GT(part.samples, 0u) << part.metric;
    EXPECT_GE(part.window_s, 0) << part.metric;
  }
}

void expect_tcp_mem_in_reason(const Change& change, const Sample& sample) {
  EXPECT_TRUE(std::ranges::is_sorted(change.target));
  EXPECT_GT(to_u64(change.target.at(1)), sample.memory.pages.value_or(0)) << "pressure starts above what is in use";
  EXPECT_LE(mul_sat(to_u64(change.target.at(2)), sample.memory.page_size), sample.host.mem_bytes / 4);
}

/// What the kernel starts with, by name; only what it starts every host of this size with.
const std::map<std::string_view, std::vector<std::int64_t>>& defaults() {
  static const std::map<std::string_view, std::vector<std::int64_t>> values = {
      {"net.ipv4.tcp_rmem", {4096, 131'072, 6'291'456}},
      {"net.ipv4.tcp_wmem", {4096, 16'384, 4'194'304}},
      {"net.core.somaxconn", {4096}},
      {"net.core.rmem_max", {212'992}},
      {"net.core.wmem_max", {212'992}},
      {"net.core.netdev_max_backlog", {1000}},
      {"net.ipv4.tcp_retries2", {15}},
      {"net.ipv4.tcp_syn_retries", {6}},
      {"net.ipv4.tcp_synack_retries", {5}},
      {"net.ipv4.tcp_fin_timeout", {60}},
  };
  return values;
}

void expect_no_folk_advice(const Finding& finding, const Change& change) {
  static const std::set<std::string_view> never = {"net.ipv4.tcp_adv_win_scale", "net.ipv4.tcp_app_win",
                                                   "net.core.rmem_default",      "net.core.wmem_default",
                                                   "net.ipv4.tcp_tw_recycle",    "net.ipv4.tcp_low_latency"};
  static const std::set<std::string_view> never_off = {
      "net.ipv4.tcp_sack",       "net.ipv4.tcp_timestamps",      "net.ipv4.tcp_window_scaling",
      "net.ipv4.tcp_syncookies", "net.ipv4.tcp_moderate_rcvbuf", "net.ipv4.tcp_dsack"};
  EXPECT_FALSE(never.contains(change.knob)) << finding.id;
  EXPECT_TRUE(!never_off.contains(change.knob) || change.target.front() != 0) << finding.id;
  auto start = defaults().find(change.knob);
  if (start == defaults().end()) return;
  for (std::size_t i = 0; i < change.target.size(); ++i) {
    const bool below = change.target[i] < start->second.at(i) && change.target[i] < change.current.at(i);
    EXPECT_TRUE(!below || !finding.recommendation.formula.empty()) << "below the kernel's default without a reason";
  }
}

void expect_possible(const Change& change, const Sample& sample) {
  const Knob* knob = find_knob(change.knob);
  ASSERT_NE(knob, nullptr) << change.knob;
  if (of_host(change)) return;
  const NetnsSample* netns = sample.find_netns(change.netns);
  ASSERT_NE(netns, nullptr) << change.knob;
  EXPECT_TRUE(netns->error.empty());
  auto now = netns->sysctls.find(std::string(change.knob));
  ASSERT_NE(now, netns->sysctls.end()) << change.knob << " is not there in " << netns->name;
  EXPECT_EQ(now->second.values, change.current) << change.knob;
  ASSERT_EQ(change.current.size(), change.target.size());
  for (std::int64_t value : change.target) {
    EXPECT_GE(value, knob->least) << change.knob;
    EXPECT_LE(value, knob->most) << change.knob;
  }
}

void expect_sound(const Verdict& verdict, const Sample& sample) {
  std::map<std::pair<std::string_view, NetnsId>, const Finding*> owners;
  for (const Finding& finding : verdict.findings) {
    SCOPED_TRACE(finding.id + ": " + finding.recommendation.text);
    expect_evidence(finding);
    EXPECT_TRUE(!finding.recommendation.change || finding.recommendation.kind == RecommendationKind::sysctl);
    if (!finding.recommendation.change) continue;
    const Change& change = *finding.recommendation.change;
    ASSERT_EQ(change.lower.size(), change.target.size());
    ASSERT_EQ(change.upper.size(), change.target.size());
    for (std::size_t i = 0; i < change.target.size(); ++i) {
      EXPECT_LE(change.lower[i], change.target[i]) << change.knob;
      EXPECT_LE(change.target[i], change.upper[i]) << change.knob;
    }
    auto [at, first] = owners.try_emplace({change.knob, of_host(change) ? 0 : change.netns}, &finding);
    EXPECT_TRUE(first) << change.knob << " is changed by " << at->second->id << ", too";
    expect_possible(change, sample);
    expect_no_folk_advice(finding, change);
    if (change.knob == "net.ipv4.tcp_mem") expect_tcp_mem_in_reason(change, sample);
  }
}

/// Of two maxima that are both raised: they fit together, with the fewest busy connections there can be.
void expect_to_fit(const Verdict& verdict, const Sample& sample) {
  std::map<NetnsId, std::vector<const Change*>> raised;
  for (const Finding& finding : verdict.findings) {
    const Boxed<Change>& change = finding.recommendation.change;
    const bool maximum = change && (change->knob == "net.ipv4.tcp_rmem" || change->knob == "net.ipv4.tcp_wmem");
    if (maximum && change->target.at(2) > change->current.at(2)) raised[change->netns].push_back(&*change);
  }
  for (const auto& [netns, both] : raised) {
    if (both.size() < 2) continue;
    const auto pages = sample.memory.limits_pages;
    ASSERT_TRUE(pages);
    const double memory = static_cast<double>((*pages)[1]) * static_cast<double>(sample.memory.page_size);
    const double wanted = static_cast<double>(both[0]->target[2]) + static_cast<double>(both[1]->target[2]);
    EXPECT_LE(8 * wanted, 0.8 * memory + 8) << netns;
  }
}

/// Which rules would set one setting of one namespace differently, before they are made one: "rule and rule: setting".
void add_contests(const std::vector<Sample>& samples, std::set<std::string>& contests) {
  const Window window = RandomHost::window_of(samples);
  const Evidence whole(window, lab());
  std::map<std::pair<std::string_view, NetnsId>, std::vector<std::pair<std::string_view, std::vector<std::int64_t>>>>
      wishes;
  for (const Rule& rule : all_rules()) {
    const Policy own = lab().of(rule.id);
    for (const Finding& finding : rule.judge(Evidence(whole, own)).findings) {
      const Boxed<Change>& change = finding.recommendation.change;
      if (change) wishes[{change->knob, of_host(*change) ? 0 : change->netns}].emplace_back(rule.id, change->target);
    }
  }
  for (const auto& [place, of_place] : wishes) {
    for (const auto& [rule, target] : of_place) {
      if (target != of_place.front().second)
        contests.insert(fmt::format("{} and {}: {}", of_place.front().first, rule, place.first));
    }
  }
}

/// The same host as another source might list it: the host's own namespace stays the first.
std::vector<Sample> shuffled(std::vector<Sample> samples, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (Sample& sample : samples) {
    std::ranges::shuffle(sample.sockets, random);
    std::ranges::shuffle(sample.owners, random);
    std::ranges::shuffle(sample.port_use, random);
    std::ranges::shuffle(sample.failed_connects, random);
    std::ranges::shuffle(sample.closes, random);
    std::ranges::shuffle(sample.cgroups, random);
    std::shuffle(sample.netns.begin() + 1, sample.netns.end(), random);
  }
  return samples;
}

/// The host after a person has done what the findings say.
void follow(const Verdict& verdict, std::vector<Sample>& samples) {
  for (const Finding& finding : verdict.findings) {
    if (!finding.recommendation.change) continue;
    const Change& change = *finding.recommendation.change;
    for (Sample& sample : samples) {
      for (NetnsSample& netns : sample.netns) {
        if (of_host(change) ? netns.is_host : netns.id == change.netns)
          netns.sysctls[std::string(change.knob)].values = change.target;
      }
    }
  }
}

/// Whether what was raised is lowered again, or the other way round.
void expect_not_turned_round(std::vector<Sample> samples, const Verdict& first) {
  std::map<std::pair<std::string, NetnsId>, std::vector<std::int64_t>> before;
  Verdict verdict = first;
  for (int step = 0; step < 3; ++step) {
    for (const Finding& finding : verdict.findings) {
      if (!finding.recommendation.change) continue;
      const Change& change = *finding.recommendation.change;
      auto [at, is_new] = before.try_emplace({std::string(change.knob), change.netns}, change.current);
      for (std::size_t i = 0; !is_new && i < change.target.size(); ++i) {
        const bool went_up = change.current[i] > at->second[i], goes_up = change.target[i] > change.current[i];
        const bool moved = change.current[i] != at->second[i] && change.target[i] != change.current[i];
        EXPECT_TRUE(!moved || went_up == goes_up) << finding.id << " turns " << change.knob << " round";
      }
      at->second = change.current;
    }
    follow(verdict, samples);
    verdict = judge(RandomHost::window_of(samples), lab());
  }
}

const std::set<std::string>& known_contests() {
  static const std::set<std::string> known = {
      "backlog-too-small and backlog-too-small: net.core.somaxconn",
      "mem-max-relation and mem-max-relation: net.ipv4.tcp_rmem",
      "rcvbuf-bdp-autotune-cap and mem-max-relation: net.ipv4.tcp_rmem",
      "sndbuf-bdp-autotune-cap and mem-max-relation: net.ipv4.tcp_wmem",
      "mem-max-relation and rcvbuf-bdp-autotune-cap: net.ipv4.tcp_rmem",
      "mem-max-relation and sndbuf-bdp-autotune-cap: net.ipv4.tcp_wmem",
      "tcp-mem-pressure-global and stale-settings: net.ipv4.tcp_mem",
      "stale-settings and tcp-mem-pressure-global: net.ipv4.tcp_mem",
  };
  return known;
}

TEST(RandomHosts, get_only_advice_that_is_sound) {
  std::size_t findings = 0, changes = 0;
  std::map<std::string, std::size_t> by_rule;
  std::set<std::string> contests;
  for (std::uint64_t seed = 1; seed <= hosts() && !HasFailure(); ++seed) {
    SCOPED_TRACE("host " + std::to_string(seed));
    const std::vector<Sample> samples = RandomHost(seed).samples();
    const Verdict verdict = judge(RandomHost::window_of(samples), lab());
    expect_sound(verdict, samples.back());
    expect_to_fit(verdict, samples.back());
    findings += verdict.findings.size();
    for (const Finding& finding : verdict.findings) {
      ++by_rule[finding.id];
      changes += finding.recommendation.change ? 1 : 0;
    }
    if (seed % 4 == 0) {
      EXPECT_EQ(text_of(judge(RandomHost::window_of(shuffled(samples, seed)), lab())), text_of(verdict));
    }
    if (seed % 4 == 1) expect_not_turned_round(samples, verdict);
    if (seed % 4 == 2) add_contests(samples, contests);
    if (seed % 4 == 3) {
      const Standing& before = verdict.standing;
      const Verdict after = judge(RandomHost::window_of(samples), lab(), before);
      EXPECT_EQ(text_of(after), text_of(verdict)) << "all that stands was said";
    }
  }
  for (const auto& [id, count] : by_rule) RecordProperty(id, static_cast<int>(count));  // in --gtest_output=json
  if (HasFailure()) return;
  // Each of them is a case of one_per_knob_test.cc: a rule that comes to it needs one there.
  for (const std::string& contest : contests) EXPECT_TRUE(known_contests().contains(contest)) << contest;
  EXPECT_GT(contests.size(), 1u);
  EXPECT_GT(findings, hosts()) << "hosts that nothing is said of prove nothing";
  EXPECT_GT(changes, hosts() / 20);
  EXPECT_GT(by_rule.size(), 25u) << "most rules are asked to speak";
}

}  // namespace
}  // namespace tcpadvisor::random_hosts_test
