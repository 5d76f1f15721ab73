// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "advisor/explain/article.h"
#include "advisor/explain/forms.h"
#include "agent/cli/commands.h"
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

}  // namespace

int run_explain(const Options& options) {
  const std::vector<Article> all = explain::articles(options.policy, exported_values());
  std::string text;
  if (options.explain.name.empty()) {
    text = list_of(all, options);
  } else {
    auto some = explain::articles_named(options.explain.name, all);
    if (!some) return failed(some.error());
    text = text_of(*some, options);
  }
  Status status = write_stdout(text);
  return status ? 0 : failed(status.error());
}

}  // namespace tcpadvisor::cli
