// SPDX-License-Identifier: Apache-2.0
// Private network namespaces: a fault never touches a setting or an interface of the host.
#pragma once

#include <cstdint>
#include <string>

namespace tcpfault {

/// Moves this process into a fresh network namespace with its loopback up. Throws Skip without the right to do so.
void enter_new_netns();
/// A descriptor of the namespace we are in.
int this_netns();
std::uint64_t netns_inode(int netns_fd);
void join_netns(int netns_fd);

/// Address, netmask and up-flag of an interface of this namespace. `address` empty: only up.
void bring_up(const std::string& interface, const std::string& address = "", const std::string& netmask = "");

void set_mtu(const std::string& interface, int bytes);

/// Writes a setting of *this* namespace, for example "net/ipv4/tcp_max_tw_buckets".
void set_sysctl(const std::string& path, const std::string& value);
std::string get_sysctl(const std::string& path);

}  // namespace tcpfault
