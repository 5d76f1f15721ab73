// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/report_words.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "advisor/base/columns.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "advisor/report/finding_json.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

std::string number_text(double value) {
  if (value == std::trunc(value) && std::abs(value) < 1e15) {
    std::string digits = with_commas(to_u64(std::abs(value)));
    return value < 0 ? "-" + digits : digits;
  }
  return std::abs(value) >= 100   ? fmt::format("{:.0f}", value)
         : std::abs(value) >= 0.1 ? fmt::format("{:.2f}", value)
                                  : fmt::format("{:.2g}", value);
}

}  // namespace

std::string value_text(double value, const std::string& unit) {
  if (unit == "s") return seconds_text(value);
  if (unit == "bytes" && value >= 0) return human_bytes(to_u64(value));
  if (unit.starts_with("ratio")) return fmt::format("{:.0f} %{}", value * 100, unit.substr(5));
  if (unit == "per_min" || unit == "per_s") {
    return fmt::format("{}{}{}", value > 0 ? "+" : "", number_text(std::round(value * 10) / 10),
                       unit == "per_s" ? "/s" : "/min");
  }
  if (unit == "sockets" || unit == "connections" || unit == "count" || unit == "entries" || unit.empty())
    return number_text(value);
  return number_text(value) + " " + unit;
}

std::string metric_text(std::string_view metric) {
  std::string out(metric);
  std::ranges::replace(out, '_', ' ');
  return out;
}

std::string evidence_text(const std::vector<Measurement>& evidence) {
  std::string out;
  for (const Measurement& part : evidence) {
    out += fmt::format("{}{} {}", out.empty() ? "" : "; ", metric_text(part.metric), value_text(part.value, part.unit));
    if (part.threshold.value_or(0) != 0) out += fmt::format(" (threshold {})", value_text(*part.threshold, part.unit));
  }
  return out;
}

std::string do_text(const Recommendation& cure) {
  std::string steps = fmt::format("{}", fmt::join(cure.steps, "; "));
  if (steps.empty()) return cure.text;
  steps[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(steps[0])));
  return fmt::format("{}{} {}", cure.text, cure.text.ends_with('.') ? "" : ".", steps);
}

std::string who_text(const Finding& finding) {
  std::string out = fmt::format("{}; {}", finding.id, scope_text(finding.scope));
  if (finding.confidence != Confidence::high) {
    out += fmt::format("; confidence {}: {}", name_of(finding.confidence), finding.confidence_why);
  }
  if (!finding.cause.empty()) out += "; caused by finding " + finding.cause;
  return out;
}

std::string not_useful_text(const Finding& finding) {
  std::string out;
  for (const NotUseful& entry : finding.not_useful) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", entry.knob, entry.why);
  }
  return out;
}

std::string set_by_text(const Recommendation& cure) {
  std::string out;
  auto add = [&](const SetBy& by, bool named) {
    out += fmt::format("{}{}{}", out.empty() ? "" : "; ", named ? by.knob + ": " : "", by.text);
  };
  if (cure.set_by) add(*cure.set_by, !cure.change || !cure.set_by_also.empty());
  for (const SetBy& by : cure.set_by_also) add(by, true);
  if (out.empty() || !cure.change || cure.change->keeping.where != Keeping::Where::file) return out;
  return fmt::format("{}; to keep another: {}", out, cure.change->keeping.file);
}

std::string_view severity_word(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return "CRITICAL";
    case Severity::warning:
      return "WARNING";
    case Severity::info:
      break;
  }
  return "INFO";
}

std::string_view takes_effect_text(const Knob& knob) {
  switch (knob.takes_effect) {
    case TakesEffect::new_connections:
      return "new connections";
    case TakesEffect::re_listen:
      return "the next listen(): the program has to listen again, most do so by a restart";
    case TakesEffect::now:
      break;
  }
  return "everything at once";
}

std::string_view risk_text(const Knob& knob) {
  constexpr std::array<std::string_view, 4> kRisks = {"none", "1 of 3: a few connections", "2 of 3: all connections",
                                                      "3 of 3: the host's memory"};
  return knob.risk >= 0 && static_cast<std::size_t>(knob.risk) < kRisks.size()
             ? kRisks[static_cast<std::size_t>(knob.risk)]
             : kRisks.back();
}

std::string_view applicability_text(Applicability applicability) {
  switch (applicability) {
    case Applicability::automatic:
      return "yes";
    case Applicability::needs_review:
      return "a person has to look at it first";
    case Applicability::manual:
      break;
  }
  return "no, it takes more than the setting";
}

std::string coverage_text(const Report& report) {
  std::string out, missing;
  for (const FactCoverage& fact : report.coverage) {
    if (fact.in_use.empty()) {
      missing += (missing.empty() ? "" : ", ") + std::string(name_of(fact.fact));
    } else {
      out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", name_of(fact.fact), fact.in_use,
                         fact.exact ? "" : " (estimate)");
    }
  }
  if (out.empty()) out = "no source works";
  return missing.empty() ? out : out + "; without a source: " + missing;
}

std::string lost_text(const Report& report) {
  std::string out;
  for (const auto& [kind, count] : report.lost) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", with_commas(count), kind);
  }
  if (report.rows_suppressed > 0) {
    out += fmt::format("{}{} over the limit (counted in the totals)", out.empty() ? "" : ", ",
                       counted(report.rows_suppressed, "socket row"));
  }
  if (report.partial) out += fmt::format("{}snapshot partial: {}", out.empty() ? "" : "; ", report.partial_why);
  return out.empty() ? "nothing" : out;
}

