// SPDX-License-Identifier: Apache-2.0
// Reads the words of one line from left to right, and knows the names of the script so far. The first error stays; what
// is read after it are defaults. Pure.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/options.h"
#include "agent/port/script/expectation.h"
#include "agent/port/script/lexer.h"
#include "agent/port/script/world.h"

namespace tcpadvisor::port::script {

enum class NameKind : std::uint8_t { port, listener, channel, caller, value };
std::string_view to_text(NameKind kind);

struct Name {
  NameKind kind;
  int line;
};
using Names = std::map<std::string, Name, std::less<>>;

struct Fault {
  int column = 1;
  std::string message;  ///< what, and what would be right
};

/// "high=2": what stands behind the verb's own words.
struct Setting {
  std::string key;
  Relation relation = Relation::equal;
  std::string value{};
  int column = 1, value_column = 1;
};

/// For messages: printable, and not longer than a line bears.
std::string quoted(std::string_view text);
/// "true", "infinity", "true/2": values of options that are not numbers.
bool is_option_word(std::string_view text);

class Cursor {
 public:
  Cursor(std::vector<Word> words, int line, Names& names) : words_(std::move(words)), line_(line), names_(names) {}

  void shape(std::string_view text) { shape_ = text; }  ///< of the step, for messages
  bool failed() const { return fault_.has_value(); }
  const std::optional<Fault>& fault() const { return fault_; }
  void fail(int column, std::string message);

  bool end() const { return failed() || at_ == words_.size(); }
  void want_end();
  int column() const;  ///< of the next word, or of what is missing
  std::string_view peek() const { return end() ? std::string_view() : std::string_view(words_[at_].text); }
  std::string next(std::string_view what);  ///< "" and a fault if the line ends
  bool take(std::string_view word);
  void want(std::string_view word);
  /// One of these; the first of them after a fault.
  std::string_view choice(std::initializer_list<std::string_view> words);

  Number number(std::string_view what);
  Number number_at(std::string_view text, int column);
  Time time();
  Time time_at(std::string_view text, int column);
  /// "fake", "unix,tcp", "unix tcp".
  std::set<TransportKind> transports();

  std::string new_name(NameKind kind);
  std::string name(NameKind kind);
  std::string name_at(std::string text, int column, NameKind kind);
  std::vector<std::string> callers();  ///< "A" or "A,B,C"
  std::string port() { return name(NameKind::port); }
  std::string caller() { return name(NameKind::caller); }

  /// The next word if it is KEY=VALUE (or another relation); nothing otherwise.
  std::optional<Setting> setting();
  void unknown(const Setting& setting, std::vector<std::string_view> keys);
  bool yes_no(const Setting& setting, std::string_view yes, std::string_view no);

  struct OptionWish {
    std::string name;
    std::optional<Number> number;
    std::string word;
  };
  /// The setting is an option of ports: its value, of whatever type. False: there is no such option.
  bool option(const Setting& setting, std::vector<OptionWish>& into);

  Expectation expectation();
  /// Of the end that is named; its kind decides which keys there are.
  Comparison comparison_of(const std::string& end, const Setting& setting);
  std::string key_of(const std::string& end);
  /// The next word, a name of one of these kinds.
  std::string name_of(std::initializer_list<NameKind> kinds);
  bool is(std::string_view name, NameKind kind) const;
  WantedResult wanted_result();

 private:
  struct Keys {
    std::span<const Key> keys;
    bool options = false;
    std::vector<std::string_view> all() const;
  };
  Keys keys_of(std::string_view end) const;
  Comparison comparison(const Setting& setting, const Keys& keys);
  void words_expected(std::string_view got, int column, const std::vector<std::string_view>& words);

  std::vector<Word> words_;
  int line_;
  Names& names_;
  std::size_t at_ = 0;
  std::string_view shape_;
  std::optional<Fault> fault_;
};

}  // namespace tcpadvisor::port::script
