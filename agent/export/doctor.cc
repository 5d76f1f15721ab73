// SPDX-License-Identifier: Apache-2.0
#include "agent/export/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "advisor/base/columns.h"
#include "agent/export/value_json.h"

namespace tcpadvisor::exported {
namespace {

constexpr std::size_t kFactWidth = 15, kQualityWidth = 8;

/// The sources that rank above the one in use and do not work.
std::vector<const Attempt*> failed_better(const FactCoverage& fact) {
  std::vector<const Attempt*> failed;
  for (const Attempt& attempt : fact.attempts) {
    if (!fact.in_use.empty() && attempt.source == fact.in_use) break;
    if (!attempt.works()) failed.push_back(&attempt);
  }
  return failed;
}

std::string_view quality_of(const FactCoverage& fact) {
  return fact.in_use.empty() ? "unknown" : fact.exact ? "exact" : "partial";
}

class Text {
 public:
  explicit Text(std::size_t width) : width_(width) {}

  /// `label` and then `text`, broken into lines below each other.
  void add(std::string_view label, std::string_view text) {
    std::size_t indent = columns_of(label);
    std::string start(label);
    for (const std::string& part : wrap(text, width_ > indent + 20 ? width_ - indent : 20)) {
      add_line(start + part);
      start.assign(indent, ' ');
    }
  }
  void add_line(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + '\n';
  }
  std::string take() { return std::move(text_); }

 private:
  std::size_t width_;
  std::string text_;
};

std::string why_text(const Attempt& attempt) {
  std::string why = attempt.why_not.empty() ? "does not work" : attempt.why_not;
  const char* name = attempt.sys_errno > 0 ? strerrorname_np(attempt.sys_errno) : nullptr;
  bool named = name == nullptr || why.find(name) != why.npos || why.find(std::strerror(attempt.sys_errno)) != why.npos;
  return fmt::format("{}: {}{}", attempt.source, why, named ? "" : fmt::format(" ({})", name));
}

void add_fact(Text& text, const FactCoverage& fact) {
  text.add_line(fmt::format("{:<{}} {:<{}} {}", name_of(fact.fact), kFactWidth, quality_of(fact), kQualityWidth,
                            fact.in_use.empty() ? "no source" : fact.in_use));
  if (!fact.remark.empty()) text.add("    ", fact.remark);
  for (const Attempt* attempt : failed_better(fact)) {
    text.add("    not ", why_text(*attempt));
    if (!attempt->cure.empty()) text.add("        cure: ", attempt->cure);
  }
}

/// "looker: cap_sys_ptrace, cap_sys_admin; owners, queues: none"
std::string threads_text(const std::vector<os::ThreadPrivileges>& threads) {
  std::string holders, others;
  bool gain_nothing = true;
  for (const os::ThreadPrivileges& thread : threads) {
    gain_nothing &= thread.no_new_privs && (thread.bounding_set_empty || thread.capabilities.empty());
    if (thread.capabilities.empty()) {
      others += (others.empty() ? "" : ", ") + thread.name;
    } else {
      holders += fmt::format("{}: {}; ", thread.name, fmt::join(thread.capabilities, ", "));
    }
  }
  return fmt::format("{}{}{}", holders, others.empty() ? "" : others + ": none",
                     gain_nothing ? "; no way to gain more" : "");
}

nlohmann::json facts_json(const std::vector<FactCoverage>& all) {
  nlohmann::json facts = nlohmann::json::array();
  for (const FactCoverage& fact : all) {
    nlohmann::json attempts = nlohmann::json::array();
    for (const Attempt& attempt : fact.attempts) {
      attempts.push_back({{"source", attempt.source},
                          {"works", attempt.works()},
                          {"why_not", attempt.why_not},
                          {"cure", attempt.cure},
                          {"errno", attempt.sys_errno}});
    }
    facts.push_back({{"fact", name_of(fact.fact)},
                     {"in_use", fact.in_use.empty() ? nlohmann::json() : nlohmann::json(fact.in_use)},
                     {"quality", quality_of(fact)},
                     {"remark", fact.remark},
                     {"attempts", std::move(attempts)}});
  }
  return facts;
}

std::size_t count_of(const Checkup& checkup, std::string_view quality) {
  auto matches = [&](const FactCoverage& fact) { return quality_of(fact) == quality; };
  return static_cast<std::size_t>(std::ranges::count_if(checkup.facts, matches));
}

}  // namespace

std::string doctor_text(const Checkup& checkup, std::size_t width) {
  Text text(width);
  text.add_line(fmt::format("What {} (Linux {}) lets tcpadvisor see", checkup.host, checkup.kernel));
  text.add("privileges: ", checkup.privileges);
  text.add("at work:    ", checkup.kept.empty() ? "keeps them all" : "keeps " + checkup.kept);
  if (!checkup.threads.empty()) text.add("threads:    ", threads_text(checkup.threads));
  if (!checkup.writes.empty()) text.add("writing:    ", checkup.writes);
  text.add_line("");
  text.add_line(fmt::format("{:<{}} {:<{}} {}", "FACT", kFactWidth, "QUALITY", kQualityWidth, "SOURCE IN USE"));
  for (const FactCoverage& fact : checkup.facts) add_fact(text, fact);
  text.add_line("");
  text.add("",
           fmt::format("{} facts: {} exact, {} partial (sampled or a lower bound), {} unknown", checkup.facts.size(),
                       count_of(checkup, "exact"), count_of(checkup, "partial"), count_of(checkup, "unknown")));
  return text.take();
}

std::string coverage_json(const std::vector<FactCoverage>& facts) {
  return one_line(facts_json(facts));
}

std::string doctor_json(const Checkup& checkup) {
  nlohmann::json threads = nlohmann::json::array();
  for (const os::ThreadPrivileges& thread : checkup.threads) {
    threads.push_back({{"name", thread.name},
                       {"capabilities", thread.capabilities},
                       {"no_new_privs", thread.no_new_privs},
                       {"bounding_set_empty", thread.bounding_set_empty},
                       {"calls_filtered", thread.filtered}});
  }
  return one_line({{"host", {{"name", checkup.host}, {"kernel", checkup.kernel}}},
                   {"privileges", checkup.privileges},
                   {"privileges_kept", checkup.kept.empty() ? nlohmann::json() : nlohmann::json(checkup.kept)},
                   {"threads", std::move(threads)},
                   {"writes", checkup.writes.empty() ? nlohmann::json() : nlohmann::json(checkup.writes)},
                   {"facts", facts_json(checkup.facts)}});
}

}  // namespace tcpadvisor::exported
