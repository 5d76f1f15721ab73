// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "advisor/base/columns.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/whatif/world.h"

namespace tcpadvisor::whatif {
namespace {

constexpr std::size_t kMostShown = 8;        // effects of one answer, as text
constexpr std::size_t kMostWritten = 1'000;  // as JSON

std::string_view word_of(Holds holds) {
  switch (holds) {
    case Holds::yes:
      return "ok";
    case Holds::no:
      return "NO";
    case Holds::unknown:
      break;
  }
  return "?";
}

std::string number_text(double value, std::string_view unit) {
  if (unit == "bytes") return human_bytes(to_u64(value));
  if (unit == "bytes/s") return rate_text(value);
  if (unit == "s" || unit == "ms") return fmt::format("{:.3g} {}", value, unit);
  const std::string text = value >= 100 || value == std::floor(value) ? with_commas(to_u64(std::round(value)))
                                                                      : fmt::format("{:.1f}", value);
  return fmt::format("{} {}", text, unit);
}

void add(std::string& out, std::string_view text, std::size_t width, std::size_t indent, std::size_t more = 2) {
  const std::string margin(indent, ' ');
  for (const std::string& line :
       wrap(printable(text), width > indent + 20 ? width - indent : 20, more, LongWords::whole))
    out += margin + line + "\n";
}

std::string name_of(const std::string& metric) {
  std::string out = metric;
  std::ranges::replace(out, '_', ' ');
  return out;
}

bool same(const std::vector<Check>& one, const std::vector<Check>& other) {
  return std::ranges::equal(one, other, {}, &Check::text, &Check::text);
}

/// `earlier`: the answers before it, whose memory is not told again.
void add_answer(std::string& out, const Answer& answer, std::span<const Answer> earlier, std::size_t width) {
  add(out, answer.asked + (answer.now.empty() ? "" : fmt::format("   (now {})", answer.now)), width, 0);
  add(out, answer.summary, width, 2);
  for (std::size_t i = 0; i < std::min(answer.effects.size(), kMostShown); ++i) {
    const Effect& one = answer.effects[i];
    add(out,
        fmt::format("{}: {} {} -> {}{}", one.of, name_of(one.metric), number_text(one.from, one.unit),
                    one.bound ? "at most " : "", number_text(one.to, one.unit)),
        width, 4);
    add(out, "= " + one.formula, width, 6);
  }
  if (answer.effects.size() > kMostShown)
    add(out, fmt::format("and {} more: --format json has them", answer.effects.size() - kMostShown), width, 4);
  if (!answer.limits.empty()) add(out, "limits:", width, 2);
  for (const Check& one : answer.limits)
    add(out, fmt::format("{:<2} {}: {}", word_of(one.holds), one.name, one.text), width, 4, 3);
  const bool told = std::ranges::any_of(earlier, [&](const Answer& one) { return same(one.memory, answer.memory); });
  if (!answer.memory.empty()) add(out, told ? "memory, at the worst: as above" : "memory, at the worst:", width, 2);
  for (const Check& one : told ? std::vector<Check>() : answer.memory)
    add(out, fmt::format("{:<2} {} {}", word_of(one.holds), one.name, one.text), width, 4, 6);
  for (const std::string& note : answer.notes) add(out, "note: " + note, width, 2);
}

nlohmann::ordered_json checks_json(const std::vector<Check>& checks) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const Check& one : checks) {
    nlohmann::ordered_json holds = nullptr;
    if (one.holds != Holds::unknown) holds = one.holds == Holds::yes;
    out.push_back({{"name", printable(one.name)}, {"holds", holds}, {"text", printable(one.text)}});
  }
  return out;
}

nlohmann::ordered_json answer_json(const Answer& answer) {
  nlohmann::ordered_json effects = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < std::min(answer.effects.size(), kMostWritten); ++i) {
    const Effect& one = answer.effects[i];
    effects.push_back({{"of", printable(one.of)},
                       {"metric", one.metric},
                       {"from", one.from},
                       {"to", one.to},
                       {"unit", one.unit},
                       {"at_most", one.bound},
                       {"formula", printable(one.formula)}});
  }
  nlohmann::ordered_json notes = nlohmann::ordered_json::array();
  for (const std::string& note : answer.notes) notes.push_back(printable(note));
  nlohmann::ordered_json out;
  out["asked"] = printable(answer.asked);
  if (!answer.knob.empty()) out["knob"] = answer.knob;
  if (!answer.now.empty()) out["now"] = printable(answer.now);
  out["summary"] = printable(answer.summary);
  out["changes"] = answer.changes;
  out["effects"] = std::move(effects);
  out["limits"] = checks_json(answer.limits);
  out["memory"] = checks_json(answer.memory);
  out["notes"] = std::move(notes);
  return out;
}

}  // namespace

Seen seen_in(const Window& window) {
  return {window.latest().host.name, window.latest().host.kernel, window.span_s(), window.samples(), ""};
}

std::string as_text(const Seen& seen, const std::vector<Answer>& answers, std::size_t width) {
  std::string out;
  add(out,
      fmt::format("What would be otherwise on {}, Linux {}, by {:.0f} s of observation{}", seen.host, seen.kernel,
                  seen.seconds, seen.recorded.empty() ? "" : "; " + seen.recorded),
      width, 0);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    out += "\n";
    add_answer(out, answers[i], std::span(answers).first(i), width);
  }
  return out;
}

std::string as_json(const Seen& seen, const std::vector<Answer>& answers) {
  nlohmann::ordered_json out;
  out["schema_version"] = 1;
  out["host"] = {{"name", printable(seen.host)}, {"kernel", printable(seen.kernel)}};
  out["window"] = {{"seconds", seen.seconds}, {"samples", seen.samples}};
  if (!seen.recorded.empty()) out["recorded"] = printable(seen.recorded);
  out["answers"] = nlohmann::ordered_json::array();
  for (const Answer& one : answers) out["answers"].push_back(answer_json(one));
  return out.dump() + "\n";
}

}  // namespace tcpadvisor::whatif
