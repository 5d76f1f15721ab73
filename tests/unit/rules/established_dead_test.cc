// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::established_dead_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "established-dead-peer-leak";
constexpr std::uint32_t kTwoHoursMs = 7'200'000;

struct Client {
  bool loopback = false, v6 = false;
  std::uint32_t idle_ms = kTwoHoursMs;
  std::optional<bool> keepalive = false;
  std::uint64_t send_q = 0;
};

SocketRow row_of(const Client& client) {
  SocketRow row = a_socket().established().pid(12, "api").send_q(client.send_q);
  if (client.loopback) {
    row.local = Endpoint::v4(127, 0, 0, 1, 8443);
    row.remote = Endpoint::v4(127, 0, 0, 1, 0);
  }
  if (client.loopback && client.v6) {
    std::array<std::uint8_t, 16> one{};
    one[15] = 1;
    row.local = Endpoint::from_bytes(one, 8443);
    row.remote = Endpoint::from_bytes(one, 0);
  }
  row.last_data_recv_ms = row.last_data_sent_ms = client.idle_ms;
  row.keepalive = client.keepalive;
  row.user_timeout_ms = 0;
  return row;
}

Window serving(std::uint32_t count, const Client& client, std::uint32_t newer = 0,
               const std::function<void(SampleBuilder&)>& more = {}) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t) {
    sample.sysctl("net.ipv4.tcp_keepalive_time", {7200});
    sample.add(a_process(12, "api").sockets(TcpState::established, count + newer).fds(count + newer + 10, 1'024));
    sample.add(a_socket().cookie(1).listen(8443, 0, 128).pid(12, "api"));
    sample.add(count, row_of(client));
    Client fresh = client;
    fresh.idle_ms = 200;
    sample.add(newer, row_of(fresh), 5'000);
    if (more) more(sample);
  });
}

TEST(EstablishedDeadPeers, names_who_keeps_connections_whose_other_ends_are_not_on_this_host) {
  for (bool v6 : {false, true}) {
    auto finding = only_finding(judged(kId, serving(40, {.loopback = true, .v6 = v6, .idle_ms = 6'000}), Policy{}));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::warning);
    EXPECT_EQ(finding->confidence, Confidence::high);
    EXPECT_EQ(finding->scope.pid, 12u);
    EXPECT_EQ(finding->scope.count, 40u);
    EXPECT_THAT(finding->title, HasSubstr("api[12] keeps 40 connections whose other ends no longer exist"));
    EXPECT_THAT(finding->recommendation.text, HasSubstr("SO_KEEPALIVE"));
    EXPECT_THAT(finding->not_useful.front().why, HasSubstr("none of these has it"));
  }
}

TEST(EstablishedDeadPeers, clients_that_came_again_are_told_with_low_confidence) {
  auto finding = only_finding(judged(kId, serving(40, {}, 3), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_EQ(value_of(*finding, "newer_from_same_address"), 3);
  EXPECT_EQ(value_of(*finding, "idle_for_at_least"), 7'200);
  EXPECT_THAT(finding->confidence_why, HasSubstr("clients that only wait for news"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("40 connections / 60 s = 0.7 packets a second"));
}

TEST(EstablishedDeadPeers, near_the_end_of_descriptors_it_is_a_warning) {
  auto finding = only_finding(judged(kId, serving(900, {}, 3), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::low);
}

TEST(EstablishedDeadPeers, silence_alone_proves_nothing) {
  expect_fine(judged(kId, serving(40, {}), Policy{}));
  expect_fine(judged(kId, serving(40, {.idle_ms = 1'800'000}, 3), Policy{}));
  EXPECT_TRUE(only_finding(judged(kId, serving(40, {.idle_ms = 6'000}, 3), lab())));
  expect_fine(judged(kId, serving(15, {}, 3), Policy{}));
  expect_fine(judged(kId, serving(40, {.loopback = true, .idle_ms = 4'000}), Policy{}));
}

TEST(EstablishedDeadPeers, who_is_probed_or_owed_data_is_not_forgotten) {
  expect_fine(judged(kId, serving(40, {.loopback = true, .keepalive = true}), Policy{}));
  expect_fine(judged(kId, serving(40, {.loopback = true, .send_q = 100}), Policy{}));
}

TEST(EstablishedDeadPeers, other_ends_on_this_host_live) {
  auto ends = [](SampleBuilder& sample) {
    for (std::uint16_t i = 0; i < 40; ++i) {
      SocketRow end = a_socket().established().cookie(9'000 + i).pid(30, "client");
      end.local = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(40'000 + i));
      end.remote = Endpoint::v4(127, 0, 0, 1, 8443);
      end.keepalive = true;
      sample.add(end);
    }
  };
  expect_fine(judged(kId, serving(40, {.loopback = true}, 0, ends), Policy{}));
  // Behind a redirection they go to another port.
  auto redirected = [](SampleBuilder& sample) {
    for (std::uint16_t i = 0; i < 40; ++i) {
      SocketRow end = a_socket().established().cookie(9'000 + i).pid(30, "client");
      end.local = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(40'000 + i));
      end.remote = Endpoint::v4(127, 0, 0, 1, 80);
      sample.add(end);
    }
  };
  expect_fine(judged(kId, serving(40, {.loopback = true}, 0, redirected), Policy{}));
}

TEST(EstablishedDeadPeers, clients_keep_pools_on_purpose) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) { sample.add(40, row_of({.loopback = true})); });
  expect_fine(judged(kId, window, Policy{}));  // nobody listens at their local port
}

TEST(EstablishedDeadPeers, is_not_assessed_where_options_or_connections_are_not_shown) {
  expect_unknown(judged(kId, serving(40, {.loopback = true, .keepalive = std::nullopt}), Policy{}),
                 "does not show whether they have keepalive");
  auto many = [](SampleBuilder& sample) { sample.count(TcpState::established, 100'000); };
  expect_unknown(judged(kId, serving(40, {}, 3, many), Policy{}), "have no row");
  auto partial = [](SampleBuilder& sample) {
    sample.set([](Sample& s) {
      s.self.partial = true;
      s.self.partial_why = "the walk was cut short";
    });
  };
  expect_unknown(judged(kId, serving(40, {.loopback = true}, 0, partial), Policy{}), "the walk was cut short");
}

TEST(EstablishedDeadPeers, where_rows_are_missing_the_totals_say_how_many_are_silent) {
  auto totals = [](std::uint32_t silent, std::uint32_t looked) {
    return [=](SampleBuilder& sample) {
      sample.count(TcpState::established, 100'000);
      sample.set([&](Sample& s) {
        NetworkTotals one;
        one.netns = build::kHostNetns;
        one.pid = 12, one.comm = "api", one.accepted = true, one.port = 8443;
        one.network = Endpoint::v4(10, 0, 5, 0, 0);
        one.looked = looked, one.one_in = 16, one.keepalive = 0;
        one.silent[5] = silent;
        one.silent[4] = 900;  // for less than an hour
        NetworkTotals client = one;
        client.accepted = false;
        client.silent[5] = 5'000;
        s.networks = {client, one};
      });
    };
  };
  expect_unknown(judged(kId, serving(40, {}, 3, totals(200, 2'000)), Policy{}),
                 "about 3,200 that came to a port here are silent for 1h or longer, without keepalive, most of them of "
                 "api[12] on port 8443 from 10.0.5.0/24; whether their clients have come again is not known");
  expect_unknown(judged(kId, serving(40, {}, 3, totals(0, 2'000)), Policy{}),
                 "of 2,000 that came to a port here and were looked at, about one in 16, none was silent for 1h");
  expect_unknown(judged(kId, serving(40, {}, 3, totals(1, 15)), Policy{}), "which of them are silent");
}

TEST(EstablishedDeadPeers, clears_when_they_are_closed) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().cookie(1).listen(8443, 0, 128).pid(12, "api"));
    if (i < 7) sample.add(40, row_of({.loopback = true}));
  });
  expect_fine(judged(kId, window, Policy{}));
}

}  // namespace
}  // namespace tcpadvisor::established_dead_test
