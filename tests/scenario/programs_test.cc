// SPDX-License-Identifier: Apache-2.0
// Programs that people run, as Debian ships them: a web server that is well, a broker whose subscriber stops reading,
// and a balancer before a backend that forgets to close. Each has its own network namespaces.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "agent/os/unique_fd.h"
#include "tests/scenario/agent_report.h"
#include "tests/scenario/netns.h"
#include "tests/scenario/program.h"

namespace tcpadvisor::scenario::programs_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kConnections = 40;
constexpr Millis kPatience{20'000};

std::vector<json> findings_about(const json& said, std::uint32_t pid) {
  std::vector<json> found;
  std::ranges::copy_if(said.value("findings", json::array()), std::back_inserter(found), [&](const json& finding) {
    return finding.value("scope", json::object()).value("pid", json()) == json(pid);
  });
  return found;
}

/// Not even as information: no setting of the kernel makes a program read.
void expect_no_sysctl(const json& said, const Subject& subject) {
  for (const json& finding : said.value("findings", json::array())) {
    if (concerns(finding, subject)) {
      EXPECT_NE(finding.value("recommendation", json::object()).value("kind", ""), "sysctl") << finding.dump(2);
    }
  }
}

/// Connections that were accepted in the namespace of this process.
std::uint64_t passive_opens(std::uint32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/net/snmp");
  std::string names, values;
  while (std::getline(file, names) && std::getline(file, values)) {
    std::istringstream name(names), value(values);
    for (std::string n, v; name >> n && value >> v;) {
      if (n == "PassiveOpens") {
        return std::stoull(v);
      }
    }
  }
  return 0;
}

const char* const kNginx = R"(
daemon off; user root; worker_processes 2; error_log stderr crit; pid nginx.pid;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server { listen 127.0.0.1:8080; root files; }
}
)";
// Batches with pauses, so that a fast machine does not use up its ports: half of the clients keep their connections,
// the others make new ones.
const char* const kLoad = R"(
url=http://127.0.0.1:8080/small
for i in $(seq 100); do ab -q -n 1 $url 2>&1 | grep -q 'Complete requests: *1' && break; sleep 0.1; done
[ $i -lt 100 ] && echo served
while [ -e /proc/$PPID ]; do
  ab -q -k -c 8 -n 1000 $url; ab -q -c 8 -n 200 $url; sleep 0.1
done >/dev/null 2>&1
)";

