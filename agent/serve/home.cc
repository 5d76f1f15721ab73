// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/home.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "agent/serve/assets.h"
#include "agent/serve/request.h"

namespace tcpadvisor::serve {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMostShown = 100;

struct Link {
  Page page;
  std::string_view what;
};
constexpr std::array kLinks = {Link{Page::metrics, "for Prometheus"},
                               Link{Page::report, "findings with evidence and advice, as report --format json"},
                               Link{Page::sample, "the last tick, as watch --json"},
                               Link{Page::events, "each tick as it comes (server-sent events)"},
                               Link{Page::history, "the last hour in numbers, for charts"},
                               Link{Page::coverage, "each fact, its source, and why not a better one"},
                               Link{Page::metric_list, "the metrics with their meaning, as JSON"},
                               Link{Page::health, "whether the agent works"},
                               Link{Page::ready, "whether it has something to say"}};

void add_findings(std::string& out, const Verdict& verdict) {
  if (verdict.findings.empty()) {
    out += "<p class=quiet>Nothing found.</p>\n";
    return;
  }
  out += "<ul>\n";
  std::size_t shown = 0;
  for (const Finding& finding : verdict.findings) {
    if (++shown > kMostShown) break;
    fmt::format_to(std::back_inserter(out),
                   "<li class={0}><b>{0}</b> <a href=\"/explain/{3}\">{1}</a> <small>{2}</small></li>\n",
                   name_of(finding.severity), html_text(finding.title), html_text(scope_text(finding.scope)),
                   html_text(finding.id));
  }
  out += "</ul>\n";
  if (verdict.findings.size() > kMostShown)
    fmt::format_to(std::back_inserter(out), "<p>and {} more</p>\n", verdict.findings.size() - kMostShown);
}

}  // namespace

std::string home_page(const observe::Observation& seen, std::string_view version) {
  const HostFacts& host = seen.now().host;
  std::string findings, links = "<ul>\n";
  add_findings(findings, seen.verdict);
  for (const Link& entry : kLinks)
    fmt::format_to(std::back_inserter(links), "<li><a href=\"{0}\">{0}</a> {1}</li>\n", path_of(entry.page),
                   entry.what);
  links += "</ul>\n";
  const std::array parts = {
      std::pair{"{{host}}"sv, html_text(host.name)},
      std::pair{"{{about}}"sv, fmt::format("Linux {}, tcpadvisor {}", html_text(host.kernel), html_text(version))},
      std::pair{"{{findings}}"sv, std::move(findings)}, std::pair{"{{links}}"sv, std::move(links)}};
  std::string out;
  for (std::string_view rest = home_template(); !rest.empty();) {  // one pass: what is put in is not looked at again
    const std::size_t mark = std::min(rest.find("{{"), rest.size());
    out += rest.substr(0, mark);
    rest.remove_prefix(mark);
    const auto part = std::ranges::find_if(parts, [rest](const auto& one) { return rest.starts_with(one.first); });
    out += part == parts.end() ? rest.substr(0, 2) : part->second;
    rest.remove_prefix(part == parts.end() ? std::min<std::size_t>(2, rest.size()) : part->first.size());
  }
  return out;
}

}  // namespace tcpadvisor::serve
