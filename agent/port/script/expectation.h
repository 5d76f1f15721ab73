// SPDX-License-Identifier: Apache-2.0
// What a script expects, as data: "A waiting calls=7", "P q=2 busy=yes", "peer P got=30", "order A B C". Pure.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/script/lexer.h"
#include "agent/port/terms.h"

namespace tcpadvisor::port::script {

/// What a value is: it decides how it is written and compared.
enum class ValueKind : std::uint8_t { number, yes_no, time, result, option, end };

struct Key {
  std::string_view name;
  ValueKind kind;
};
std::span<const Key> caller_keys();
std::span<const Key> port_keys();  ///< states and statistics; the options come on top
std::span<const Key> channel_keys();
std::span<const Key> peer_keys();
/// With the options.
std::vector<std::string_view> all_port_keys();

enum class Relation : std::uint8_t { equal, unequal, more, at_least, less, at_most };
std::string_view to_text(Relation relation);
bool holds(std::int64_t left, Relation relation, std::int64_t right);

/// "q>=2*Q": the key, and what it is compared with.
struct Comparison {
  std::string key;
  ValueKind kind = ValueKind::number;
  Relation relation = Relation::equal;
  std::optional<Number> number{};  ///< of a number, or of an option that is written as one
  Time time{};
  std::string word{};  ///< everything else
};

/// The results a call can have, and the three states of one that has not returned.
std::span<const std::string_view> result_words();

/// Kinds of messages by the names that scripts use.
struct MessageKey {
  std::string_view name;
  EventKind kind;
};
std::span<const MessageKey> message_keys();

struct Expectation {
  enum class About : std::uint8_t { caller, end, peer, order } about = About::caller;
  std::vector<std::string> names;     ///< one, of an order two or more; an end is a port, listener or channel
  std::optional<std::string> result;  ///< of a caller
  std::vector<Comparison> comparisons;
  std::string text;  ///< as written
};

/// What comes back from a step: "-> ok", "-> {error,closed}", "-> Q+10".
struct WantedResult {
  std::optional<Number> number;
  std::string word;
};

}  // namespace tcpadvisor::port::script
