// SPDX-License-Identifier: Apache-2.0
// churn: many short connections over loopback, one after the other: connect, a request, an answer, the server closes
// first, then the client. Prints exact counts for others to compare with. As fast as it goes, or at a steady rate.
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/bench/loopback.h"

namespace {

using tcpadvisor::bench::die;

/// What one side did. Each side has its own: nothing is shared between the threads.
struct Counts {
  std::uint64_t connections = 0;
  std::uint64_t sends = 0;     ///< calls
  std::uint64_t receives = 0;  ///< calls, the one that returns 0 at the end included
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t closes = 0;
};

void send_all(int fd, const std::vector<char>& message, Counts& counts) {
  for (std::size_t done = 0; done < message.size();) {
    ssize_t sent = send(fd, message.data() + done, message.size() - done, 0);
    if (sent < 0) die("send");
    ++counts.sends;
    done += static_cast<std::size_t>(sent);
    counts.bytes_sent += static_cast<std::uint64_t>(sent);
  }
}

/// Up to `limit` bytes, or to the end of the stream if that comes first.
void receive_up_to(int fd, std::size_t limit, Counts& counts) {
  std::vector<char> buffer(limit);
  for (std::size_t done = 0; done < limit;) {
    ssize_t got = recv(fd, buffer.data(), limit - done, 0);
    if (got < 0) die("recv");
    ++counts.receives;
    if (got == 0) return;
    done += static_cast<std::size_t>(got);
    counts.bytes_received += static_cast<std::uint64_t>(got);
  }
}

void close_and_count(int fd, Counts& counts) {
  if (close(fd) != 0) die("close");
  ++counts.closes;
}

void serve(int listener, std::uint64_t connections, const std::vector<char>& message, Counts& counts) {
  while (counts.connections < connections) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) die("accept");
    ++counts.connections;
    receive_up_to(fd, message.size(), counts);
    send_all(fd, message, counts);
    close_and_count(fd, counts);
  }
}

void request(std::uint16_t port, const std::vector<char>& message, Counts& counts) {
  int fd = tcpadvisor::bench::connect_to(1, port);
  ++counts.connections;
  send_all(fd, message, counts);
  receive_up_to(fd, message.size() + 1, counts);  // one more than the answer: reads on to the end of the stream
  close_and_count(fd, counts);
}

void print_side(const char* side, const Counts& counts) {
  fmt::print(
      " {0}_connections={1} {0}_sends={2} {0}_receives={3} {0}_bytes_sent={4} {0}_bytes_received={5} {0}_closes={6}",
      side, counts.connections, counts.sends, counts.receives, counts.bytes_sent, counts.bytes_received, counts.closes);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t connections = 20'000;
  std::size_t size = 64;
  std::uint64_t rate = 0;
  CLI::App app{"short loopback TCP connections, one after the other, counted exactly"};
  app.add_option("--connections", connections, "how many")->check(CLI::Range(1, 10'000'000));
  app.add_option("--size", size, "bytes each way per connection")->check(CLI::Range(1, 1'048'576));
  app.add_option("--rate", rate, "connections per second, if it can (default: as fast as it goes)")
      ->check(CLI::Range(1, 1'000'000));
  CLI11_PARSE(app, argc, argv);

  const std::vector<char> message(size, 'x');
  auto [listener, port] = tcpadvisor::bench::listen_on(1, 16);
  Counts client, server;
  auto start = std::chrono::steady_clock::now();
  std::thread server_thread([&, fd = listener] { serve(fd, connections, message, server); });
  for (std::uint64_t i = 0; i < connections; ++i) {
    if (rate != 0) std::this_thread::sleep_until(start + std::chrono::nanoseconds{i * 1'000'000'000 / rate});
    request(port, message, client);
  }
  server_thread.join();
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  close(listener);

  fmt::print("churn ms={}", took.count());
  print_side("client", client);
  print_side("server", server);
  fmt::print("\n");
  return 0;
}
