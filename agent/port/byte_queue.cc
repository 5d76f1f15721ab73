// SPDX-License-Identifier: Apache-2.0
#include "agent/port/byte_queue.h"

#include <algorithm>

namespace tcpadvisor::port {
namespace {

constexpr std::size_t kCompactAt = 1'024;  ///< dead pieces at the front
constexpr std::size_t kKeptWhenEmpty = 4;  ///< pieces

}  // namespace

void ByteQueue::append(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  if (pieces_.size() > first_ && pieces_.back().size() < join_below_) {
    pieces_.back().append(bytes);
  } else {
    pieces_.emplace_back(bytes);
  }
}

const std::vector<iovec>& ByteQueue::front(std::size_t max) {
  iov_.clear();
  std::size_t skip = offset_;
  for (std::size_t i = first_; i < pieces_.size() && iov_.size() < max; ++i) {
    iov_.push_back({pieces_[i].data() + skip, pieces_[i].size() - skip});
    skip = 0;
  }
  return iov_;
}

void ByteQueue::consume(std::size_t bytes) {
  size_ -= bytes;
  while (bytes > 0) {
    std::size_t here = std::min(bytes, pieces_[first_].size() - offset_);
    offset_ += here;
    bytes -= here;
    if (offset_ < pieces_[first_].size()) break;
    std::string().swap(pieces_[first_++]);  // gives the memory back; assigning {} would not
    offset_ = 0;
  }
  if (size_ == 0) {
    clear();
  } else if (first_ >= kCompactAt && first_ >= pieces_.size() / 2) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void ByteQueue::clear() {
  // A queue that was long once should not keep its memory: there may be very many idle ports.
  if (pieces_.capacity() > kKeptWhenEmpty) std::vector<std::string>().swap(pieces_);
  if (iov_.capacity() > kKeptWhenEmpty) std::vector<iovec>().swap(iov_);
  pieces_.clear();
  iov_.clear();
  first_ = offset_ = 0;
  size_ = 0;
}

}  // namespace tcpadvisor::port
