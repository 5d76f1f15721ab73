// SPDX-License-Identifier: Apache-2.0
// Advice does what it promises: the command that a report prints is run as a person would run it, then the flow has the
// rate of its path, by the count of its interface, and the next report has nothing more to say.
#include <gtest/gtest.h>
#include <signal.h>

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

constexpr double kPathMbit = 100;
constexpr double kOfThePath = 0.95;
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
};
void PrintTo(const Case& tested, std::ostream* out) {
  *out << tested.fault;
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
  EXPECT_LT(before, 0.5 * kPathMbit) << "the fault is not there";

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
  for (int look = 0; look < 10 && after < kOfThePath * kPathMbit; ++look) {
    after = rate_mbit(fault.pid(), Millis{2'000});
  }
  EXPECT_GE(after, kOfThePath * kPathMbit) << "it was " << before << '\n' << advice.dump(2);
  const json said = report();
  EXPECT_TRUE(alarms(said, fault.subject()).empty()) << json(alarms(said, fault.subject())).dump(2);
  RecordProperty("before_mbit", std::to_string(before));
  RecordProperty("after_mbit", std::to_string(after));
  std::printf("%s: %.1f -> %.1f of %.0f Mbit/s\n", GetParam().fault, before, after, kPathMbit);
}

INSTANTIATE_TEST_SUITE_P(Of, Advice,
                         testing::Values(Case{"rmem-capped", "rcvbuf-bdp-autotune-cap", "net.ipv4.tcp_rmem"},
                                         Case{"wmem-capped", "sndbuf-bdp-autotune-cap", "net.ipv4.tcp_wmem"}),
                         [](const auto& tested) {
                           std::string name = tested.param.fault;
                           std::erase_if(name, [](char letter) { return letter == '-'; });
                           return name;
                         });

}  // namespace
}  // namespace tcpadvisor::scenario::advice_test
