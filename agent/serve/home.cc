// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/home.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "agent/serve/request.h"

namespace tcpadvisor::serve {
namespace {

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 "
    "1rem}"
    "h1{font-size:1.3rem}li{margin:.4rem 0}.critical{font-weight:bold}small{opacity:.7}";
constexpr std::size_t kMostShown = 100;

struct Entry {
  Page page;
  std::string_view what;
};
constexpr std::array kEntries = {Entry{Page::metrics, "for Prometheus"},
                                 Entry{Page::report, "findings with evidence and advice, as report --format json"},
                                 Entry{Page::sample, "the last tick, as watch --json"},
                                 Entry{Page::events, "each tick as it comes (server-sent events)"},
                                 Entry{Page::coverage, "each fact, its source, and why not a better one"},
                                 Entry{Page::metric_list, "the metrics with their meaning, as JSON"},
                                 Entry{Page::health, "whether the agent works"},
                                 Entry{Page::ready, "whether it has something to say"}};

void add_findings(std::string& out, const Verdict& verdict) {
  if (verdict.findings.empty()) {
    out += "<p>Nothing found.</p>\n";
    return;
  }
  out += "<ul>\n";
  std::size_t shown = 0;
  for (const Finding& finding : verdict.findings) {
    if (++shown > kMostShown) break;
    fmt::format_to(std::back_inserter(out), "<li class={0}>{0}: {1}<br><small>{2} · {3}</small></li>\n",
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
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">"
      "<title>tcpadvisor {0}</title><style>{1}</style>\n<h1>tcpadvisor on {0}</h1>\n<p>Linux {2}, tcpadvisor {3}</p>\n",
      html_text(host.name), kStyle, html_text(host.kernel), html_text(version));
  add_findings(out, seen.verdict);
  out += "<ul>\n";
  for (const Entry& entry : kEntries)
    fmt::format_to(std::back_inserter(out), "<li><a href=\"{0}\">{0}</a> {1}</li>\n", path_of(entry.page), entry.what);
  return out + "</ul>\n</html>\n";
}

}  // namespace tcpadvisor::serve
