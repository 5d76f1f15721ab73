// SPDX-License-Identifier: Apache-2.0
// Servers and their clients with the faults that people have: workers that are all busy or stopped, a backend that is
// gone, clients that forget to close, and clients that do not read what they asked for.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/os/unique_fd.h"
#include "tests/scenario/agent_report.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/program.h"

namespace tcpadvisor::scenario::servers_test {
namespace {

using nlohmann::json;

constexpr Millis kPatience{20'000};
constexpr std::uint64_t kConnections = 40;

std::vector<json> with_id(const json& said, const std::string& id, const Subject& subject) {
  std::vector<json> found;
  for (const json& finding : said.value("findings", json::array())) {
    if (finding.value("id", "") == id && concerns(finding, subject)) found.push_back(finding);
  }
  return found;
}

// It closes each connection when its answer is out and a moment has passed, as an idle time-out does, or never.
const char* const kAnswer = R"(
import select, socket, sys, time
listener = socket.create_server(("", 8080), backlog=128)
print("listens", flush=True)
idle_s, since = float(sys.argv[1]), {}
while True:
    ready, _, _ = select.select([listener, *since], [], [], 0.1)
    for s in ready:
        if s is listener:
            s = listener.accept()[0]
        elif not s.recv(4096):
            s.close(); del since[s]
            continue
        else:
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        since[s] = time.monotonic()
    for s in [s for s in since if idle_s and time.monotonic() - since[s] > idle_s]:
        s.close(); del since[s]
)";
// One connection after the other, each for one answer, and none closed.
const char* const kAskAndForget = R"(
import socket, sys, time
def connect():
    for i in range(100):
        try: return socket.create_connection((sys.argv[1], 8080), 5)
        except OSError: time.sleep(0.1)
held = []
def ask():
    held.append(connect())
    held[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    held[-1].recv(4096)
for i in range(int(sys.argv[2])): ask()
print("asked", flush=True)
while True:
    time.sleep(0.1)
    ask()
)";

/// A server and a client that forgets to close, each on a host of its own.
struct TwoHosts {
  os::UniqueFd here = new_netns(), there = new_netns();
  Child server, client;

  explicit TwoHosts(const std::string& idle_s)
      : server({"python3", "-c", kAnswer, idle_s}, in(here)),
        client({"python3", "-c", kAskAndForget, "10.77.0.1", std::to_string(kConnections)}, in(there)) {}

