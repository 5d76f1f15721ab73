// SPDX-License-Identifier: Apache-2.0
// Bytes in the order in which they were appended, given out as pieces for writev. Pure.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::port {

class ByteQueue {
 public:
  /// Appends join the last piece while that is shorter than this; 0 keeps every append a piece of its own, which shows
  /// in what one writev of the classic profile can take.
  explicit ByteQueue(std::size_t join_below) : join_below_(join_below) {}

  void append(std::string_view bytes);
  /// The first pieces, at most `max`. Valid until the queue changes.
  const std::vector<iovec>& front(std::size_t max);
  void consume(std::size_t bytes);  ///< at most size()
  void clear();
  std::uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::size_t join_below_;
  std::vector<std::string> pieces_;
  std::size_t first_ = 0;   ///< index of the first piece that still has bytes
  std::size_t offset_ = 0;  ///< of its first byte
  std::uint64_t size_ = 0;
  std::vector<iovec> iov_;
};

}  // namespace tcpadvisor::port
