// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "advisor/base/text.h"

// The library (3.3.0) asserts what a file must look like, and in a release assumes it. Both are wrong for a file that
// anybody may have written (found by tests/fuzz): here what does not hold is an error of the file, caught in
// parse_toml().
namespace tcpadvisor {
struct TomlAssumption {};
}  // namespace tcpadvisor
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? void() : throw ::tcpadvisor::TomlAssumption())
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wterminate"  // some of its assumptions are in noexcept functions: of nodes, not of the text
#include <toml++/toml.h>
#pragma GCC diagnostic pop

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

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// Which quotes the reader is in, followed just far enough to know what stands outside of them.
class Quotes {
 public:
  bool open() const { return !mark_.empty(); }
  /// How many characters at the begin of `rest` belong to a quotation; 0 outside of one.
  std::size_t take(std::string_view rest) {
    if (!open()) {
      for (std::string_view mark : {"\"\"\"", "'''", "\"", "'"}) {
        if (!rest.starts_with(mark)) continue;
        mark_ = mark;
        return mark.size();
      }
      return 0;
    }
    if (mark_.front() == '"' && rest.front() == '\\') return std::min<std::size_t>(2, rest.size());
    if (rest.starts_with(mark_)) {
      std::size_t size = mark_.size();
      mark_ = {};
      return size;
    }
    if (rest.front() == '\n' && mark_.size() == 1) mark_ = {};  // never closed: the library will say so
    return 1;
  }

 private:
  std::string_view mark_;
};

/// The text as the library may have it: pure ASCII. Beyond that it assumes, and does not check, what it meets (3.3.0,
/// found by tests/fuzz). Comments may hold anything; in quotes \\u00E4 says the same.
Result<std::string> plain(std::string_view text, std::string_view origin) {
  std::string out;
  out.reserve(text.size());
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Quotes quotes;
  TomlPlace at{1, 1};
  bool comment = false, line_is_empty = true;
  while (!text.empty()) {
    std::size_t size = comment ? 0 : quotes.take(text);
    bool quoted = size > 0;
    size = std::max<std::size_t>(size, 1);
    char first = text.front();
    comment = comment || (!quoted && first == '#');
    bool control = static_cast<unsigned char>(first) < ' ' && !is_blank(first) && first != '\n' && first != '\r';
    bool ascii = std::ranges::none_of(text.substr(0, size), [](char c) { return (c & 0x80) != 0; });
    if (!comment && (!ascii || control || first == 0x7f)) {
      return std::unexpected(
          at_place(origin, at, "only ASCII may stand here; in quotes, \\u00E4 is a letter beyond it"));
    }
    if (!quoted && !comment && first == '[' && line_is_empty) {
      std::size_t name = text.find_first_not_of("[ \t");
      char c = name < text.size() ? text[name] : '\n';
      bool named = c == '_' || c == '-' || c == '"' || c == '\'' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                   (c >= 'A' && c <= 'Z');
      if (!named) return std::unexpected(at_place(origin, at, "a section needs a name: [name]"));
    }
    for (char c : text.substr(0, size)) {
      if ((c & 0x80) == 0) {
        out += c;
      } else if ((c & 0xc0) != 0x80) {
        out += '?';  // in a comment, one for each character, so that columns stay
      }
    }
    for (char c : text.substr(0, size)) {
      if (c == '\n') {
        at = {at.line + 1, 1};
        comment = false;
        line_is_empty = !quotes.open();
      } else {
        if ((c & 0xc0) != 0x80) ++at.column;
        line_is_empty &= is_blank(c);
      }
    }
    text.remove_prefix(size);
  }
  return out;
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
  Result<std::string> ascii = plain(text, origin);
  if (!ascii) return std::unexpected(ascii.error());
  try {
    const toml::table table = toml::parse(std::string_view(*ascii));
    Reader reader(origin);
    if (Status status = reader.add(table, "", {1, 1}); !status) return std::unexpected(status.error());
    return reader.take();
  } catch (const toml::parse_error& error) {
    return std::unexpected(parse_error(error, origin));
  } catch (const TomlAssumption&) {
    return fail(ErrorCode::bad_input, fmt::format("{}, line 1 or later: this is not TOML", printable(origin)));
  }
}

}  // namespace tcpadvisor
