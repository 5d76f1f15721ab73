// SPDX-License-Identifier: Apache-2.0
// How long sockets have been in the states of closing, where no hook saw the change: since we first saw them there.
// Pure.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "advisor/evidence/sample.h"

namespace tcpadvisor::collect {

class StateAges {
 public:
  explicit StateAges(std::size_t max_sockets = 65'536) : max_sockets_(max_sockets) {}

  /// Fills row.state_age_ms with a lower bound, unless the row has an exact age. Other states than CLOSE_WAIT,
  /// FIN_WAIT_1, FIN_WAIT_2, LAST_ACK and CLOSING are left alone.
  void observe(SocketRow& row, std::uint64_t now_ms);
  /// Forgets every socket that was not observed since the last call.
  void end_walk();

  std::size_t size() const { return seen_.size(); }
  std::uint64_t not_remembered() const {
    return not_remembered_;
  }  ///< observations beyond max_sockets, since the start

 private:
  struct Seen {
    TcpState state;
    std::uint32_t walk;
    std::uint64_t first_ms;
  };
  std::size_t max_sockets_;
  std::unordered_map<std::uint64_t, Seen> seen_;  // by cookie
  std::uint32_t walk_ = 0;
  std::uint64_t not_remembered_ = 0;
};

}  // namespace tcpadvisor::collect
