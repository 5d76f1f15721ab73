// SPDX-License-Identifier: Apache-2.0
// Real TCP on loopback for the kernel tests, whose counts the tests know exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::traffic {

/// Moves this process into a network namespace of its own, with loopback up. False (with the reason) without the right
/// to.
bool enter_own_namespace(std::string& why_not);

/// Lets every processor receive what loopback carries, by interrupts between processors (receive packet steering): then
/// softirqs interrupt programs as they do behind a real network card. Moves the calling thread into a mount namespace
/// of its own, to see the namespace's /sys. False (with the reason) where that cannot be.
bool spread_receive_work(std::string& why_not);

struct Listener {
  os::UniqueFd fd;
  std::uint16_t port = 0;
};
Listener listen_on_loopback(int backlog, int rcvbuf = 0);
os::UniqueFd connect_to(std::uint16_t port);
os::UniqueFd accept_from(const Listener& listener);

struct Pair {
  os::UniqueFd client, server;
};
Pair make_pair(const Listener& listener);

/// All of it, in one call each; abort the test on a short write.
void send_exactly(int fd, std::size_t bytes);
std::size_t receive_once(int fd, std::size_t at_most);
void receive_exactly(int fd, std::size_t bytes);
void set_nonblocking(int fd);
std::uint16_t local_port(int fd);

}  // namespace tcpadvisor::traffic
