// SPDX-License-Identifier: Apache-2.0
#include "agent/apply/journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <ranges>
#include <set>

#include "advisor/base/text.h"
#include "advisor/report/json_read.h"

namespace tcpadvisor::apply {
namespace {

using nlohmann::json;
namespace read = json_read;

json to_json(const Promise& promise) {
  return {{"scope_kind", promise.scope_kind}, {"comm", promise.comm}, {"local", promise.local},
          {"remote", promise.remote},         {"pid", promise.pid},   {"takes_effect", promise.takes_effect},
          {"metric", promise.metric},         {"from", promise.from}, {"to", promise.to}};
}

json to_json(const PlanStep& step) {
  return {{"knob", step.knob},         {"netns_id", step.netns_id},
          {"netns", step.netns},       {"old", step.old_value},
          {"new", step.new_value},     {"id", step.id},
          {"instance", step.instance}, {"title", step.title},
          {"why", step.why},           {"persist_file", step.persist_file},
          {"persist", step.persist},   {"promise", to_json(step.promise)}};
}

PlanStep step_of(const json& one) {
  PlanStep step{.knob = read::text(one, "knob"),
                .netns_id = read::whole(one, "netns_id"),
                .netns = read::text(one, "netns"),
                .old_value = read::text(one, "old"),
                .new_value = read::text(one, "new"),
                .id = read::text(one, "id"),
                .instance = read::text(one, "instance"),
                .title = read::text(one, "title"),
                .why = read::text(one, "why"),
                .persist_file = read::text(one, "persist_file"),
                .persist = read::text(one, "persist"),
                .promise = {}};
  const json& kept = read::object(one, "promise");
  step.promise = {.id = step.id,
                  .instance = step.instance,
                  .title = step.title,
                  .scope_kind = read::text(kept, "scope_kind"),
                  .netns = step.netns,
                  .comm = read::text(kept, "comm"),
                  .local = read::text(kept, "local"),
                  .remote = read::text(kept, "remote"),
                  .pid = read::whole(kept, "pid"),
                  .knob = step.knob,
                  .takes_effect = read::text(kept, "takes_effect"),
                  .metric = read::text(kept, "metric"),
                  .from = read::number(kept, "from").value_or(0),
                  .to = read::number(kept, "to").value_or(0)};
  return step;
}

std::int64_t time_in(const json& object, const char* key) {
  return static_cast<std::int64_t>(read::whole(object, key));
}

Entry entry_of(const json& line) {
  Entry entry{.number = read::whole(line, "begin"),
              .when_ms = time_in(line, "when_ms"),
              .who = read::text(line, "who"),
              .boot_id = read::text(line, "boot_id"),
              .report = read::text(line, "report"),
              .policy = read::text(line, "policy"),
              .steps = {},
              .files = {},
              .note = {}};
  for (const json& step : read::list(line, "steps")) {
    if (step.is_object()) entry.steps.push_back(step_of(step));
  }
  for (const json& file : read::list(line, "files")) {
    if (!file.is_object()) continue;
    FileChange change{.path = read::text(file, "path"), .before = std::nullopt, .after = read::text(file, "after")};
    if (file.contains("before") && file["before"].is_string()) change.before = read::text(file, "before");
    entry.files.push_back(std::move(change));
  }
  return entry;
}

/// False: it is none of ours.
bool add_line(const json& line, Journal& journal) {
  if (!line.is_object()) return false;
  if (line.contains("begin")) {
    journal.entries.push_back(entry_of(line));
    return true;
  }
  for (State state : {State::applied, State::taken_back}) {
    const std::string key(name_of(state));
    if (!line.contains(key)) continue;
    auto entry = std::ranges::find(journal.entries, read::whole(line, key.c_str()), &Entry::number);
    if (entry == journal.entries.end()) return false;
    entry->state = state;
    entry->note = read::text(line, "note");
    if (state == State::taken_back) entry->taken_back_ms = time_in(line, "when_ms");
    return true;
  }
  return false;
}

std::string utc_text(std::int64_t ms) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(ms / 1000)));
}

