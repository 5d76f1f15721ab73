// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/script.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"

namespace tcpadvisor::port::script {
namespace {

constexpr std::size_t kMaxLine = 1'000;

class Parser {
 public:
  explicit Parser(std::string name) { script_.name = std::move(name); }

  Result<Script> parse(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // some editors put a byte order mark before UTF-8
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
      line_ = 1;
      return std::unexpected(wrong(1, "this is UTF-16: save the script as UTF-8").error());
    }
    while (!text.empty()) {
      ++line_;
      std::size_t end = std::min(text.find('\n'), text.size());
      if (Status status = parse_line(text.substr(0, end)); !status) return std::unexpected(status.error());
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return finish();
  }

 private:
  Status parse_line(std::string_view line) {
    if (line.size() > kMaxLine) return wrong(kMaxLine + 1, "this line has more than 1,000 bytes");
    std::vector<Word> words = words_of(line);
    if (words.empty()) return {};
    if (script_.steps.size() == kMaxSteps) return wrong(1, "a script has at most 10,000 steps");
    Step step{.line = line_};
    for (const Word& word : words) step.text += (step.text.empty() ? "" : " ") + printable(word.text);
    Cursor cursor(std::move(words), line_, names_);
    parse_step(cursor, step);
    if (cursor.failed()) return wrong(cursor.fault()->column, cursor.fault()->message);
    script_.steps.push_back(std::move(step));
    return {};
  }

  void parse_step(Cursor& cursor, Step& step) {
    cursor.shape("on fake STEP");
    if (cursor.take("on")) step.only_on = cursor.transports();
    int place = cursor.column();
    step.column = place;
    std::string verb = cursor.next("a step");
    if (cursor.failed()) return;
    const StepShape* shape = find(verb);
    if (shape == nullptr) {
      unknown_verb(cursor, place, verb);
      return;
    }
    cursor.shape(shape->shape);
    if (shape->scope == StepShape::Scope::fake_only && step.only_on != std::set{TransportKind::fake} && !fake_only_) {
      fake_only_ = {line_, place, verb};
    }
    header_.conditional = !step.only_on.empty();
    step.settles = shape->scope != StepShape::Scope::looks;
    step.action = shape->parse(cursor, header_);
    if (cursor.failed()) return;
    int arrow = cursor.column();
    if (cursor.take("->")) {
      if (shape->gives == Gives::nothing) cursor.fail(arrow, fmt::format("'{}' has no result to expect", verb));
      step.wanted = cursor.wanted_result();
    }
    cursor.want_end();
  }

  static const StepShape* find(std::string_view verb) {
    auto shapes = step_shapes();
    auto at = std::ranges::find(shapes, verb, &StepShape::verb);
    return at == shapes.end() ? nullptr : &*at;
  }

  static void unknown_verb(Cursor& cursor, int place, const std::string& verb) {
    std::vector<std::string_view> verbs{"on"};
    for (const StepShape& shape : step_shapes()) verbs.push_back(shape.verb);
    cursor.fail(place, fmt::format("there is no step '{}'{}; the steps are {}", printable(verb.substr(0, 40)),
                                   did_you_mean(verb, verbs), fmt::join(verbs, ", ")));
  }

  Result<Script> finish() {
    if (script_.steps.empty()) {
      line_ = std::max(line_, 1);
      return std::unexpected(wrong(1, "there is no step in this script").error());
    }
    script_.transport = header_.transport.value_or(TransportKind::fake);
    script_.transports = header_.also;
    script_.transports.insert(script_.transport);
    if (fake_only_ && script_.transports != std::set{TransportKind::fake}) {
      line_ = fake_only_->line;
      return std::unexpected(wrong(fake_only_->column, fmt::format("'{}' is for the fake transport only: write "
                                                                   "'on fake {} …'",
                                                                   fake_only_->verb, fake_only_->verb))
                                 .error());
    }
    return std::move(script_);
  }

  Status wrong(std::size_t column, std::string_view message) const {
    return fail(ErrorCode::bad_input, fmt::format("{}:{}:{}: {}", printable(script_.name), line_, column, message));
  }

  struct FakeOnly {
    int line = 0, column = 0;
    std::string verb;
  };

  Script script_;
  Names names_;
  Header header_;
  std::optional<FakeOnly> fake_only_;
  int line_ = 0;
};

}  // namespace

Result<Script> parse_script(std::string name, std::string_view text) {
  return Parser(std::move(name)).parse(text);
}

}  // namespace tcpadvisor::port::script
