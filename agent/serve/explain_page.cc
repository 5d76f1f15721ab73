// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/explain_page.h"

#include <fmt/format.h>

#include <iterator>

#include "advisor/explain/rule_article.h"
#include "advisor/report/escape.h"
#include "advisor/rules/registry.h"

namespace tcpadvisor::serve {

std::optional<std::string> explain_page(std::string_view id, const Policy& policy) {
  const Rule* rule = find_rule(id);  // all articles would be some milliseconds for whoever asks
  if (rule == nullptr) return std::nullopt;
  const explain::Article article = explain::article_of(*rule, policy);
  const std::string name = html_text(article.name);
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=en><meta charset=utf-8>"
      "<meta name=viewport content=\"width=device-width, initial-scale=1\"><title>{0}</title>"
      "<link rel=stylesheet href=/page/live.css>\n<main class=article><p><a href=/>← what this host has now</a></p>\n"
      "<h1>{1}</h1>\n<p class=quiet><code>{0}</code></p>\n",
      name, html_text(article.title));
  for (const explain::Part& part : article.parts) {
    if (!part.heading.empty()) fmt::format_to(std::back_inserter(out), "<h2>{}</h2>\n", html_text(part.heading));
    for (const std::string& line : part.lines) fmt::format_to(std::back_inserter(out), "<p>{}</p>\n", html_text(line));
  }
  return out + "</main>\n</html>\n";
}

}  // namespace tcpadvisor::serve
