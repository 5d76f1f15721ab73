// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/here.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/explain/here_parts.h"
#include "advisor/explain/setting_list.h"

namespace tcpadvisor::explain {
namespace {

using Lines = std::vector<std::string>;
constexpr std::size_t kMostNamespaces = 8;

Lines of_setting(const Article& article, const Window& window) {
  Lines out;
  const Knob* knob = find_knob(article.name);
  if (knob == nullptr) return out;
  const std::vector<SettingHere> all = settings_here(window, *knob);
  for (const SettingHere& one : all) {
    if (out.size() >= kMostNamespaces) {
      out.push_back(fmt::format("and {} namespaces more", all.size() - kMostNamespaces));
      break;
    }
    std::string line = one.value;
    if (knob->scope == KnobScope::netns) line = fmt::format("netns {}: {}", printable(one.netns_name), line);
    if (one.set_by) line += "; " + printable(one.set_by->text);
    if (one.binds) line += fmt::format("; binds now: {} {}", with_commas(one.binds->sockets), one.binds->what);
    out.push_back(std::move(line));
  }
  if (out.empty()) out.emplace_back("this kernel does not have it, or it could not be read");
  return out;
}

}  // namespace

bool has_numbers(const Article& article) {
  return article.kind == Kind::setting || article.kind == Kind::state || article.kind == Kind::option ||
         article.kind == Kind::call;
}

std::optional<Part> here(const Article& article, const Window& window) {
  Lines lines;
  switch (article.kind) {
    case Kind::setting:
      lines = of_setting(article, window);
      break;
    case Kind::state:
      lines = of_state(article.name, window.latest());
      break;
    case Kind::option:
      lines = of_option(article.name, window.latest());
      break;
    case Kind::call:
      lines = of_call(article.name, window.latest());
      break;
    case Kind::rule:
    case Kind::metric:
    case Kind::value:
      break;
  }
  if (lines.empty()) return std::nullopt;
  return Part{"Here, now", std::move(lines)};
}

}  // namespace tcpadvisor::explain