TEST(RealProgram, NginxUnderSteadyLoadIsWell) {
  if (const std::string why = why_not({"nginx", "ab"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Folder folder;
  fs::create_directory(folder.path() + "/files");
  folder.write("files/small", std::string(4'096, 'x'));
  const os::UniqueFd netns = new_netns();
  const Child nginx({"nginx", "-p", folder.path(), "-c", folder.write("nginx.conf", kNginx)}, in(netns));
  Child load({"sh", "-c", kLoad}, in(netns));
  ASSERT_EQ(load.read_line(kPatience), "served") << load.wait(Millis{100}).err;
  const json said = report();
  EXPECT_GT(passive_opens(number(nginx)), 500U) << "there was no load";
  expect_alarms(said, {.pids = {number(nginx)}, .netns = {tcpfault::netns_inode(netns.get())}}, {});
}

const char* const kSubscribe = R"(
import socket, sys, time
def connect():
    for i in range(100):
        try: return socket.create_connection((sys.argv[1], 6379), 5)
        except OSError: time.sleep(0.1)
broker = connect()
broker.sendall(b"SUBSCRIBE news\r\n")
broker.recv(4096)
print("subscribed", flush=True)
time.sleep(600)
)";
const char* const kPublish = R"(
import socket, sys, time
broker = socket.create_connection((sys.argv[1], 6379), 5)
answers = broker.makefile("rb")
news = b"x" * 16384
def publish():
    broker.sendall(b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$%d\r\n%s\r\n" % (len(news), news))
    answers.readline()
for i in range(500): publish()
print("published", flush=True)
for i in range(6000):
    publish()
    time.sleep(0.005)
)";

/// redis-server without a limit for subscribers, one that reads nothing after its subscription, and a publisher.
struct Broker {
  Folder folder;
  Child redis, subscriber;
  std::vector<Child> publisher;

  Broker(const std::string& address, const os::UniqueFd& here, const os::UniqueFd& there)
      : redis({"redis-server", "--bind", "0.0.0.0", "--port", "6379", "--protected-mode", "no", "--save", "",
               "--appendonly", "no", "--dir", folder.path(), "--loglevel", "warning", "--client-output-buffer-limit",
               "pubsub 0 0 0"},
              in(here)),
        subscriber({"python3", "-c", kSubscribe, address}, in(there)) {}

  void publish(const std::string& address, const os::UniqueFd& here) {
    ASSERT_EQ(subscriber.read_line(kPatience), "subscribed") << subscriber.wait(Millis{100}).err;
    publisher.emplace_back(std::vector<std::string>{"python3", "-c", kPublish, address}, in(here));
    ASSERT_EQ(publisher.front().read_line(kPatience), "published") << publisher.front().wait(Millis{100}).err;
  }
};

TEST(RealProgram, RedisSubscriberOnThisHostThatStopsReadingIsNamed) {
  if (const std::string why = why_not({"redis-server", "python3"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const os::UniqueFd netns = new_netns();
  Broker broker("127.0.0.1", netns, netns);
  ASSERT_NO_FATAL_FAILURE(broker.publish("127.0.0.1", netns));
  const json said = report();
  const std::uint32_t redis = number(broker.redis);
  const Subject all{.pids = {redis, number(broker.subscriber)}, .netns = {tcpfault::netns_inode(netns.get())}};
  expect_alarms(said, all,
                {{.id = "reader-too-slow", .pid = number(broker.subscriber), .count = 1, .aged = false, .knob = {}},
                 {.id = "hidden-user-queue", .pid = redis, .count = 1, .aged = false, .knob = {}}});
  expect_no_sysctl(said, all);
}

TEST(RealProgram, RedisFromItsOwnHostSeesThePeerThatDoesNotReadAndItsOwnMemoryGrow) {
  if (const std::string why = why_not({"redis-server", "python3", "ip"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const os::UniqueFd here = new_netns(), there = new_netns();
  Broker broker("10.77.0.1", here, there);
  ASSERT_TRUE(join(here, there, broker.subscriber.pid()));
  ASSERT_NO_FATAL_FAILURE(broker.publish("10.77.0.1", here));
  const std::uint32_t redis = number(broker.redis);
  const json said = report({"--netns", "pid:" + std::to_string(redis)});
  const Subject all{.pids = {redis, number(broker.subscriber)}, .netns = {tcpfault::netns_inode(here.get())}};
  expect_alarms(said, all,
                {{.id = "peer-not-reading", .pid = redis, .count = 1, .aged = false, .knob = {}},
                 {.id = "hidden-user-queue", .pid = redis, .count = 1, .aged = false, .knob = {}}});
  expect_no_sysctl(said, all);
}

const char* const kHaproxy = R"(
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend visitors
  bind 127.0.0.1:8000
  default_backend one
backend one
  server one 127.0.0.1:9001
)";
const char* const kForgetToClose = R"(
import socket
listener = socket.create_server(("127.0.0.1", 9001), backlog=128)
print("listens", flush=True)
held = []
while True:
    held.append(listener.accept()[0])
    held[-1].recv(4096)
    held[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
)";
const char* const kVisit = R"(
import socket, sys, time
def connect():
    for i in range(100):
        try: return socket.create_connection(("127.0.0.1", 8000), 5)
        except OSError: time.sleep(0.1)
for i in range(int(sys.argv[1])):
    with connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        s.recv(4096)
print("done", flush=True)
time.sleep(600)
)";

/// A balancer before a backend that never closes, after visitors who did.
struct Balancer {
  Folder folder;
  os::UniqueFd netns = new_netns();
  Child backend, haproxy, visitor;

  /// `defaults` are lines for its section of that name.
  explicit Balancer(const std::string& defaults)
      : backend({"python3", "-c", kForgetToClose}, in(netns)),
        haproxy({"haproxy", "-db", "-q", "-f", folder.write("haproxy.cfg", "defaults\n" + defaults + kHaproxy)},
                in(netns)),
        visitor({"python3", "-c", kVisit, std::to_string(kConnections)}, in(netns)) {}

  Subject subject() const {
    return {.pids = {number(backend), number(haproxy), number(visitor)}, .netns = {tcpfault::netns_inode(netns.get())}};
  }
};

TEST(RealProgram, HaproxyIsNotAccusedForItsBackend) {
  if (const std::string why = why_not({"haproxy", "python3"}); !why.empty()) {
    GTEST_SKIP() << why;
  }
  // As a relay of bytes haproxy passes each end on and waits; as a proxy for HTTP it resets what the backend keeps.
  Balancer relay("  mode tcp\n"), proxy("  mode http\n  option http-server-close\n");
  for (Balancer* balancer : {&relay, &proxy}) {
    ASSERT_EQ(balancer->backend.read_line(kPatience), "listens") << balancer->backend.wait(Millis{100}).err;
    ASSERT_EQ(balancer->visitor.read_line(kPatience), "done") << balancer->haproxy.wait(Millis{100}).err;
  }
  const json said = report();
  {
    SCOPED_TRACE("mode tcp");
    expect_alarms(said, relay.subject(), {leaked("close-wait-leak", number(relay.backend), kConnections)});
    const std::vector<json> linked = findings_about(said, number(relay.haproxy));
    EXPECT_FALSE(linked.empty()) << "what haproxy holds has a cause, and that is worth a line";
    for (const json& finding : linked) {
      EXPECT_TRUE(finding.value("cause", json()).is_string()) << finding.dump(2);
    }
  }
  {
    SCOPED_TRACE("mode http");
    expect_alarms(said, proxy.subject(),
                  {{.id = "closed-socket-fd-leak",
                    .pid = number(proxy.backend),
                    .count = kConnections,
                    .aged = false,
                    .knob = {}}});
    EXPECT_TRUE(findings_about(said, number(proxy.haproxy)).empty());
  }
}

}  // namespace
}  // namespace tcpadvisor::scenario::programs_test