  void start() {
    ASSERT_EQ(server.read_line(kPatience), "listens") << server.wait(Millis{100}).err;
    ASSERT_TRUE(join(here, there, client.pid()));
    ASSERT_EQ(client.read_line(kPatience), "asked") << client.wait(Millis{100}).err;
  }
  json from(const Child& host) const { return report({"--netns", "pid:" + std::to_string(number(host))}); }
  Subject subject() const {
    return {.pids = {number(server), number(client)},
            .netns = {tcpfault::netns_inode(here.get()), tcpfault::netns_inode(there.get())}};
  }
};

TEST(Servers, AClientThatForgetsToCloseIsSeenFromEitherHost) {
  if (const std::string why = why_not({"python3", "ip"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  TwoHosts hosts("0.5");
  ASSERT_NO_FATAL_FAILURE(hosts.start());
  const json there = hosts.from(hosts.client);
  expect_alarms(there, hosts.subject(),
                {{.id = "close-wait-leak", .pid = number(hosts.client), .count = {}, .knob = {}}});
  const json here = hosts.from(hosts.server);
  expect_alarms(here, hosts.subject(), {});  // nothing that this host could mend
  const std::vector<json> told = with_id(here, "fin-wait2-orphan-buildup", hosts.subject());
  ASSERT_EQ(told.size(), 1U) << here.dump(2);
  EXPECT_EQ(told[0]["scope"].value("remote", ""), "10.77.0.2");
  EXPECT_GE(told[0]["scope"].value("count", 0U), kConnections);
  EXPECT_EQ(told[0]["recommendation"].value("kind", ""), "peer");
}

TEST(Servers, AClientThatForgetsToCloseIsSeenThoughNobodyHasATimeOut) {
  if (const std::string why = why_not({"python3", "ip"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  TwoHosts hosts("0");
  ASSERT_NO_FATAL_FAILURE(hosts.start());
  const json there = hosts.from(hosts.client);
  expect_alarms(there, hosts.subject(),
                {{.id = "established-growth", .pid = number(hosts.client), .count = {}, .knob = {}}});
  const json here = hosts.from(hosts.server);
  expect_alarms(here, hosts.subject(), {});
  const std::vector<json> told = with_id(here, "established-growth", hosts.subject());
  ASSERT_EQ(told.size(), 1U) << here.dump(2);
  EXPECT_EQ(told[0]["scope"].value("remote", ""), "10.77.0.2");
}

// Each worker serves one client at a time, and these say nothing.
const char* const kPreFork = R"(
import os, socket, time
listener = socket.create_server(("127.0.0.1", 9000), backlog=128)
for i in range(3):
    if os.fork() == 0:
        while True:
            listener.accept()[0].recv(4096)
print("listens", flush=True)
while True: time.sleep(600)
)";
const char* const kSayNothing = R"(
import socket, time
held = [socket.create_connection(("127.0.0.1", 9000)) for i in range(15)]
print("waits", flush=True)
time.sleep(600)
)";

TEST(Servers, WorkersThatAreAllBusyAreToldApartFromAServerThatNeverAccepts) {
  if (const std::string why = why_not({"python3"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const os::UniqueFd netns = new_netns();
  Child server({"python3", "-c", kPreFork}, in(netns));
  ASSERT_EQ(server.read_line(kPatience), "listens") << server.wait(Millis{100}).err;
  Child clients({"python3", "-c", kSayNothing}, in(netns));
  ASSERT_EQ(clients.read_line(kPatience), "waits") << clients.wait(Millis{100}).err;
  const Subject all{.pids = {number(server), number(clients)}, .netns = {tcpfault::netns_inode(netns.get())}};
  const json said = report();
  expect_alarms(said, all, {{.id = "listener-never-accepts", .pid = number(server), .count = 1, .knob = {}}});
  const std::vector<json> told = with_id(said, "listener-never-accepts", all);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].value("title", "").find("its 3 workers are busy"), std::string::npos) << told[0].dump(2);
}

const char* const kEcho = R"(
import socket
listener = socket.create_server(("127.0.0.1", 9100))
print("listens", flush=True)
peer = listener.accept()[0]
while True: peer.sendall(peer.recv(65536))
)";
const char* const kSendAndNeverRead = R"(
import socket, time
s = socket.create_connection(("127.0.0.1", 9100))
s.settimeout(2)
try:
    while True: s.sendall(b"x" * 65536)
except OSError: pass
print("stuck", flush=True)
time.sleep(600)
)";

TEST(Servers, AServerWhoseAnswersNobodyReadsIsNotAccused) {
  if (const std::string why = why_not({"python3"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const os::UniqueFd netns = new_netns();
  Child server({"python3", "-c", kEcho}, in(netns));
  ASSERT_EQ(server.read_line(kPatience), "listens") << server.wait(Millis{100}).err;
  Child client({"python3", "-c", kSendAndNeverRead}, in(netns));
  ASSERT_EQ(client.read_line(kPatience), "stuck") << client.wait(Millis{100}).err;
  const Subject all{.pids = {number(server), number(client)}, .netns = {tcpfault::netns_inode(netns.get())}};
  expect_alarms(report(), all, {{.id = "reader-too-slow", .pid = number(client), .count = 1, .knob = {}}});
}

const char* const kNginx = R"(
daemon off; user root; worker_processes 2; error_log stderr crit; pid nginx.pid;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:8080;
    location / { return 204; }
    location /gone { proxy_pass http://127.0.0.1:9999; }
  }
}
)";
// Argument: what to ask for, again and again.
const char* const kAsk = R"(
import http.client, sys, time
def ask(path):
    c = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
    c.request("GET", path)
    c.getresponse().read()
    c.close()
for i in range(100):
    try: ask("/"); break
    except OSError: time.sleep(0.1)
print("served", flush=True)
while True:
    ask(sys.argv[1])
    time.sleep(0.1)
)";

/// The children of a process whose main thread began them.
std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  std::vector<pid_t> out;
  for (pid_t child = 0; file >> child;) out.push_back(child);
  return out;
}

TEST(Servers, ABackendThatIsGoneIsNamedByItsAddress) {
  if (const std::string why = why_not({"nginx", "python3"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Folder folder;
  const os::UniqueFd netns = new_netns();
  const Child nginx({"nginx", "-p", folder.path(), "-c", folder.write("nginx.conf", kNginx)}, in(netns));
  Child visitor({"python3", "-c", kAsk, "/gone"}, in(netns));
  ASSERT_EQ(visitor.read_line(kPatience), "served") << visitor.wait(Millis{100}).err;
  const Subject all{.pids = {number(nginx), number(visitor)}, .netns = {tcpfault::netns_inode(netns.get())}};
  const json said = report();
  expect_alarms(said, all, {{.id = "connects-fail", .pid = {}, .count = {}, .knob = {}}});
  for (const json& finding : alarms(said, all)) {
    EXPECT_EQ(finding["scope"].value("remote", ""), "127.0.0.1:9999") << finding.dump(2);
    EXPECT_EQ(finding["scope"].value("comm", ""), "nginx") << finding.dump(2);
  }
}

TEST(Servers, StoppedWorkersAreNamedAlthoughTheirMasterRuns) {
  if (const std::string why = why_not({"nginx", "python3"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Folder folder;
  const os::UniqueFd netns = new_netns();
  const Child nginx({"nginx", "-p", folder.path(), "-c", folder.write("nginx.conf", kNginx)}, in(netns));
  Child visitor({"python3", "-c", kAsk, "/"}, in(netns));
  ASSERT_EQ(visitor.read_line(kPatience), "served") << visitor.wait(Millis{100}).err;
  std::vector<pid_t> workers = children_of(nginx.pid());
  ASSERT_EQ(workers.size(), 2U);
  for (pid_t worker : workers) kill(worker, SIGSTOP);
  // The visitor waits for ever; somebody else comes too.
  Child more({"python3", "-c", kAsk, "/"}, in(netns));
  more.read_line(Millis{1'500});
  const Subject all{.pids = {number(nginx), number(visitor), static_cast<std::uint32_t>(workers[0]),
                             static_cast<std::uint32_t>(workers[1])},
                    .netns = {tcpfault::netns_inode(netns.get())}};
  const json said = report();
  for (pid_t worker : workers) kill(worker, SIGCONT);
  const auto first = static_cast<std::uint32_t>(std::ranges::min(workers));
  expect_alarms(said, all, {{.id = "process-stopped", .pid = first, .count = {}, .knob = {}}});
}

}  // namespace
}  // namespace tcpadvisor::scenario::servers_test
