// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/rule_article.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/explain/words.h"

namespace tcpadvisor::explain {
namespace {

std::string_view group_of(FindingClass kind) {
  constexpr std::array<std::string_view, 7> kNames = {"application", "kernel settings", "memory", "capacity",
                                                      "attack",      "network path",    "peer"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string in_unit(double value, std::string_view unit) {
  if (unit == "s") return human_duration(std::chrono::milliseconds(to_u64(value * 1000)));
  if (unit == "bytes") return human_bytes(to_u64(value));
  if (unit == "ratio" || unit.empty()) return fmt::format("{:g}", value);
  return fmt::format("{} {}", with_commas(to_u64(value)), unit);
}

std::string coverage_text(const Covers& covers) {
  std::string text;
  switch (covers.each) {
    case EachOf::none:
      text = "totals; no socket one by one";
      break;
    case EachOf::what_waits:
      text = "each socket whose queues, windows or state say that something waits";
      break;
    case EachOf::flows:
      text = "connections that carry data, one by one; on a large host those that carry the most";
      break;
    case EachOf::senders:
      text = "connections with anything in Send-Q, one by one";
      break;
  }
  return text + (covers.every_namespace ? "; in every namespace that was chosen" : "; of the whole host");
}

std::string_view link_text(Link link) {
  switch (link) {
    case Link::other_ends:
      return "its sockets' other ends are those of the cause";
    case Link::ends_of_cause:
      return "the cause's other ends are its sockets";
    case Link::same_listener:
      return "both are about one listener";
    case Link::most_memory:
      return "the process of the cause holds most of TCP's memory";
    case Link::unread_ends:
      return "its queues end unread in the process of the cause";
    case Link::same_flow:
      return "both are about one process' connections to one peer";
    case Link::relayed:
      return "its process is, or waits for, a relay that waits for the process of the cause";
    case Link::other_side:
      return "its process is a relay that waits on its other side";
    case Link::shared_listener:
      return "the process of the cause shares its listener";
    case Link::same_process:
      return "both are about one process";
    case Link::waits_for:
      return "its sockets wait for the process of the cause";
    case Link::most_fds:
      return "the sockets of the cause are most of the descriptors";
    case Link::whole_host:
      return "both are about the host";
    case Link::listener_at_remote:
      return "the cause is about the listener to which its connections go";
    case Link::most_of_them:
      break;
  }
  return "the sockets of the cause are most of those it counts";
}

std::string_view then_text(Then then) {
  switch (then) {
    case Then::lower:
      return "becomes info, unless it is critical";
    case Then::keep:
      return "keeps its severity";
    case Then::yield:
      return "becomes info";
    case Then::remove:
      return "is left out";
    case Then::tell_here:
      break;
  }
  return "tells the story, and the cause becomes info";
}

std::vector<std::string> evidence_of(const Rule& rule) {
  std::vector<std::string> lines;
  for (const MetricWords& metric : metric_words()) {
    if (!in_list(metric.rules, rule.id)) continue;
    lines.push_back(fmt::format("{}{}: {}", metric.name, metric.unit.empty() ? "" : fmt::format(" ({})", metric.unit),
                                metric.what));
  }
  return lines;
}

std::string policy_text(const Policy& policy) {
  return fmt::format("policy {}: {} windows of {}, age {}, min_count {}", printable(policy.name), policy.windows,
                     human_duration(policy.window), human_duration(policy.age), policy.min_count);
}

void add(Article& out, std::string heading, std::vector<std::string> lines) {
  if (!lines.empty()) out.parts.push_back({std::move(heading), std::move(lines)});
}

}  // namespace

bool in_list(std::string_view list, std::string_view word) {
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(' ', at), list.size());
    if (list.substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

std::vector<std::string> thresholds_of(const Rule& rule, const Policy& policy) {
  const Policy own = policy.of(rule.id);
  const Policy clearing = own.to_clear();
  std::vector<std::string> lines;
  for (const Threshold& threshold : rule.thresholds) {
    const double value = own.value(threshold), back = clearing.value(threshold);
    std::string line = fmt::format("{} = {}", threshold.name, in_unit(value, threshold.unit));
    if (value != threshold.initial)
      line += fmt::format(", by the policy; {} by itself", in_unit(threshold.initial, threshold.unit));
    if (back != value) line += fmt::format("; watch lets go at {}", in_unit(back, threshold.unit));
    lines.push_back(std::move(line));
  }
  return lines;
}

Article article_of(const Rule& rule, const Policy& policy) {
  const RuleWords* words = words_of_rule(rule.id);
  Article out{Kind::rule,
              std::string(rule.id),
              std::string(words == nullptr ? "other" : group_of(words->kind)),
              std::string(rule.title),
              {}};
  add(out, "", {std::string(rule.explanation)});
  add(out, "Looks at", {coverage_text(rule.covers)});
  add(out, "Evidence", evidence_of(rule));
  std::vector<std::string> thresholds = thresholds_of(rule, policy);
  thresholds.push_back(policy_text(policy));
  add(out, "Thresholds in force", std::move(thresholds));
  std::vector<std::string> causes, no_use, references;
  for (const ExplainedBy& one : rule.explained_by) {
    causes.push_back(fmt::format("{}, if {}: the finding {}", one.rule, link_text(one.link), then_text(one.then)));
  }
  add(out, "Explained by", std::move(causes));
  if (words != nullptr) {
    for (const NoUse& one : words->no_use) {
      if (!one.what.empty()) no_use.push_back(fmt::format("{}: {}", one.what, one.why));
    }
  }
  add(out, "Not useful", std::move(no_use));
  for (std::string_view one : rule.references) references.emplace_back(one);
  add(out, "References", std::move(references));
  return out;
}

}  // namespace tcpadvisor::explain
