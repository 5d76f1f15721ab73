// SPDX-License-Identifier: Apache-2.0
// What programs say about the queue that they keep in front of a socket: the text of docs/user-queues.md, for those who
// speak it and those who listen. A new key is a row of the table in the .cc, and of that document. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/address.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor {

inline constexpr std::size_t kMaxQueueDatagram = 8192;  ///< bytes
inline constexpr std::size_t kMaxQueueName = 32;        ///< characters
inline constexpr std::uint64_t kMaxQueueNumber =
    1ull << 53;  ///< every JSON reader keeps it exactly; 2048 of them fit 64 bits

/// How a program names a connection: the cookie of its socket, or both addresses, or all three.
struct ConnectionName {
  std::uint64_t cookie = 0;  ///< 0: not given
  Endpoint local, remote;    ///< ports 0: not given
  bool has_addresses() const { return local.port != 0; }
  std::string text() const;  ///< "127.0.0.1:40000 > 127.0.0.1:5000", "cookie 17"
  auto operator<=>(const ConnectionName&) const = default;
};

/// One line. Nobody has checked that its speaker may say so.
struct UserQueueClaim {
  ConnectionName connection;
  UserQueue queue;  ///< what was said; netns, addresses, cookie, pid, comm and age_ms are not set
  auto operator<=>(const UserQueueClaim&) const = default;
};

/// Why a message was refused: a short fixed phrase to count by, and one line for a person.
struct Refusal {
  std::string_view kind;
  std::string text;
};
using QueueLine = std::expected<UserQueueClaim, Refusal>;

/// One line without its newline.
QueueLine parse_user_queue(std::string_view line);
/// Each line that is not empty; a bad one does not spoil the others.
std::vector<QueueLine> parse_user_queues(std::string_view datagram);

/// The line that says `claim`, with its newline: what is nothing is not said, numbers that are too large are said as
/// the largest, and of a name what may be said.
std::string user_queue_line(const UserQueueClaim& claim);
/// The names of all keys, in the order in which they are said.
std::vector<std::string_view> user_queue_keys();

/// "127.0.0.1:40000", "[::1]:5000", as ss writes it. The port is not 0.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace tcpadvisor
