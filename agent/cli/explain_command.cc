// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "advisor/explain/article.h"
#include "advisor/explain/forms.h"
#include "advisor/explain/here.h"
#include "agent/cli/commands.h"
#include "agent/cli/observe_for.h"
#include "agent/cli/output.h"
#include "agent/export/value.h"

namespace tcpadvisor::cli {
namespace {

using explain::Article;

std::vector<explain::Exported> exported_values() {
  constexpr std::array<std::string_view, 5> kTypes = {"gauge", "counter", "text", "true or false", "list"};
  std::vector<explain::Exported> out;
  for (exported::Description& one : exported::describe_values()) {
    out.push_back({std::move(one.path), std::string(kTypes[static_cast<std::size_t>(one.type)]), std::move(one.unit),
                   std::move(one.help)});
  }
  return out;
}

std::string list_of(const std::vector<Article>& all, const Options& options) {
  const bool whole = options.explain.all;
  switch (options.explain.form) {
    case ExplainForm::markdown:
      return explain::catalogue(all);
    case ExplainForm::json:
      return explain::as_json(all);
    case ExplainForm::text:
      break;
  }
  return whole ? explain::as_text(all, text_width()) : explain::list_as_text(all, text_width());
}

std::string text_of(const std::vector<Article>& some, const Options& options) {
  switch (options.explain.form) {
    case ExplainForm::markdown:
      return explain::as_markdown(some);
    case ExplainForm::json:
      return explain::as_json(some);
    case ExplainForm::text:
      break;
  }
  return explain::as_text(some, text_width());
}

/// The host's numbers, where there are some: a moment of it, or of a recording.
Result<Window> look(const Options& options) {
  if (options.explain.from.empty()) return look_once(options);
  auto seen =
      observe_recorded({options.explain.from, "", options.explain.at, std::chrono::milliseconds(1)}, options.policy);
  if (!seen) return std::unexpected(seen.error());
  return seen->observation->window;
}

Status add_here(std::vector<Article>& some, const Options& options) {
  if (std::ranges::none_of(some, explain::has_numbers)) return {};
  Result<Window> window = look(options);
  if (!window && !options.explain.from.empty()) return std::unexpected(window.error());
  for (Article& one : some) {
    if (!explain::has_numbers(one)) continue;
    std::optional<explain::Part> part;
    if (window) part = explain::here(one, *window);
    if (!window) part = explain::Part{"Here, now", {"this host could not be looked at: " + window.error().message}};
    if (part)
      one.parts.insert(one.parts.begin() + (one.parts.empty() || !one.parts.front().heading.empty() ? 0 : 1), *part);
  }
  return {};
}

}  // namespace

int run_explain(const Options& options) {
  const std::vector<Article> all = explain::articles(options.policy, exported_values());
  std::string text;
  if (options.explain.name.empty()) {
    text = list_of(all, options);
  } else {
    auto some = explain::articles_named(options.explain.name, all);
    if (!some) return failed(some.error());
    if (Status status = add_here(*some, options); !status) return failed(status.error());
    text = text_of(*some, options);
  }
  Status status = write_stdout(text);
  return status ? 0 : failed(status.error());
}

}  // namespace tcpadvisor::cli
