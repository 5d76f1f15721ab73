// SPDX-License-Identifier: Apache-2.0
// The bytes that callers send, such that the peer can tell whose they are and whether any is lost, doubled or out of
// its order. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"

namespace tcpadvisor::port::script {

/// One direction of one connection. The upper half of each byte says which sender it is of, the lower half runs on.
class Payload {
 public:
  static constexpr std::size_t kMaxSenders = 16;

  /// `header`: bytes of length in front of each send, 0 for none.
  explicit Payload(int header = 0) : header_(static_cast<std::size_t>(header)) {}

  /// The next bytes of a sender, which may arrive from now on.
  std::string next(std::size_t sender, std::size_t bytes);
  /// The last next() of this sender, of so many bytes, was refused: they will not come.
  void take_back(std::size_t sender, std::size_t bytes);

  /// Bytes as they arrive. Fails with the place of the first one that is wrong.
  Status check(std::string_view arrived);
  std::uint64_t arrived() const { return arrived_; }
  /// Bytes of an open connection were thrown away, as the driver may do: what follows has a gap.
  void stop_checking() { checks_ = false; }

 private:
  struct Sender {
    std::uint64_t made = 0, arrived = 0;  ///< bytes
    std::deque<std::size_t> sends;        ///< sizes of what has not begun to arrive
  };

  Status begin(std::size_t bytes_of_header, std::uint8_t first);
  Status begin_empty();
  std::unexpected<Error> wrong(std::string_view why) const;
  Sender& sender(std::size_t index);

  std::size_t header_;
  std::vector<Sender> senders_;
  std::uint64_t arrived_ = 0;
  std::string header_read_;  ///< of the send that is arriving
  std::size_t current_ = 0;  ///< sender of it
  std::size_t left_ = 0;     ///< bytes of it that have not arrived
  std::size_t announced_ = 0;
  bool body_begins_ = false;
  bool checks_ = true;
};

}  // namespace tcpadvisor::port::script