std::string as_line(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string_view name_of(State state) {
  switch (state) {
    case State::begun:
      return "interrupted";
    case State::applied:
      return "applied";
    case State::taken_back:
      break;
  }
  return "taken back";
}

const Entry* Journal::last_not_taken_back() const {
  for (const Entry& entry : std::views::reverse(entries)) {
    if (entry.state != State::taken_back) return &entry;
  }
  return nullptr;
}

std::optional<std::string> Journal::left_in(std::string_view path) const {
  for (const Entry& entry : std::views::reverse(entries)) {
    for (const FileChange& file : entry.files) {
      if (file.path == path) return entry.state == State::taken_back ? file.before : file.after;
    }
  }
  return std::nullopt;
}

Result<Journal> read_journal(std::string_view text) {
  Journal journal;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const json line = read::parsed(text.substr(0, end));
    const bool whole = end != text.npos;
    if (!whole) {
      journal.cut_off = true;
      break;
    }
    text.remove_prefix(end + 1);
    const bool cut_off = line.is_discarded();  // by a crash; the next line began after it
    if (!cut_off && !add_line(line, journal)) {
      return fail(ErrorCode::failed,
                  fmt::format("line {} of the journal is not one that this tcpadvisor knows", number));
    }
  }
  return journal;
}

std::string without_old_changes(std::string_view text, const Journal& journal) {
  constexpr std::size_t kLast = 64;
  std::set<std::uint64_t> kept;
  std::set<std::string_view> paths;
  for (std::size_t back = 0; back < journal.entries.size(); ++back) {
    const Entry& entry = journal.entries[journal.entries.size() - 1 - back];
    bool last_of_a_file = false;
    for (const FileChange& file : entry.files) last_of_a_file |= paths.insert(file.path).second;
    if (back < kLast || entry.state != State::taken_back || last_of_a_file) kept.insert(entry.number);
  }
  const std::array keys = {std::string("begin"), std::string(name_of(State::applied)),
                           std::string(name_of(State::taken_back))};
  std::string out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const json object = read::parsed(line);
    for (const std::string& key : keys) {
      if (object.is_object() && object.contains(key) && kept.contains(read::whole(object, key.c_str())))
        out.append(line).push_back('\n');
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return out;
}

std::string begin_line(const Entry& entry) {
  json out = {{"begin", entry.number},    {"when_ms", entry.when_ms}, {"who", entry.who},
              {"boot_id", entry.boot_id}, {"report", entry.report},   {"policy", entry.policy},
              {"steps", json::array()},   {"files", json::array()}};
  for (const PlanStep& step : entry.steps) out["steps"].push_back(to_json(step));
  for (const FileChange& file : entry.files) {
    out["files"].push_back(
        {{"path", file.path}, {"before", file.before ? json(*file.before) : json()}, {"after", file.after}});
  }
  return as_line(out);
}

std::string state_line(std::uint64_t number, State state, std::int64_t when_ms, std::string_view note) {
  json out = {{std::string(name_of(state)), number}, {"when_ms", when_ms}};
  if (!note.empty()) out["note"] = note;
  return as_line(out);
}

std::string journal_text(const Journal& journal) {
  if (journal.entries.empty()) return "Nothing was ever applied.\n";
  std::string out;
  for (const Entry& entry : journal.entries) {
    out += fmt::format("{}. {}, by {}, from {}: {}", entry.number, utc_text(entry.when_ms), printable(entry.who),
                       printable(entry.report), name_of(entry.state));
    if (entry.state == State::taken_back) out += " " + utc_text(entry.taken_back_ms);
    out += entry.note.empty() ? "\n" : fmt::format(", {}\n", printable(entry.note));
    for (const PlanStep& step : entry.steps) {
      out += fmt::format("   {}: {} -> {}, namespace {}; {} ({})\n", printable(step.knob), printable(step.old_value),
                         printable(step.new_value), printable(step.netns), printable(step.title), printable(step.id));
    }
    for (const FileChange& file : entry.files) {
      out += fmt::format("   {}: {}\n", printable(file.path), file.before ? "changed" : "new");
    }
  }
  return out;
}

}  // namespace tcpadvisor::apply
