// SPDX-License-Identifier: Apache-2.0
// pingpong: two threads pass a small message to and fro over one loopback TCP connection, and the time of one
// send+receive pair is printed. In a guest whose clock counts instructions, that time is the cost of the whole system.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/bench/loopback.h"

namespace {

using tcpadvisor::bench::die;

/// The whole message in one call each way: a short transfer would falsify the count of calls.
void send_message(int fd, const std::vector<char>& message) {
  if (send(fd, message.data(), message.size(), 0) != static_cast<ssize_t>(message.size())) die("send");
}

/// False when the other side has closed.
bool receive_message(int fd, std::vector<char>& message) {
  ssize_t got = recv(fd, message.data(), message.size(), 0);
  if (got == 0) return false;
  if (got != static_cast<ssize_t>(message.size())) die("recv");
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t round_trips = 1'000, warm_up = 500;
  std::size_t batches = 9, size = 64;
  CLI::App app{"time of one send+receive pair over loopback TCP; a round trip is two pairs"};
  app.add_option("--round-trips", round_trips, "round trips per batch")->check(CLI::Range(1, 100'000'000));
  app.add_option("--warm-up", warm_up, "round trips before the first batch");
  app.add_option("--batches", batches, "batches; their median is the result")->check(CLI::Range(1, 10'000));
  app.add_option("--size", size, "bytes per message")->check(CLI::Range(1, 16'384));
  CLI11_PARSE(app, argc, argv);

  auto [client, server] = tcpadvisor::bench::connected_pair();
  for (int fd : {client, server}) {
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("TCP_NODELAY");
  }
  std::thread echo([fd = server, size] {
    std::vector<char> message(size);
    while (receive_message(fd, message)) send_message(fd, message);
  });

  std::vector<char> message(size, 'x');
  auto run = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      send_message(client, message);
      if (!receive_message(client, message)) die("the echo thread closed");
    }
  };
  run(warm_up);
  std::vector<std::int64_t> ns_per_pair;
  std::int64_t sum = 0;
  for (std::size_t batch = 0; batch < batches; ++batch) {
    auto start = std::chrono::steady_clock::now();  // CLOCK_MONOTONIC
    run(round_trips);
    std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
    ns_per_pair.push_back(took.count() / static_cast<std::int64_t>(2 * round_trips));
    sum += ns_per_pair.back();
  }
  shutdown(client, SHUT_WR);
  echo.join();

  std::sort(ns_per_pair.begin(), ns_per_pair.end());
  fmt::print("pingpong median_ns_per_pair={} mean_ns_per_pair={} min={} max={} batches={} round_trips={} bytes={}\n",
             ns_per_pair[batches / 2], sum / static_cast<std::int64_t>(batches), ns_per_pair.front(),
             ns_per_pair.back(), batches, round_trips, size);
  return 0;
}
