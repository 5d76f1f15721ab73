// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "advisor/base/text.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

namespace tcpadvisor {
namespace {

/// Each dot of a key is a table in a table. The library takes them apart by recursion, so their depth must have an end.
constexpr std::ptrdiff_t kMaxDotsInLine = 100;

TomlPlace place_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

Status check_depth(std::string_view text, std::string_view origin) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    std::size_t end = std::min(text.find('\n'), text.size());
    if (std::ranges::count(text.substr(0, end), '.') > kMaxDotsInLine) {
      std::string message = fmt::format("more than {} dots: no key has so many parts", kMaxDotsInLine);
      return std::unexpected(at_place(origin, {line, 1}, message));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

/// What the library says, and what is meant by it most often.
Error parse_error(const toml::parse_error& error, std::string_view origin) {
  std::string_view said = error.description();
  constexpr std::string_view kBegin = "Error while ";
  std::string text = said.starts_with(kBegin) ? std::string(said.substr(kBegin.size())) : std::string(said);
  bool about_value = false;
  for (std::string_view what : {"parsing value", "integer", "floating", "boolean", "date", "time"}) {
    about_value |= said.substr(0, said.find(':')).find(what) != said.npos;
  }
  if (about_value) text += "; durations, sizes and names are texts: write them in quotes";
  return at_place(origin, place_of(error.source()), printable(text));
}

/// nullopt-like failure: not a text, a number or a truth.
bool add_value(TomlEntry& entry, TomlKind& kind, const toml::node& node) {
  if (const auto* text = node.as_string()) {
    kind = TomlKind::text;
    entry.values.push_back(text->get());
  } else if (const auto* integer = node.as_integer()) {
    kind = TomlKind::integer;
    entry.values.push_back(std::to_string(integer->get()));
  } else if (const auto* real = node.as_floating_point()) {
    kind = TomlKind::real;
    entry.values.push_back(fmt::format("{}", real->get()));
  } else if (const auto* truth = node.as_boolean()) {
    kind = TomlKind::boolean;
    entry.values.push_back(truth->get() ? "true" : "false");
  } else {
    return false;
  }
  return true;
}

class Reader {
 public:
  explicit Reader(std::string_view origin) : origin_(origin) {}

  Status add(const toml::table& table, const std::string& name, TomlPlace at) {
    TomlSection section{name, at, {}};
    bool has_tables = false;
    for (const auto& [key, node] : table) {
      if (const toml::table* inner = node.as_table()) {
        has_tables = true;
        std::string inner_name = (name.empty() ? "" : name + ".") + std::string(key.str());
        if (Status status = add(*inner, inner_name, place_of(key.source())); !status) return status;
        continue;
      }
      TomlEntry entry{std::string(key.str()), {}, {}, place_of(key.source()), place_of(node.source())};
      if (!add_values(entry, node)) {
        return std::unexpected(at_place(origin_, entry.key_at,
                                        printable(entry.key) + ": write a text, a number, true or false, or a list"));
      }
      section.entries.push_back(std::move(entry));
    }
    std::ranges::sort(section.entries, {}, [](const TomlEntry& entry) { return in_file(entry.key_at); });
    // Tables that stand only between the dots of a key are no sections.
    if (!section.entries.empty() || (!has_tables && !name.empty())) sections_.push_back(std::move(section));
    return {};
  }

  std::vector<TomlSection> take() {
    std::ranges::sort(sections_, {}, [](const TomlSection& section) { return in_file(section.at); });
    return std::move(sections_);
  }

 private:
  static std::tuple<std::size_t, std::size_t> in_file(TomlPlace place) { return {place.line, place.column}; }

  static bool add_values(TomlEntry& entry, const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return add_value(entry, entry.kind, node);
    entry.kind = TomlKind::list;
    TomlKind ignored{};
    return std::ranges::all_of(*list, [&](const toml::node& part) { return add_value(entry, ignored, part); });
  }

  std::string_view origin_;
  std::vector<TomlSection> sections_;
};

}  // namespace

Error at_place(std::string_view origin, const TomlPlace& place, std::string_view text) {
  return {ErrorCode::bad_input,
          fmt::format("{}, line {}, column {}: {}", printable(origin), place.line, place.column, text), 0};
}

Result<std::vector<TomlSection>> parse_toml(std::string_view text, std::string_view origin) {
  if (Status status = check_depth(text, origin); !status) return std::unexpected(status.error());
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) return std::unexpected(parse_error(parsed.error(), origin));
  Reader reader(origin);
  if (Status status = reader.add(parsed.table(), "", {1, 1}); !status) return std::unexpected(status.error());
  return reader.take();
}

}  // namespace tcpadvisor
