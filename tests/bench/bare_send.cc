// SPDX-License-Identifier: Apache-2.0
// bare_send PORT CONNECTIONS SECONDS BYTES: nothing but send(2) in turn on each connection: what no sender that makes
// one system call for each message can beat. Prints one line of JSON.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: bare_send PORT CONNECTIONS SECONDS BYTES\n", stderr);
    return 2;
  }
  using Clock = std::chrono::steady_clock;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<int> sockets(static_cast<std::size_t>(std::atoi(argv[2])));
  for (int& fd : sockets) {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      std::perror("bare_send: connect");
      return 1;
    }
  }
  const std::string data(static_cast<std::size_t>(std::atoi(argv[4])), 'x');
  std::uint64_t messages = 0;
  const Clock::time_point began = Clock::now(), end = began + std::chrono::seconds(std::atoi(argv[3]));
  while (Clock::now() < end) {
    for (int fd : sockets) {
      for (int i = 0; i < 256; ++i) messages += send(fd, data.data(), data.size(), MSG_NOSIGNAL) > 0 ? 1 : 0;
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  timespec cpu{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  std::printf("{\"messages\":%lu,\"seconds\":%.3f,\"messages_per_s\":%.1f,\"cpu_seconds\":%.3f}\n", messages, seconds,
              static_cast<double>(messages) / seconds,
              static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9);
  return 0;
}
