// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/transcript.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "advisor/base/text.h"

namespace tcpadvisor::port::script {
namespace {

constexpr std::size_t kShownEvents = 12;

double milliseconds_of(Time time) {
  return static_cast<double>(time.count() / 1'000) / 1'000;
}

/// "300", "12.3"
std::string time_text(Time time) {
  std::int64_t tenths = (time.count() + 50'000) / 100'000;
  return tenths % 10 == 0 ? fmt::format("{}", tenths / 10) : fmt::format("{}.{}", tenths / 10, tenths % 10);
}

std::string flags_of(const PortState& state) {
  std::vector<std::string> flags;
  auto flag = [&](bool on, const char* text) {
    if (on) flags.emplace_back(text);
  };
  flag(state.busy, "busy");
  flag(state.message_busy, "mq_busy");
  if (state.waiting > 0) flags.push_back(fmt::format("waiting={}", state.waiting));
  if (state.suspended > 0) flags.push_back(fmt::format("suspended={}", state.suspended));
  if (state.scheduled > 0) flags.push_back(fmt::format("scheduled={}", state.scheduled));
  flag(state.pending_shutdown, "pending_shutdown");
  flag(state.limbo, "limbo");
  flag(!state.open && !state.gone, "disconnected");
  flag(!state.open && state.gone, "closed");
  return fmt::format("{}", fmt::join(flags, " "));
}

std::string columns_of(const PortState& state) {
  return fmt::format("{:>9} {:>6}  {:<26}", state.queued, state.message_queue, flags_of(state));
}

/// In the columns of a port: what is in front of the driver's queue is the channel's.
std::string columns_of(const ChannelState& state) {
  std::vector<std::string> flags;
  if (state.driver_busy) flags.emplace_back("driver_busy");
  if (state.busy) flags.emplace_back("busy");
  if (state.suspended > 0) flags.push_back(fmt::format("suspended={}", state.suspended));
  if (!state.connected) flags.emplace_back(state.pending ? "pending" : "not connected");
  return fmt::format("{:>9} {:>6}  {:<26}", state.driver_queued, state.queued,
                     fmt::format("{}", fmt::join(flags, " ")));
}

std::string caller_text(const CallerRecord& caller) {
  std::vector<std::string> parts;
  for (const auto& [outcome, count] : caller.returned) {
    parts.push_back(count > 1 ? fmt::format("{} x{}", to_text(outcome), count) : std::string(to_text(outcome)));
  }
  bool returned = std::ranges::any_of(caller.returned, [&](const auto& r) { return to_text(r.first) == caller.now; });
  if (!returned) parts.push_back(caller.now);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

void Reasons::add(std::string_view text) {
  Sentence* before = !last_.empty() ? &last_.back() : !first_.empty() ? &first_.back() : nullptr;
  if (before != nullptr && before->text == text) {
    ++before->times;
    return;
  }
  if (first_.size() < kFirst) {
    first_.push_back({std::string(text)});
    return;
  }
  last_.push_back({std::string(text)});
  if (last_.size() <= kLast) return;
  left_out_ += last_.front().times;
  last_.pop_front();
}

std::vector<std::string> Reasons::lines() const {
  std::vector<std::string> all;
  auto add = [&](const Sentence& one) {
    all.push_back(one.times > 1 ? fmt::format("{} (x{})", one.text, one.times) : one.text);
  };
  std::ranges::for_each(first_, add);
  if (left_out_ > 0) all.push_back(fmt::format("… and {} more …", left_out_));
  std::ranges::for_each(last_, add);
  return all;
}

std::string result_text(const StepRecord& record) {
  if (record.callers.empty()) return record.result;
  if (record.callers.size() == 1) return caller_text(record.callers.front());
  std::vector<std::string> texts;
  for (const CallerRecord& caller : record.callers) texts.push_back(caller.name + " " + caller_text(caller));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string TextTranscript::head() {
  return trimmed(fmt::format("{:>5} {:>9}  {:<44} {:<18} {:>9} {:>6}  {:<26} {}", "line", "ms", "step", "result", "q",
                             "mq", "state", "events")) +
         "\n";
}

void TextTranscript::add(const StepRecord& record) {
  std::string first, more;
  std::map<std::string, std::string> all;
  for (const auto& [name, state] : record.ports) all.emplace(name, columns_of(state));
  for (const auto& [name, state] : record.channels) all.emplace(name, columns_of(state));
  for (const auto& [name, columns] : all) {
    std::string& before = shown_[name];
    bool own = name == record.shown || (all.size() == 1 && record.shown.empty());
    if (own) {
      first = columns;
    } else if (columns != before) {
      more += trimmed(fmt::format("{:>5} {:>9}  {:<44} {:<18} {}", "", "", fmt::format("  ({})", name), "", columns)) +
              "\n";
    }
    before = columns;
  }
  std::vector<std::string> events = record.events;
  if (events.size() > kShownEvents) {
    std::size_t hidden = events.size() - kShownEvents;
    events.resize(kShownEvents);
    events.push_back(fmt::format("and {} more", hidden));
  }
  std::string text = trimmed(fmt::format("{:>5} {:>9}  {:<44} {:<18} {:<44} {}", record.line, time_text(record.at),
                                         record.step, result_text(record), first, fmt::join(events, "; "))) +
                     "\n" + more;
  for (const std::string& reason : record.reasons.lines()) text += fmt::format("{:>18} {}\n", "|", reason);
  if (!record.failure.empty()) text += fmt::format("{:>16} does not hold: {}\n", "^^^", record.failure);
  if (write_) write_(begun_ ? text : head() + text);
  begun_ = true;
  last_.push_back(std::move(text));
  if (last_.size() > kShownBefore + 1) last_.pop_front();
}

std::string TextTranscript::last_steps() const {
  return head() + fmt::format("{}", fmt::join(last_, ""));
}

void JsonTranscript::add(const StepRecord& record) {
  nlohmann::ordered_json object{{"line", record.line}, {"step", record.step}, {"t_ms", milliseconds_of(record.at)}};
  if (record.callers.size() == 1) object["caller"] = record.callers.front().name;
  object["result"] = result_text(record);
  for (const CallerRecord& caller : record.callers) {
    auto& one = object["callers"][caller.name];
    one["now"] = caller.now;
    one["calls"] = caller.calls;
    for (const auto& [outcome, count] : caller.returned) one["returned"][std::string(to_text(outcome))] = count;
  }
  object["events"] = record.events;
  if (!record.reasons.empty()) object["reasons"] = record.reasons.lines();
  object["ports"] = nlohmann::ordered_json::object();
  for (const auto& [name, state] : record.ports) {
    object["ports"][name] = {{"q", state.queued},
                             {"mq", state.message_queue},
                             {"busy", state.busy},
                             {"mq_busy", state.message_busy},
                             {"waiting", state.waiting},
                             {"suspended", state.suspended},
                             {"scheduled", state.scheduled},
                             {"pending_shutdown", state.pending_shutdown},
                             {"limbo", state.limbo},
                             {"open", state.open},
                             {"gone", state.gone}};
  }
  for (const auto& [name, state] : record.channels) {
    object["channels"][name] = {{"q", state.queued},
                                {"driver_q", state.driver_queued},
                                {"busy", state.busy},
                                {"driver_busy", state.driver_busy},
                                {"suspended", state.suspended},
                                {"connected", state.connected},
                                {"pending", state.pending}};
  }
  if (!record.failure.empty()) object["failure"] = record.failure;
  write_(object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace tcpadvisor::port::script
