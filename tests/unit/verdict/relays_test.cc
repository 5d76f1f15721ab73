// SPDX-License-Identifier: Apache-2.0
// Chains: programs that pass on what they get are not to blame for the end that owes the next step.
#include <gmock/gmock.h>

#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::relays_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using build::SocketBuilder;

Policy lab() {
  return *Policy::named("lab");
}

struct Party {
  Pid pid;
  const char* comm;
};
constexpr Party kFrontend{50, "frontend"}, kProxy{51, "proxy"}, kSecond{52, "sidecar"}, kBackend{53, "backend"};

/// `count` connections of `client` to a service of `server`, in these states.
struct Leg {
  Party client, server;
  std::uint16_t port;
  TcpState near = TcpState::fin_wait_2, far = TcpState::close_wait;
  std::uint32_t count = 20;
  std::uint64_t stuck = 0;  ///< bytes in the client's Send-Q that the server does not read
  bool client_is_elsewhere = false, server_is_elsewhere = false;
};

void add(SampleBuilder& sample, const Leg& leg) {
  for (std::uint32_t i = 0; i < leg.count; ++i) {
    Endpoint service = Endpoint::v4(127, 0, 0, 1, leg.port);
    Endpoint client = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(leg.port + 10'000 + i));
    std::uint64_t cookie = std::uint64_t{leg.port} * 1'000 + 2 * i;
    SocketBuilder near = a_socket().cookie(cookie).state(leg.near).age(30s).local(client).remote(service);
    SocketBuilder far = a_socket().cookie(cookie + 1).state(leg.far).age(30s).local(service).remote(client);
    near.pid(leg.client.pid, leg.client.comm);
    far.pid(leg.server.pid, leg.server.comm);
    if (leg.stuck > 0) {
      near.send_q(leg.stuck).set([](SocketRow& row) { row.snd_wnd = 0; });
      far.recv_q(300'000).rcvbuf(400'000, 390'000);
    }
    if (!leg.client_is_elsewhere) sample.add(near);
    if (!leg.server_is_elsewhere) sample.add(far);
  }
}

Verdict judged(const std::vector<Leg>& legs) {
  return judge(a_window(8,
                        [&](SampleBuilder& sample, std::size_t) {
                          for (const Leg& leg : legs) add(sample, leg);
                        }),
               lab());
}

const Finding* find(const Verdict& verdict, std::string_view id, Party who) {
  auto found = std::ranges::find_if(
      verdict.findings, [&](const Finding& finding) { return finding.id == id && finding.scope.pid == who.pid; });
  return found == verdict.findings.end() ? nullptr : &*found;
}

void expect_only_to_blame(const Verdict& verdict, std::string_view id, Party culprit) {
  const Finding* cause = find(verdict, id, culprit);
  ASSERT_NE(cause, nullptr);
  EXPECT_NE(cause->severity, Severity::info);
  EXPECT_EQ(cause->cause, "");
  for (const Finding& finding : verdict.findings) {
    if (&finding == cause) continue;
    EXPECT_EQ(finding.severity, Severity::info) << finding.title;
    EXPECT_EQ(finding.cause, cause->instance) << finding.title;
  }
}

/// The frontend has closed (its orphans are gone or nobody's); the proxy has passed the end on.
const Leg kClosedFrontend{.client = kFrontend, .server = kProxy, .port = 9013, .client_is_elsewhere = true};

TEST(Relays, a_proxy_is_not_to_blame_for_the_backend_that_does_not_close) {
  Verdict verdict = judged({kClosedFrontend, {.client = kProxy, .server = kBackend, .port = 9113}});
  EXPECT_EQ(verdict.findings.size(), 3u);
  expect_only_to_blame(verdict, "close-wait-leak", kBackend);
}

TEST(Relays, over_two_hops_and_for_the_client_that_has_only_shut_down) {
  Verdict verdict = judged({{.client = kFrontend, .server = kProxy, .port = 9013},
                            {.client = kProxy, .server = kSecond, .port = 9113},
                            {.client = kSecond, .server = kBackend, .port = 9213}});
  EXPECT_EQ(verdict.findings.size(), 6u);
  expect_only_to_blame(verdict, "close-wait-leak", kBackend);
}

TEST(Relays, the_other_way_round_the_client_owes_its_close) {
  // The backend has closed, the proxy has passed that on to its clients, and they do not close.
  Verdict verdict = judged(
      {{.client = kProxy, .server = kBackend, .port = 9113, .near = TcpState::close_wait, .server_is_elsewhere = true},
       {.client = kFrontend,
        .server = kProxy,
        .port = 9013,
        .near = TcpState::close_wait,
        .far = TcpState::fin_wait_2}});
  expect_only_to_blame(verdict, "close-wait-leak", kFrontend);
}

TEST(Relays, peers_elsewhere_that_do_not_close_are_told_once) {
  Verdict verdict =
      judged({kClosedFrontend, {.client = kProxy, .server = kBackend, .port = 9113, .server_is_elsewhere = true}});
  EXPECT_EQ(verdict.findings.size(), 2u);
  expect_only_to_blame(verdict, "fin-wait2-app-held", kProxy);
}

TEST(Relays, data_that_the_backend_does_not_read_holds_the_proxy_up) {
  Leg upstream{.client = kProxy,
               .server = kBackend,
               .port = 9113,
               .near = TcpState::established,
               .far = TcpState::established,
               .stuck = 100'000};
  Verdict ended = judged({kClosedFrontend, upstream});
  expect_only_to_blame(ended, "reader-too-slow", kBackend);
  EXPECT_NE(find(ended, "close-wait-leak", kProxy), nullptr);

  Leg downstream = upstream;
  downstream.client = kFrontend;
  downstream.server = kProxy;
  downstream.port = 9013;
  Verdict open = judged({downstream, upstream});
  EXPECT_NE(find(open, "reader-too-slow", kProxy), nullptr);
  expect_only_to_blame(open, "reader-too-slow", kBackend);
}

TEST(Relays, who_closes_one_side_and_forgets_the_other_is_to_blame_itself) {
  // No side of the proxy waits: it has closed towards the backend, and forgot its client's end.
  Verdict verdict = judged({kClosedFrontend});
  expect_only_to_blame(verdict, "close-wait-leak", kProxy);
}

TEST(Relays, unequal_sides_belong_to_different_faults) {
  Verdict verdict =
      judged({{.client = kFrontend, .server = kProxy, .port = 9013, .count = 200, .client_is_elsewhere = true},
              {.client = kProxy, .server = kBackend, .port = 9113, .count = 20}});
  const Finding* leak = find(verdict, "close-wait-leak", kProxy);
  ASSERT_NE(leak, nullptr);
  EXPECT_EQ(leak->severity, Severity::warning);
  EXPECT_EQ(leak->cause, "");
}

TEST(Relays, a_plain_pair_keeps_its_story) {
  Verdict verdict = judged({{.client = kFrontend, .server = kBackend, .port = 9113}});
  EXPECT_EQ(find(verdict, "fin-wait2-app-held", kFrontend)->severity, Severity::warning);
  EXPECT_EQ(find(verdict, "close-wait-leak", kBackend)->cause,
            find(verdict, "fin-wait2-app-held", kFrontend)->instance);
}

TEST(Relays, a_circle_ends) {
  Verdict verdict = judged(
      {{.client = kProxy, .server = kSecond, .port = 9013}, {.client = kSecond, .server = kProxy, .port = 9113}});
  EXPECT_EQ(verdict.findings.size(), 4u);
  EXPECT_TRUE(std::ranges::any_of(verdict.findings, [](const Finding& finding) { return finding.cause.empty(); }));
}

TEST(Relays, several_workers_of_the_backend_are_one_of_them_at_least) {
  Verdict verdict =
      judged({{.client = kFrontend, .server = kProxy, .port = 9013, .count = 40, .client_is_elsewhere = true},
              {.client = kProxy, .server = kBackend, .port = 9113, .count = 24},
              {.client = kProxy, .server = kSecond, .port = 9213, .count = 16}});
  EXPECT_EQ(find(verdict, "close-wait-leak", kProxy)->cause, find(verdict, "close-wait-leak", kBackend)->instance);
  EXPECT_EQ(find(verdict, "close-wait-leak", kBackend)->severity, Severity::warning);
}

}  // namespace
}  // namespace tcpadvisor::relays_test
