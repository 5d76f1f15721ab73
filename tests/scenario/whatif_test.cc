// SPDX-License-Identifier: Apache-2.0
// What `whatif` says comes true: it is asked, then the setting is written, and the same number is measured by others:
// the counter of an interface, /proc/net/tcp, connect()'s own errors.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::whatif_test {
namespace {

using nlohmann::json;

constexpr double kNear = 0.25;  // of what was said
constexpr Millis kPatience{60'000};

std::string why_not_here() {
  if (std::string why = why_not_root(); !why.empty()) return why;
  if (in_guest()) return "emulated processors do not carry a path of this rate";
  return in_path("python3") ? "" : "python3 is not installed";
}

json ask(std::uint32_t pid, const std::vector<std::string>& question, const char* length) {
  std::vector<std::string> command{agent_binary(), "whatif"};
  command.insert(command.end(), question.begin(), question.end());
  for (const std::string& more : {std::string("--netns"), "pid:" + std::to_string(pid), std::string("--for"),
                                  std::string(length), std::string("--format"), std::string("json")})
    command.push_back(more);
  const Ended ended = run(command, kPatience);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const json said = json::parse(ended.out, nullptr, false);
  EXPECT_FALSE(said.is_discarded()) << ended.out;
  return said;
}

/// The first effect of that name; null if there is none.
json effect_in(const json& said, const std::string& metric) {
  if (!said.is_object()) return nullptr;
  for (const json& answer : said.at("answers")) {
    for (const json& effect : answer.at("effects")) {
      if (effect.value("metric", "") == metric) return effect;
    }
  }
  return nullptr;
}

void write_setting(std::uint32_t pid, const std::string& setting) {
  const Ended written = run({"nsenter", "-t", std::to_string(pid), "-n", "sysctl", "-qw", setting}, kPatience);
  ASSERT_EQ(written.exit_code, 0) << written.err;
}

/// Bytes that have passed the link's device where that process is, in the larger direction.
double link_bytes(std::uint32_t pid) {
  std::ifstream table("/proc/" + std::to_string(pid) + "/net/dev");
  for (std::string line; std::getline(table, line);) {
    const std::size_t colon = line.find("fault0:");
    if (colon == std::string::npos) continue;
    std::istringstream numbers(line.substr(colon + 7));
    std::vector<double> all;
    for (double number = 0; numbers >> number;) all.push_back(number);
    if (all.size() > 8) return std::max(all[0], all[8]);
  }
  return 0;
}

double rate_of(std::uint32_t pid, Millis time) {
  const auto begin = std::chrono::steady_clock::now();
  const double before = link_bytes(pid);
  std::this_thread::sleep_for(time);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return (link_bytes(pid) - before) / took.count();
}

void expect_near(double measured, const json& effect) {
  const double said = effect.value("to", 0.0);
  EXPECT_NEAR(measured, said, kNear * said) << effect.dump(2);
  std::printf("said %.4g -> %.4g, measured %.4g (%+.0f %%)\n", effect.value("from", 0.0), said, measured,
              100 * (measured / said - 1));
}

struct Case {
  const char *fault, *knob, *triple, *last;
};
void PrintTo(const Case& tested, std::ostream* out) {
  *out << tested.fault << ' ' << tested.last;
}

class BufferMaximum : public testing::TestWithParam<Case> {};

TEST_P(BufferMaximum, BringsTheRateThatWasSaid) {
  if (const std::string why = why_not_here(); !why.empty()) GTEST_SKIP() << why;
  const Case& tested = GetParam();
  const Fault fault({tested.fault, "--own-netns"});
  if (!fault.skipped().empty()) GTEST_SKIP() << fault.skipped();
  ASSERT_TRUE(fault.stands()) << fault.error();
  json effect;
  for (int look = 0; look < 3 && effect.is_null(); ++look)
    effect = effect_in(ask(fault.pid(), {std::string(tested.knob) + "[2]=" + tested.last}, "6s"), "rate");
  ASSERT_FALSE(effect.is_null()) << "no effect was seen";
  ASSERT_GT(std::abs(effect.value("from", 0.0) - effect.value("to", 0.0)), kNear * effect.value("to", 0.0))
      << "a flow that stays as it is would pass, too";
  write_setting(fault.pid(), std::string("net.ipv4.") + tested.knob + "=" + tested.triple + " " + tested.last);
  ASSERT_EQ(kill(static_cast<pid_t>(fault.peer_pid()), SIGHUP), 0);  // where it is the sender, it connects again
  std::this_thread::sleep_for(Millis{3'000});
  // A busy machine carries less for a while: of several looks the one that is nearest counts.
  const double said = effect.value("to", 0.0);
  double measured = 0;
  for (int look = 0; look < 6 && std::abs(measured - said) > kNear * said; ++look)
    measured = rate_of(fault.pid(), Millis{3'000});
  expect_near(measured, effect);
}

INSTANTIATE_TEST_SUITE_P(Of, BufferMaximum,
                         testing::Values(Case{"rmem-capped-fast", "tcp_rmem", "4096 131072", "3600000"},
                                         Case{"rmem-capped-fast", "tcp_rmem", "4096 131072", "1500000"},
                                         Case{"wmem-capped-fast", "tcp_wmem", "4096 16384", "3600000"}),
                         [](const auto& tested) { return std::string(tested.param.knob) + tested.param.last; });

/// `python3 -c TEXT` in a namespace of its own; it says a line when it is ready, and goes on at SIGUSR1.
class InOwnNetns {
 public:
  InOwnNetns(const std::string& text, const std::vector<std::string>& arguments)
      : netns_(new_netns()), child_(command_of(text, arguments), ChildOptions{.netns_fd = netns_.get()}) {}
  std::optional<std::string> line() { return child_.read_line(kPatience); }
  void go_on() const { child_.signal(SIGUSR1); }
  std::uint32_t pid() const { return static_cast<std::uint32_t>(child_.pid()); }

 private:
  static std::vector<std::string> command_of(const std::string& text, const std::vector<std::string>& arguments) {
    std::vector<std::string> out{"python3", "-c", text};
    out.insert(out.end(), arguments.begin(), arguments.end());
    return out;
  }
  os::UniqueFd netns_;
  Child child_;
};

/// A listener that accepts nothing, and after the signal a burst of connections to it; says how many it holds then.
constexpr const char* kBurst = R"py(
import signal, socket, sys, time
go = []
signal.signal(signal.SIGUSR1, lambda *_: go.append(1))
backlog, count = int(sys.argv[1]), int(sys.argv[2])
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(backlog)
port = s.getsockname()[1]
print("ready", flush=True)
while not go: time.sleep(0.01)
clients = []
for _ in range(count):
    c = socket.socket(); c.setblocking(False); c.connect_ex(("127.0.0.1", port)); clients.append(c)
time.sleep(0.5)
held = 0
for line in open("/proc/net/tcp").read().splitlines()[1:]:
    f = line.split()
    held += f[1].endswith(":%04X" % port) and f[3] == "01"
print(held, flush=True)
time.sleep(600)
)py";

TEST(Backlog, HoldsOfABurstWhatWasSaid) {
  if (const std::string why = why_not_here(); !why.empty()) GTEST_SKIP() << why;
  constexpr double kCount = 200;
  InOwnNetns narrow(kBurst, {"64", "200"}), wide(kBurst, {"128", "200"});
  ASSERT_TRUE(narrow.line());
  ASSERT_TRUE(wide.line());
  const json effect = effect_in(ask(narrow.pid(), {"backlog=128", "burst=200"}, "2s"), "turned_away");
  ASSERT_FALSE(effect.is_null());
  wide.go_on();
  const auto held = wide.line();
  ASSERT_TRUE(held);
  expect_near(kCount - std::stod(*held), effect);
  narrow.go_on();
  const auto before = narrow.line();
  ASSERT_TRUE(before);
  EXPECT_NEAR(kCount - std::stod(*before), effect.value("from", 0.0), kNear * effect.value("from", 0.0));
}

/// Connections one after the other, closed by the client; 60 before the signal, and then as many as there are ports
/// for.
constexpr const char* kClients = R"py(
import signal, socket, threading, time
go = []
signal.signal(signal.SIGUSR1, lambda *_: go.append(1))
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(64)
def serve():
    while True:
        c, _ = s.accept()
        c.recv(1)
        c.close()
threading.Thread(target=serve, daemon=True).start()
def once():
    try:
        c = socket.create_connection(s.getsockname())
    except OSError:
        return False
    c.close()
    return True
for _ in range(60): once()
print("ready", flush=True)
while not go: time.sleep(0.01)
count = 0
while count < 5000 and once(): count += 1
print(count, flush=True)
time.sleep(600)
)py";

TEST(PortRange, HasTheConnectionsThatWereSaid) {
  if (const std::string why = why_not_here(); !why.empty()) GTEST_SKIP() << why;
  const os::UniqueFd netns = new_netns();
  const ChildOptions inside{.netns_fd = netns.get()};
  ASSERT_EQ(
      run({"sysctl", "-qw", "net.ipv4.ip_local_port_range=20000 20099", "net.ipv4.tcp_tw_reuse=0"}, kPatience, inside)
          .exit_code,
      0);
  Child clients({"python3", "-c", kClients}, inside);
  ASSERT_TRUE(clients.read_line(kPatience));
  const auto pid = static_cast<std::uint32_t>(clients.pid());
  const json effect = effect_in(ask(pid, {"ip_local_port_range=20000-20199"}, "2s"), "free_ports");
  ASSERT_FALSE(effect.is_null());
  write_setting(pid, "net.ipv4.ip_local_port_range=20000 20199");
  clients.signal(SIGUSR1);
  const auto count = clients.read_line(kPatience);
  ASSERT_TRUE(count);
  expect_near(std::stod(*count), effect);
}

}  // namespace
}  // namespace tcpadvisor::scenario::whatif_test
