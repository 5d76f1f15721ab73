// SPDX-License-Identifier: Apache-2.0
// The few socket calls that faults are made of. Descriptors are plain integers on purpose: a fault consists of
// descriptors that stay open until their process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/scenario/actor.h"

namespace tcpfault {

inline constexpr const char* kLoopback = "127.0.0.1";

/// TCP states as tcp_info and /proc/net/tcp number them.
inline constexpr int kEstablished = 1, kFinWait2 = 5, kTimeWait = 6, kClose = 7, kCloseWait = 8;

struct ListenOptions {
  const char* address = kLoopback;
  std::uint16_t port = 0;  ///< 0: any free one
  int backlog = 4096;
  int rcvbuf_bytes = 0;    ///< SO_RCVBUF before listen(); 0: leave it to the kernel
  bool reuseport = false;  ///< SO_REUSEPORT: others may listen on the same port
};
struct Listening {
  int fd;
  std::uint16_t port;
};
Listening listen_on(const ListenOptions& options);

int accept_one(int listener);
int connect_to(std::uint16_t port, const char* address = kLoopback);
/// Does not wait for the handshake.
int start_connect(std::uint16_t port);
void set_option(int fd, int level, int option, int value, const char* what);
void set_congestion_control(int fd, const std::string& name);

int tcp_state(int fd);
bool all_in_state(const std::vector<int>& fds, int state);
/// Sockets of this network namespace in `state` whose local port is `port`, from /proc/self/net/tcp.
int count_in_state(std::uint16_t port, int state);

/// What a process has open beside the connections of a fault, at most.
inline constexpr std::size_t kSpareDescriptors = 64;
/// Raises the soft limit of descriptors to the hard one; throws if that is less than `needed`.
void need_descriptors(std::size_t needed);

/// All of `size` bytes; false at the end of the stream.
bool read_exactly(int fd, std::size_t size);
void write_exactly(int fd, std::size_t size);

/// Reads or writes for ever, as fast as the other end lets us. Return when the other end has gone.
void read_all(int fd);
void write_for_ever(int fd);

}  // namespace tcpfault
