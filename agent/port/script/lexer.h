// SPDX-License-Identifier: Apache-2.0
// What a line of a script is made of: words with their columns, and numbers with names in them. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"

namespace tcpadvisor::port::script {

struct Word {
  std::string text;
  int column = 1;  ///< of its first byte
};

/// Without the comment.
std::vector<Word> words_of(std::string_view line);

/// A letter, then letters, digits and '_'; at most 32 in all.
bool is_name(std::string_view text);

using Values = std::map<std::string, std::int64_t, std::less<>>;

/// "100", "8KiB", "-1", "Q+10", "2*K-1": sums of products of numbers and names.
class Number {
 public:
  Number() : Number(0) {}
  explicit Number(std::int64_t value) : terms_{{false, {{value, {}}}}} {}

  struct Fault {
    std::size_t offset = 0;  ///< in the text
    std::string message;
  };
  static std::expected<Number, Fault> parse(std::string_view text);

  /// Fails with bad_input if a name has no value or the result does not fit in 63 bits.
  Result<std::int64_t> evaluate(const Values& values) const;

  struct Name {
    std::string text;
    std::size_t offset = 0;
  };
  const std::vector<Name>& names() const { return names_; }

 private:
  struct Factor {
    std::int64_t value = 0;
    std::string name;  ///< not empty: instead of the value
  };
  struct Term {
    bool minus = false;
    std::vector<Factor> factors;
  };
  std::vector<Term> terms_;
  std::vector<Name> names_;
};

}  // namespace tcpadvisor::port::script
