// SPDX-License-Identifier: Apache-2.0
// Samples as few bytes: a chain begins with a whole one, each other is what changed since the one before it. Rows are
// found again by who they are, so that a socket that ends does not move all others. Pure; the bytes go through zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample_columns.h"

namespace tcpadvisor::store {

inline constexpr std::size_t kMostUnpacked = 64 << 20;  ///< bytes of one tick before zlib
inline constexpr std::size_t kMostSlots = 16 << 20;     ///< numbers in one tick

/// Of a chain, on the writer's and on the reader's side.
struct Chain {
  struct Table {
    ColumnTable now;
    std::map<std::string, std::size_t, std::less<>> column_at;
  };
  Texts texts;
  std::size_t text_bytes = 0;  ///< as read
  std::vector<Table> tables;   ///< by number
  std::map<std::string, std::size_t, std::less<>> table_at;
};

class Packer {
 public:
  /// The first one, and the first after begin(), is whole.
  std::string pack(const Sample& sample);
  void begin() { chain_ = Chain(); }

 private:
  Chain chain_;
};

class Unpacker {
 public:
  /// In the order in which they were packed, from a whole one on. An error is bad_input; what follows needs begin().
  /// Work and memory are bounded by the bytes of the chain, not by what they say.
  Result<Sample> unpack(std::string_view bytes);
  Result<Sample> unpack_plain(std::string_view plain);  ///< without zlib, for tests
  void begin() { *this = Unpacker(); }

 private:
  Status apply(std::string_view plain);

  Chain chain_;
  bool broken_ = false;
  std::size_t slots_ = 0;  ///< numbers that the chain's tables hold
};

/// zlib, both ways. The second fails beyond `most` bytes.
std::string deflated(std::string_view plain);
Result<std::string> inflated(std::string_view bytes, std::size_t most);

}  // namespace tcpadvisor::store
