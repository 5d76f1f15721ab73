// SPDX-License-Identifier: Apache-2.0
// Advice does what it promises: the command that a report prints is run as a person would run it, then the flow has the
// rate of its path, by the count of its interface, and the next report has nothing more to say.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::advice_test {
namespace {

using nlohmann::json;

constexpr double kOfThePath = 0.95;
constexpr double kPromise = 1.25;      // times the promised value, at most: it is one that falls
constexpr double kHardlyWaits = 0.05;  // of the busy time, where no waiting at all is promised
constexpr Millis kPatience{20'000};

/// Bytes that have passed the link's device in the namespace of this process, in the larger direction.
std::optional<double> link_bytes(std::uint32_t pid) {
  std::ifstream table("/proc/" + std::to_string(pid) + "/net/dev");
  for (std::string line; std::getline(table, line);) {
    const std::size_t colon = line.find("fault0:");
    if (colon == std::string::npos) {
      continue;
    }
    std::istringstream numbers(line.substr(colon + 7));
    std::vector<double> all;
    for (double number = 0; numbers >> number;) {
      all.push_back(number);
    }
    constexpr std::size_t kReceived = 0, kSent = 8;
    return all.size() > kSent ? std::optional(std::max(all[kReceived], all[kSent])) : std::nullopt;
  }
  return std::nullopt;
}

double rate_mbit(std::uint32_t pid, Millis time) {
  const auto begin = std::chrono::steady_clock::now();
  const double before = link_bytes(pid).value_or(0);
  std::this_thread::sleep_for(time);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return (link_bytes(pid).value_or(0) - before) * 8 / 1e6 / took.count();
}

struct Case {
  const char *fault, *rule, *knob;
  double path_mbit = 0;
  double path_ms = 0;
};
void PrintTo(const Case& tested, std::ostream* out) {
  *out << tested.fault;
}

/// What `ss` says of the bulk flow where that process is: the number behind this name, nothing if it is not printed.
std::optional<double> from_ss(std::uint32_t pid, const std::string& name) {
  const Ended ss = run({"nsenter", "-t", std::to_string(pid), "-n", "ss", "-tinH", "state", "established"}, kPatience);
  const std::size_t at = ss.out.find(" " + name + ":");
  if (at == std::string::npos) {
    return std::nullopt;
  }
  return std::stod(ss.out.substr(at + name.size() + 2));
}

/// The data of a round trip, of the window that its sender sees.
double window_used(const Fault& fault, const Case& tested, double mbit) {
  const double window = from_ss(fault.peer_pid(), "snd_wnd").value_or(0);
  return window > 0 ? mbit * 1e6 / 8 * tested.path_ms / 1'000 / window : 1;
}

/// The share of its busy time in which the sender has no room for more.
double waits_for_room(const Fault& fault, Millis time) {
  auto look = [&] {
    return std::pair(from_ss(fault.pid(), "busy").value_or(0), from_ss(fault.pid(), "sndbuf_limited").value_or(0));
  };
  const auto before = look();
  std::this_thread::sleep_for(time);
  const auto after = look();
  return after.first > before.first ? (after.second - before.second) / (after.first - before.first) : 1;
}

class Advice : public testing::TestWithParam<Case> {};

TEST_P(Advice, WrittenByHandBringsTheRateOfThePath) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  if (in_guest()) {
    GTEST_SKIP() << "emulated processors do not carry a path of this rate";
  }
  const Fault fault({GetParam().fault, "--own-netns"});
  if (!fault.skipped().empty()) {
    GTEST_SKIP() << fault.skipped();
  }
  ASSERT_TRUE(fault.stands()) << fault.error();
  const double before = rate_mbit(fault.pid(), Millis{2'000});
  EXPECT_LT(before, 0.75 * GetParam().path_mbit) << "the fault is not there";

  json advice;
  for (int attempt = 0; attempt < 3 && advice.is_null(); ++attempt) {  // only silence is asked again
    for (const json& finding : alarms(report(), fault.subject())) {
      if (finding.value("id", "") == GetParam().rule) {
        advice = finding["recommendation"];
      }
    }
  }
  ASSERT_FALSE(advice.is_null()) << "nothing was said";
  ASSERT_EQ(advice.value("knob", ""), GetParam().knob);
  const Ended written = run({"sh", "-c", advice.value("apply", "")}, kPatience);
  ASSERT_EQ(written.exit_code, 0) << advice.dump(2) << written.err;

  if (advice.value("knob", "") == "net.ipv4.tcp_rmem") {
    EXPECT_TRUE(advice.dump().contains("connect again")) << advice.dump(2);
    ASSERT_EQ(kill(static_cast<pid_t>(fault.peer_pid()), SIGHUP), 0);  // the sender connects again
  }

  // A busy machine carries less for a while.
  double after = 0;
  for (int look = 0; look < 10 && after < kOfThePath * GetParam().path_mbit; ++look) {
    after = rate_mbit(fault.pid(), Millis{2'000});
  }
  EXPECT_GE(after, kOfThePath * GetParam().path_mbit) << "it was " << before << '\n' << advice.dump(2);
  const json& promised = advice.at("expected_effect");
  const double effect = advice.value("knob", "") == "net.ipv4.tcp_rmem" ? window_used(fault, GetParam(), after)
                                                                        : waits_for_room(fault, Millis{2'000});
  EXPECT_LE(effect, std::max(kPromise * promised.value("to", 0.0), kHardlyWaits)) << promised.dump();
  EXPECT_LT(effect, promised.value("from", 0.0)) << promised.dump();
  const json said = report();
  EXPECT_TRUE(alarms(said, fault.subject()).empty()) << json(alarms(said, fault.subject())).dump(2);
  RecordProperty("before_mbit", std::to_string(before));
  RecordProperty("after_mbit", std::to_string(after));
  std::printf("%s: %.1f -> %.1f of %.0f Mbit/s; %s: %.2f, promised %.2f -> %.2f\n", GetParam().fault, before, after,
              GetParam().path_mbit, promised.value("metric", "").c_str(), effect, promised.value("from", 0.0),
              promised.value("to", 0.0));
}

/// What this rule says about the fault's namespace, after at most so many reports.
json said_there(const Fault& fault, const std::string& rule, int reports) {
  for (int attempt = 0; attempt < reports; ++attempt) {
    for (const json& finding : alarms(report(), fault.subject())) {
      if (finding.value("id", "") == rule) {
        return finding;
      }
    }
  }
  return nullptr;
}

class SettingAdvice : public testing::TestWithParam<Case> {};

TEST_P(SettingAdvice, WrittenByHandIsTheEndOfIt) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  if (in_guest()) {
    GTEST_SKIP() << "the real processors have shown it, and emulated ones carry the flows too slowly";
  }
  const Fault fault({GetParam().fault, "--own-netns"});
  if (!fault.skipped().empty()) {
    GTEST_SKIP() << fault.skipped();
  }
  ASSERT_TRUE(fault.stands()) << fault.error();
  const json before = said_there(fault, GetParam().rule, 3);
  ASSERT_FALSE(before.is_null()) << "nothing was said";
  const json& advice = before.at("recommendation");
  ASSERT_EQ(advice.value("knob", ""), GetParam().knob);
  const Ended written = run({"sh", "-c", advice.value("apply", "")}, kPatience);
  ASSERT_EQ(written.exit_code, 0) << advice.dump(2) << written.err;
  std::this_thread::sleep_for(Millis{3'000});
  const json after = said_there(fault, GetParam().rule, 1);
  EXPECT_TRUE(after.is_null()) << after.dump(2);
}

INSTANTIATE_TEST_SUITE_P(
    Of, SettingAdvice,
    testing::Values(Case{"moderate-off", "mem-max-relation", "net.ipv4.tcp_moderate_rcvbuf"},
                    Case{"slow-bursts", "slow-start-after-idle", "net.ipv4.tcp_slow_start_after_idle"},
                    Case{"time-wait-overflow", "tw-bucket-overflow", "net.ipv4.tcp_max_tw_buckets"},
                    Case{"abort-on-overflow", "abort-on-overflow-set", "net.ipv4.tcp_abort_on_overflow"}),
    [](const auto& tested) {
      std::string name = tested.param.fault;
      std::erase_if(name, [](char letter) { return letter == '-'; });
      return name;
    });

class EnoughRoom : public testing::TestWithParam<const char*> {};

TEST_P(EnoughRoom, NothingIsSaid) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  if (in_guest()) {
    GTEST_SKIP() << "emulated processors do not carry a path of this rate";
  }
  const Fault fault({GetParam(), "--own-netns"});
  if (!fault.skipped().empty()) {
    GTEST_SKIP() << fault.skipped();
  }
  ASSERT_TRUE(fault.stands()) << fault.error();
  const json said = report();
  EXPECT_TRUE(alarms(said, fault.subject()).empty()) << json(alarms(said, fault.subject())).dump(2);
}

INSTANTIATE_TEST_SUITE_P(Of, EnoughRoom, testing::Values("rmem-fast", "wmem-fast"), [](const auto& tested) {
  std::string name = tested.param;
  std::erase_if(name, [](char letter) { return letter == '-'; });
  return name;
});

INSTANTIATE_TEST_SUITE_P(
    Of, Advice,
    testing::Values(Case{"rmem-capped-fast", "rcvbuf-bdp-autotune-cap", "net.ipv4.tcp_rmem", 400, 50},
                    Case{"wmem-capped-fast", "sndbuf-bdp-autotune-cap", "net.ipv4.tcp_wmem", 400, 50}),
    [](const auto& tested) {
      std::string name = tested.param.fault;
      std::erase_if(name, [](char letter) { return letter == '-'; });
      return name;
    });

}  // namespace
}  // namespace tcpadvisor::scenario::advice_test