std::string in_one_line(const Verdict& verdict) {
  if (const std::uint64_t serious = to_act_on(verdict); serious > 0) return counted(serious, "finding") + " to act on";
  if (!verdict.could_see) return "could not see: no namespace that was chosen could be read";
  if (!verdict.enough_data) return "not enough data: observe for longer";
  std::size_t things = unseen(verdict);
  return things == 0 ? "nothing to repair"
                     : fmt::format("nothing found; {} could not be seen", counted(things, "thing"));
}

std::string not_listed_text(const NotListed& more) {
  std::string out = fmt::format("{} more of severity {}, about {}", with_commas(more.findings), name_of(more.severity),
                                counted(more.sockets, "socket"));
  if (more.explained > 0)
    out += fmt::format("; {} of them have a cause in another finding", with_commas(more.explained));
  return out;
}

std::vector<std::pair<std::string, std::string>> by_reason(const std::vector<NotAssessed>& parts) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const NotAssessed& part : parts) {
    auto same = std::ranges::find(out, part.reason, &std::pair<std::string, std::string>::second);
    if (same == out.end()) {
      out.emplace_back(part.id, part.reason);
    } else {
      same->first += ", " + part.id;
    }
  }
  return out;
}

namespace {

/// "2 are faults of programs, 1 is a setting": of what is to act on.
std::string cures_text(const Verdict& verdict) {
  struct Kind {
    RecommendationKind kind;
    std::string_view one, several;
    std::size_t count = 0;
  };
  std::array kinds = {Kind{RecommendationKind::application, "is for a program to mend", "are for programs to mend"},
                      Kind{RecommendationKind::sysctl, "is a setting to change", "are settings to change"},
                      Kind{RecommendationKind::capacity, "is a matter of capacity", "are matters of capacity"},
                      Kind{RecommendationKind::peer, "is for another host to mend", "are for other hosts to mend"}};
  for (const Finding& finding : verdict.findings) {
    auto kind = std::ranges::find(kinds, finding.recommendation.kind, &Kind::kind);
    if (finding.severity != Severity::info && kind != kinds.end()) ++kind->count;
  }
  std::string out;
  for (const Kind& kind : kinds) {
    if (kind.count == 0) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", with_commas(kind.count),
                       kind.count == 1 ? kind.one : kind.several);
  }
  return out.empty() ? "" : out + ".";
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kColumns = 160;  // a title has names in it, which may be long
  return cut(text, kColumns);
}

}  // namespace

std::string opening_text(const Report& report) {
  const Verdict& verdict = report.verdict;
  const std::uint64_t serious = to_act_on(verdict);
  const std::size_t fine = verdict.checked_and_fine.size(), missing = unseen(verdict);
  const std::string host = shortened(printable(report.host.name)), time = seconds_text(report.seconds);
  std::string rest = fmt::format("In {}, {} found nothing wrong", time, counted(fine, "check"));
  if (missing > 0) rest += fmt::format(", and {} could not be seen", counted(missing, "thing"));
  if (serious > 0) {
    auto first = std::ranges::find_if(verdict.findings, [](const Finding& f) { return f.severity != Severity::info; });
    std::string out = serious == 1 ? fmt::format("One thing on {} needs attention.", host)
                                   : fmt::format("{} things on {} need attention.", with_commas(serious), host);
    if (first != verdict.findings.end()) {
      out += fmt::format(" {}: {}.", serious == 1 ? "It is this" : "The first", shortened(printable(first->title)));
    }
    const std::string cures = cures_text(verdict);
    return fmt::format("{}{}{} {}.", out, cures.empty() ? "" : " ", cures, rest);
  }
  if (!verdict.could_see) return fmt::format("Nothing can be said of {}: nothing of it could be read.", host);
  if (!verdict.enough_data) {
    return fmt::format("Too little was seen of {} to say anything: {} in {}. Observe for longer.", host,
                       counted(report.samples, "sample"), time);
  }
  if (missing > 0) {
    return fmt::format("Nothing was found on {}, but it was not all seen. {}.", host, rest);
  }
  return fmt::format("Nothing on {} needs repair. {}.", host, rest);
}

std::string start_text(const Report& report) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(report.start_ms / 1000));
}

std::string compared_text(const Comparison& comparison) {
  std::string counts;
  for (ChangeKind kind : {ChangeKind::added, ChangeKind::worse, ChangeKind::better, ChangeKind::resolved,
                          ChangeKind::not_seen, ChangeKind::same}) {
    if (std::size_t count = comparison.count(kind); count > 0)
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", with_commas(count), name_of(kind));
  }
  return fmt::format("with the report of {}: {}", comparison.start, counts.empty() ? "no finding then or now" : counts);
}

std::vector<std::pair<std::string, std::string>> changes_in(const Comparison& comparison) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Difference& one : comparison.differences) {
    if (one.kind == ChangeKind::same) continue;
    out.emplace_back(fmt::format("{}, {}", name_of(one.kind), name_of(one.severity)),
                     fmt::format("{} ({}){}{}", one.title, one.id, one.why.empty() ? "" : "; ", one.why));
  }
  return out;
}

}  // namespace tcpadvisor
