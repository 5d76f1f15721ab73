// SPDX-License-Identifier: Apache-2.0
// A Sample as tables of whole numbers, a column for each member, and back: what recordings keep. Columns go by name, so
// a member that a recording does not have is read with its default, and one that we do not know is passed over. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// Texts by number, so that a column can have them. 0 is the empty one.
class Texts {
 public:
  std::uint64_t number_of(std::string_view text);
  void add(std::string text) { texts_.push_back(std::move(text)); }  ///< as read: without looking for it
  std::size_t size() const { return texts_.size(); }
  std::string_view text(std::uint64_t number) const {  ///< empty if there is none
    return number < texts_.size() ? std::string_view(texts_[number]) : std::string_view();
  }

 private:
  std::vector<std::string> texts_{""};
  std::map<std::string, std::uint64_t, std::less<>> numbers_{{"", 0}};
};

struct Column {
  std::string name;
  std::size_t width = 1;             ///< slots of a row
  std::vector<std::uint64_t> slots;  ///< rows x width; texts by number, signed and real numbers by their bits
};

/// A list of structures. The first table is the Sample itself, one row.
struct ColumnTable {
  std::string path;  ///< "sockets"
  std::size_t rows = 0;
  std::vector<std::uint64_t> keys;  ///< who each row is, where that outlives its place; else empty
  std::vector<Column> columns;
};
using ColumnTables = std::vector<ColumnTable>;

ColumnTables to_columns(const Sample& sample, Texts& texts);

/// What comes of texts together may be so large at most: a short one can be named very often.
inline constexpr std::size_t kMostTextBytes = 64 << 20;
/// bad_input names the member. Work and memory are bounded by the rows that are there.
Result<Sample> from_columns(const ColumnTables& tables, const Texts& texts);

}  // namespace tcpadvisor
