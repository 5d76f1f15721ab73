// SPDX-License-Identifier: Apache-2.0
// The same leaks as a user would make them to try us out: a few lines of Python, in a namespace and on the host itself.
#include <gtest/gtest.h>

#include <list>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/os/unique_fd.h"
#include "tests/scenario/agent_report.h"
#include "tests/scenario/netns.h"

namespace tcpadvisor::scenario::python_test {
namespace {

using nlohmann::json;

constexpr std::uint64_t kConnections = 50;
constexpr Millis kPatience{20'000};

const char* const kListen = R"(
import socket, sys, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print(listener.getsockname()[1], flush=True)
)";
const char* const kAcceptAndNeverClose = R"(
held = []
while True:
    held.append(listener.accept()[0])
)";
const char* const kNeverAccept = "time.sleep(600)\n";

const char* const kConnect = R"(
import socket, sys, time
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
)";
const char* const kClose = "[s.close() for s in held]\nprint('done', flush=True)\ntime.sleep(600)\n";
const char* const kShutDownAndHold =
    "[s.shutdown(socket.SHUT_WR) for s in held]\nprint('done', flush=True)\ntime.sleep(600)\n";

/// A server and its clients, both in Python.
struct Leak {
  Child server, client;
  std::uint64_t netns;  ///< 0: the host's

  Leak(const std::string& serve, const std::string& visit, int netns_fd)
      : server({"python3", "-c", kListen + serve}, {.env = {}, .uid = {}, .netns_fd = netns_fd}),
        client({"python3", "-c", kConnect + visit, server.read_line(kPatience).value_or("0"),
                std::to_string(kConnections)},
               {.env = {}, .uid = {}, .netns_fd = netns_fd}),
        netns(netns_fd < 0 ? 0 : tcpfault::netns_inode(netns_fd)) {
    EXPECT_EQ(client.read_line(kPatience), "done") << client.wait(Millis{1'000}).err;
  }

  std::uint32_t server_pid() const { return static_cast<std::uint32_t>(server.pid()); }
  std::uint32_t client_pid() const { return static_cast<std::uint32_t>(client.pid()); }
  Subject subject() const {
    Subject all{.pids = {server_pid(), client_pid()}, .netns = {}};
    if (netns != 0) {
      all.netns.push_back(netns);
    }
    return all;
  }
};

TEST(PythonUser, SeesExactlyTheLeakThatWasMade) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  if (!in_path("python3")) {
    GTEST_SKIP() << "python3 is not installed here";
  }
  std::list<Leak> never_closed, never_accepted, half_closed;  // first in a namespace, then on the host
  for (const bool on_host : {false, true}) {
    const auto somewhere = [&] { return on_host ? os::UniqueFd() : new_netns(); };
    const os::UniqueFd one = somewhere(), two = somewhere(), three = somewhere();
    never_closed.emplace_back(kAcceptAndNeverClose, kClose, one.get());
    never_accepted.emplace_back(kNeverAccept, kClose, two.get());
    half_closed.emplace_back(kAcceptAndNeverClose, kShutDownAndHold, three.get());
  }
  const json said = report();
  for (const Leak& leak : never_closed) {
    SCOPED_TRACE(leak.netns == 0 ? "accepts and never closes, on the host" : "accepts and never closes");
    expect_alarms(said, leak.subject(), {leaked("close-wait-leak", leak.server_pid(), kConnections)});
  }
  for (const Leak& leak : never_accepted) {
    SCOPED_TRACE(leak.netns == 0 ? "never accepts, on the host" : "never accepts");
    expect_alarms(said, leak.subject(), {leaked("close-wait-unaccepted", leak.server_pid(), kConnections)});
  }
  for (const Leak& leak : half_closed) {
    SCOPED_TRACE(leak.netns == 0 ? "shuts down and holds, on the host" : "shuts down and holds");
    // The server in CLOSE_WAIT may still owe data to such a client: it is explained, not accused.
    expect_alarms(said, leak.subject(), {leaked("fin-wait2-app-held", leak.client_pid(), kConnections)});
  }
}

}  // namespace
}  // namespace tcpadvisor::scenario::python_test
