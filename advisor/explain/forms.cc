// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "advisor/base/columns.h"

namespace tcpadvisor::explain {
namespace {

constexpr std::size_t kNameWidth = 30;

void add_wrapped(std::string& out, std::string_view text, std::size_t width, std::size_t indent) {
  const std::size_t own = std::min(text.find_first_not_of(' '), text.size());
  const std::string margin(indent + own, ' ');
  for (const std::string& line :
       wrap(text.substr(own), width > margin.size() + 20 ? width - margin.size() : 20, 2, LongWords::whole)) {
    out += margin + line + "\n";
  }
}

std::string_view plural(Kind kind) {
  switch (kind) {
    case Kind::rule:
      return "Rules";
    case Kind::setting:
      return "Settings";
    case Kind::state:
      return "States";
    case Kind::option:
      return "Options";
    case Kind::call:
      return "Calls";
    case Kind::metric:
      return "Metrics";
    case Kind::value:
      break;
  }
  return "Values";
}

std::vector<std::pair<Kind, std::string>> groups_of(const std::vector<Article>& articles) {
  std::vector<std::pair<Kind, std::string>> out;
  for (const Article& one : articles) {
    std::pair<Kind, std::string> group(one.kind, one.group);
    if (std::ranges::find(out, group) == out.end()) out.push_back(std::move(group));
  }
  std::ranges::stable_sort(out, {}, [](const auto& group) { return group.first; });
  return out;
}

/// In Markdown these would begin something.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("|<>*_\\[]`").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

void add_markdown(std::string& out, const Article& one) {
  out += fmt::format("### `{}`\n\n{}: {}.\n", one.name, name_of(one.kind), escaped(one.title));
  for (const Part& part : one.parts) {
    if (part.heading.empty()) {
      for (const std::string& line : part.lines) out += "\n" + escaped(line) + "\n";
      continue;
    }
    out += fmt::format("\n{}:\n\n", part.heading);
    for (const std::string& line : part.lines) {
      const std::size_t own = std::min(line.find_first_not_of(' '), line.size());
      out += std::string(own, ' ') + "- " + escaped(line.substr(own)) + "\n";
    }
  }
  out += "\n";
}

}  // namespace

std::string as_text(const std::vector<Article>& articles, std::size_t width) {
  std::string out;
  for (const Article& one : articles) {
    if (!out.empty()) out += "\n";
    add_wrapped(out, fmt::format("{} ({}, {}): {}", one.name, name_of(one.kind), one.group, one.title), width, 0);
    for (const Part& part : one.parts) {
      if (!part.heading.empty()) out += fmt::format("  {}\n", part.heading);
      for (const std::string& line : part.lines) add_wrapped(out, line, width, part.heading.empty() ? 2 : 4);
    }
  }
  return out;
}

std::string as_json(const std::vector<Article>& articles) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const Article& one : articles) {
    nlohmann::ordered_json parts = nlohmann::ordered_json::array();
    for (const Part& part : one.parts) {
      parts.push_back({{"heading", part.heading.empty() ? "Meaning" : part.heading}, {"lines", part.lines}});
    }
    out.push_back({{"kind", name_of(one.kind)},
                   {"name", one.name},
                   {"group", one.group},
                   {"title", one.title},
                   {"parts", parts}});
  }
  return out.dump() + "\n";
}

std::string list_as_text(const std::vector<Article>& articles, std::size_t width) {
  std::string out;
  for (const auto& [kind, group] : groups_of(articles)) {
    out += fmt::format("{}{}: {}\n", out.empty() ? "" : "\n", plural(kind), group);
    for (const Article& one : articles) {
      if (one.kind != kind || one.group != group) continue;
      const std::string name = fill_right("  " + one.name, kNameWidth) + "  ";
      const std::size_t column = columns_of(name);
      out += name + cut(one.title, width > column + 20 ? width - column : 20) + "\n";
    }
  }
  return out + "\ntcpadvisor explain NAME says more about one of them.\n";
}

std::string as_markdown(const std::vector<Article>& articles) {
  std::string out;
  for (const Article& one : articles) add_markdown(out, one);
  return out;
}

std::string catalogue(const std::vector<Article>& articles) {
  std::string out =
      "# Rules, settings and numbers\n\n"
      "Written by `tcpadvisor explain --all --format md`; a test holds it to that. `tcpadvisor explain NAME` says the "
      "same of "
      "one, with the\nthresholds of `--policy`.\n";
  for (const auto& [kind, group] : groups_of(articles)) {
    out += fmt::format("\n## {}: {}\n\n", plural(kind), group);
    const bool in_full = kind == Kind::rule || kind == Kind::state || kind == Kind::option || kind == Kind::call;
    if (!in_full) out += "| name | what it is |\n|---|---|\n";
    for (const Article& one : articles) {
      if (one.kind != kind || one.group != group) continue;
      if (in_full) {
        add_markdown(out, one);
      } else {
        const Part* leave = nullptr;
        for (const Part& part : one.parts) leave = part.heading == "When not to change it" ? &part : leave;
        out += fmt::format("| `{}` | {}{} |\n", one.name, escaped(one.title),
                           leave == nullptr ? "" : ". *Not:* " + escaped(leave->lines.front()));
      }
    }
    while (out.ends_with("\n\n")) out.pop_back();
  }
  return out;
}

}  // namespace tcpadvisor::explain
