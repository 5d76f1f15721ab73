// SPDX-License-Identifier: Apache-2.0
// Every scenario of `tcpadvisor port` at once, each in its own namespace, and one report over all of them: it says of
// each one what that is, names the right process, proposes no setting, and says nothing of those that are well.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/scenario/agent_report.h"
#include "tests/scenario/child.h"

namespace tcpadvisor::scenario {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

enum class Who { driver, peer };
struct Said {
  std::string id;
  Who who = Who::driver;
};

const std::map<std::string, std::vector<Said>>& expected() {
  static const std::vector<Said> watermark{{"user-queue-watermark"}}, shut_down{{"pending-shutdown-data"}};
  static const std::map<std::string, std::vector<Said>> rows{
      {"s1", shut_down},
      {"s1-classic", shut_down},
      {"s2", watermark},
      {"s3", {{"message-queue-holds-senders"}}},
      {"s4", {{"user-queue-unbounded"}, {"user-queue-unbounded"}, {"user-queue-watermark"}}},
      {"stuck_reader", watermark},
      {"blocked_send", watermark},
      {"slow_reader", {{"reader-too-slow", Who::peer}}},
      {"passive_no_recv", {{"reader-too-slow"}}},
      {"shutdown_pending", shut_down},
      {"shutdown_pending_classic", shut_down},
      {"half_close_idle", {{"fin-wait2-app-held"}}},
      {"close_wait_ignored",
       {}},  // twelve that it opened itself and that stand still: a pool for all that the kernel shows
      {"close_unread_rst", {}},
      {"linger0_rst", shut_down},
      {"peer_rst_while_pending", shut_down},
      {"send_timeout_close", shut_down},
      {"port_kill_pending", shut_down},
      {"owner_exit_pending", watermark},
      {"tiny_nodelay", {}},
      {"tiny_nagle", {}},
      {"tiny_delay_bang", {}},
      {"small_sndbuf_fast_reader", {}},
  };
  return rows;
}

struct Playing {
  Child scenario;
  std::uint32_t pid = 0, peer_pid = 0;
};

Playing play(const std::string& name) {
  Playing playing{Child({agent_binary(), "port", "scenario", name, "--hold", "20s", "--json"})};
  while (auto line = playing.scenario.read_line(10s)) {
    json said = json::parse(*line, nullptr, false);
    if (said.value("kind", "") != "connections") continue;
    playing.pid = said.at("pid").get<std::uint32_t>();
    playing.peer_pid = said.at("peer_pid").get<std::uint32_t>();
    break;
  }
  EXPECT_NE(playing.pid, 0U) << name << " does not begin";
  return playing;
}

TEST(PortReport, says_of_every_scenario_what_it_is) {
  if (std::string why = why_not_root(); !why.empty()) GTEST_SKIP() << why;
  std::map<std::string, Playing> playing;
  for (const auto& [name, said] : expected()) playing.emplace(name, play(name));
  // Some stories turn at 0.4 of the 20 s: the report, of 8 s, must not end just then.
  std::this_thread::sleep_for(1'500ms);
  const json all_told = report();
  for (const auto& [name, said] : expected()) {
    SCOPED_TRACE(name);
    const Playing& one = playing.at(name);
    json told = all_told;
    // Its Recv-Q is empty for a moment ten times a second, and the last look may fall into one: then we look again.
    if (name == "slow_reader" && alarms(told, Subject{{one.pid, one.peer_pid}, {}}).empty()) told = report();
    std::vector<Expected> alarms;
    for (const Said& alarm : said) {
      Expected wanted;
      wanted.id = alarm.id;
      wanted.pid = alarm.who == Who::driver ? one.pid : one.peer_pid;
      alarms.push_back(std::move(wanted));
    }
    expect_alarms(told, Subject{{one.pid, one.peer_pid}, {}}, alarms);
  }
  EXPECT_EQ(all_told.at("lost").value("user_queues_refused", 99), 0) << "a word of ours was not believed";
}

TEST(PortReport, every_scenario_has_a_row_here) {
  Ended listed = run({agent_binary(), "port", "list"}, 10s);
  std::size_t names = 0;
  for (std::size_t at = 0; (at = listed.out.find("\n  ", at)) != std::string::npos; ++names) at += 3;
  EXPECT_EQ(names, expected().size()) << listed.out;
}

}  // namespace
}  // namespace tcpadvisor::scenario
