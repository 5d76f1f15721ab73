// SPDX-License-Identifier: Apache-2.0
// What is there, as text, and whether it is what a script expects.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "agent/port/script/line.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {
namespace {

std::string yes_or_no(bool value) {
  return value ? "yes" : "no";
}

std::optional<std::int64_t> as_number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string time_text(Time time) {
  return fmt::format("{}ms", static_cast<double>(time.count() / 1'000) / 1'000);
}

std::string_view to_text(PeerEnd end) {
  return end == PeerEnd::none ? "none" : end == PeerEnd::fin ? "fin" : "reset";
}

}  // namespace

std::string Run::state_of(const Caller& who) const {
  if (who.gone) return "gone";
  if (!who.called) return "idle";
  if (!who.pending) return std::string(to_text(who.outcome));
  return who.on->held(who.id);
}

std::string Run::fact_of(const Caller& who, const std::string& key, const std::optional<std::string>& result) const {
  if (key == "calls") return fmt::to_string(who.calls);
  if (key == "count") {
    std::uint64_t count = 0;
    for (const auto& [outcome, times] : who.returned) {
      if (!result || port::to_text(outcome) == *result) count += times;
    }
    return fmt::to_string(count);
  }
  if (key == "waited") return yes_or_no(who.waited);
  if (key == "bytes") return fmt::to_string(who.bytes);
  if (key == "reply") return who.reply == Outcome::pending ? "none" : std::string(port::to_text(who.reply));
  if (key == "at" || key == "after") {
    if (who.pending || !who.called) return "not returned";
    return fmt::to_string((key == "at" ? who.answered_at : who.answered_at - who.called_at).count());
  }
  auto message = std::ranges::find(message_keys(), key, &MessageKey::name);
  auto told = who.messages.find(message->kind);
  return fmt::to_string(told == who.messages.end() ? 0 : told->second);
}

Result<std::string> Run::fact(const std::string& name, const std::string& key) {
  if (auto listener = listeners_.find(name); listener != listeners_.end())
    return option_text(listener->second.options, key);
  auto on = line(name);
  if (!on) return std::unexpected(on.error());
  return (*on)->fact(key);
}

Status Run::let(const std::string& name, const std::string& key, const std::string& of) {
  auto text = fact(of, key);
  if (!text) return std::unexpected(text.error());
  auto value = *text == "yes" ? 1 : *text == "no" ? 0 : as_number(*text);
  if (!value) return fail(ErrorCode::bad_input, fmt::format("{} of {} is {}: not a number", key, of, *text));
  values_[name] = *value;
  given_ = fmt::to_string(*value);
  return {};
}

Result<bool> Run::compare(const Comparison& wanted, const std::string& found) {
  if (wanted.kind == ValueKind::time) {
    auto ns = as_number(found);
    return ns && std::chrono::abs(Time(*ns) - wanted.time) <= world_.tolerance();
  }
  if (wanted.number) {
    auto value = wanted.number->evaluate(values_);
    if (!value) return std::unexpected(value.error());
    auto number = as_number(found);
    return number ? holds(*number, wanted.relation, *value) : wanted.relation == Relation::unequal;
  }
  return found == wanted.word;
}

Result<std::string> Run::judge(const Expectation& wanted) {
  const std::string& name = wanted.names.front();
  if (wanted.about == Expectation::About::order) {
    std::vector<std::string> answered = wanted.names;
    for (const std::string& one : answered) {
      if (caller(one).answer_number == 0 || caller(one).pending) return fmt::format("{} has no answer", one);
    }
    std::ranges::sort(answered, {}, [&](const std::string& one) { return caller(one).answer_number; });
    if (answered == wanted.names) return "";
    std::string order = "the order is";
    for (const std::string& one : answered) order += " " + one;
    return order;
  }
  bool good = true;
  std::string found = wanted.about == Expectation::About::peer ? fmt::format("peer {} has", name) : name + " has";
  if (wanted.about == Expectation::About::caller) {
    std::string state = state_of(caller(name));
    found = fmt::format("{} is {}", name, state);
    // With a count it is about all calls of the step, else about the last.
    bool counted = std::ranges::any_of(wanted.comparisons, [](const Comparison& c) { return c.key == "count"; });
    if (wanted.result && !counted) good = state == *wanted.result;
  }
  for (const Comparison& one : wanted.comparisons) {
    std::string value;
    switch (wanted.about) {
      case Expectation::About::caller:
        value = fact_of(caller(name), one.key, wanted.result);
        break;
      case Expectation::About::peer: {
        auto far = peer(name);
        if (!far) return std::unexpected(far.error());
        value =
            one.key == "got" ? fmt::to_string(lines_.at(name)->to_peer.arrived()) : std::string(to_text((*far)->end()));
        break;
      }
      default: {
        auto text = fact(name, one.key);
        if (!text) return text;
        value = *text;
      }
    }
    auto same = compare(one, value);
    if (!same) return std::unexpected(same.error());
    good &= *same;
    bool time = one.kind == ValueKind::time && as_number(value);
    found += fmt::format(" {}={}", one.key, time ? time_text(Time(*as_number(value))) : value);
  }
  return good ? "" : found;
}

Status Run::expect(const Expectation& wanted) {
  auto found = judge(wanted);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) record_.result = "holds";
  return found->empty() ? Status() : fail(ErrorCode::failed, *found);
}

}  // namespace tcpadvisor::port::script
