// SPDX-License-Identifier: Apache-2.0
// The part of the reader that reads what a script expects.
#include <fmt/format.h>

#include <algorithm>

#include "agent/port/script/cursor.h"

namespace tcpadvisor::port::script {

Expectation Cursor::expectation() {
  Expectation wanted;
  std::size_t first = at_;
  Keys keys{caller_keys(), false};
  bool needs_more = true;
  if (take("order")) {
    wanted.about = Expectation::About::order;
    while (!end() && peek() != "within") wanted.names.push_back(caller());
    if (wanted.names.size() < 2) fail(column(), "an order has two callers at least: order A B");
    needs_more = false;
  } else if (take("peer")) {
    wanted.about = Expectation::About::peer;
    wanted.names.push_back(name_of({NameKind::port, NameKind::channel}));
    keys = {peer_keys(), false};
  } else {
    auto known = names_.find(peek());
    NameKind kind = known == names_.end() ? NameKind::caller : known->second.kind;
    int place = column();
    std::string name = next("what is expected");
    if (failed()) return wanted;
    wanted.names.push_back(name);
    if (kind == NameKind::caller) {
      if (known == names_.end())
        fail(place, fmt::format("there is no caller or port {} above this line: {}", quoted(name), shape_));
      if (!end() && std::ranges::find(result_words(), peek()) != result_words().end()) {
        wanted.result = next("");
        needs_more = false;
      }
    } else if (kind == NameKind::value) {
      fail(place, fmt::format("'{}' is a value: expect something of a caller, a port, 'peer P' or 'order A B'", name));
    } else {
      wanted.about = Expectation::About::end;
      keys = keys_of(name);
    }
  }
  while (!end() && peek() != "within") {
    auto one = setting();
    if (!one) {
      bool apart = at_ + 1 < words_.size() && words_[at_ + 1].text.find_first_of("=!<>") == 0;
      bool first_word = !wanted.result && wanted.comparisons.empty();
      if (apart) {
        fail(column(), fmt::format("{} and {} belong together: write for example q=3", quoted(peek()),
                                   quoted(words_[at_ + 1].text)));
      } else if (wanted.about == Expectation::About::caller && first_word) {
        words_expected(peek(), column(), {result_words().begin(), result_words().end()});
      }
      fail(column(), fmt::format("{} is not KEY=VALUE: {}", quoted(peek()), shape_));
      break;
    }
    wanted.comparisons.push_back(comparison(*one, keys));
    needs_more = false;
  }
  if (needs_more) {
    fail(column(), wanted.about == Expectation::About::caller ? "a result (ok, waiting, …) or KEY=VALUE is missing"
                                                              : "KEY=VALUE is missing, for example q=0");
  }
  for (std::size_t at = first; at < at_; ++at) wanted.text += (at > first ? " " : "") + words_[at].text;
  return wanted;
}

WantedResult Cursor::wanted_result() {
  int place = column();
  WantedResult wanted{.number = std::nullopt, .word = next("the result after '->'")};
  if (failed()) return wanted;
  constexpr std::array<std::string_view, 2> kYesNo{"yes", "no"};
  auto is_one_of = [&](const auto& words) { return std::ranges::find(words, wanted.word) != std::end(words); };
  if (is_one_of(result_words()) || is_option_word(wanted.word) || is_one_of(kYesNo)) return wanted;
  if (wanted.word.starts_with('{')) {
    words_expected(wanted.word, place, {result_words().begin(), result_words().end()});
  } else if (is_name(wanted.word) && !names_.contains(wanted.word)) {
    words_expected(wanted.word, place, {result_words().begin(), result_words().end()});
  } else {
    wanted.number = number_at(wanted.word, place);
  }
  return wanted;
}

}  // namespace tcpadvisor::port::script
