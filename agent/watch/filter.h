// SPDX-License-Identifier: Apache-2.0
// What the user types to see a part of a list: words, "proc:nginx", "q>64K", "/a.*b/", combined by blanks. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/address.h"
#include "advisor/evidence/owner_group.h"

namespace tcpadvisor::watch {

enum class Field : std::uint8_t { proc, port, state, peer, group, netns, q, age };
std::string_view name_of(Field field);

/// What an item of a list can be asked for. Of a list of values any may fit: a connection has two ends.
struct Traits {
  std::string words;  ///< what words without a key and regular expressions look at
  std::vector<std::string> processes{}, states{}, peers{}, groups{}, netns{};
  std::vector<std::uint16_t> ports{};
  std::uint64_t queued = 0;
  std::optional<std::uint64_t> age_ms = std::nullopt;

  void add_port(const Endpoint& end);
  void add_peer(const Endpoint& end);
  void add_group(const std::optional<OwnerGroup>& group);
};

using Fields = std::vector<Field>;  ///< that a list has

class Filter {
 public:
  /// Never fails: what is wrong is left out and told by error().
  explicit Filter(std::string_view text = "");

  bool empty() const { return terms_.empty(); }
  /// What is wrong with the text and what would be right; of a right text, what this list cannot be asked for. Or "".
  std::string problem(const Fields& known) const;
  /// All terms fit; those on fields that the list does not have are passed over.
  bool matches(const Traits& traits, const Fields& known) const;

 private:
  enum class Compare : std::uint8_t { less, less_or_equal, equal, greater_or_equal, greater };
  struct Term {
    std::optional<Field> field;  ///< none: a word or a regular expression
    std::string text;            ///< in the form in which it is compared
    Compare compare = Compare::equal;
    std::uint64_t number = 0;
    std::shared_ptr<const std::regex> regex;
  };

  void add(std::string_view word);
  void add_regex(std::string_view pattern);
  void add_keyed(Field field, std::string_view word, std::string_view value);
  void add_compared(Field field, std::string_view word, std::string_view rest);
  void complain(std::string what);
  static bool fits(const Term& term, const Traits& traits);

  std::vector<Term> terms_;
  std::string error_;  ///< the first one
};

bool contains_ignoring_case(std::string_view text, std::string_view part);

}  // namespace tcpadvisor::watch
