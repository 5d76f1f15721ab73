// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "advisor/base/text.h"
#include "advisor/base/utf8.h"

namespace tcpadvisor {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || (static_cast<unsigned char>(c) & 0x80) != 0;
}

/// GitHub tells a person of every "@name" that is not in a code span, whatever is escaped.
std::size_t mention_at(std::string_view text, std::size_t at) {
  if (text[at] != '@' || (at > 0 && is_word(text[at - 1]))) return 0;
  std::size_t end = at + 1;
  while (end < text.size() && (is_word(text[end]) || text[end] == '-' || text[end] == '/')) ++end;
  return end - at > 1 ? end - at : 0;
}

/// `_` within a word means nothing, and names of settings are full of it.
bool is_markup(std::string_view text, std::size_t at) {
  constexpr std::string_view kAlways = "\\`*[]<>|~&$!#{}";
  const char c = text[at];
  if (kAlways.contains(c)) return true;
  const bool after_word = at > 0 && is_word(text[at - 1]), before_word = at + 1 < text.size() && is_word(text[at + 1]);
  if (c == '_') return !(after_word && before_word);
  if (c == ':') return text.substr(at).starts_with("://");
  return c == '.' && text.substr(0, at).ends_with("www");
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  for (char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string markdown_code(std::string_view text) {
  const std::string inside = printable(text);
  std::size_t longest = 0, run = 0;
  for (char c : inside) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(longest + 1, '`');
  const bool padded = inside.empty() || inside.starts_with('`') || inside.ends_with('`');
  return padded ? fmt::format("{} {} {}", fence, inside, fence) : fence + inside + fence;
}

std::string markdown_text(std::string_view text) {
  const std::string plain = printable(text);
  std::string out;
  for (std::size_t at = 0; at < plain.size();) {
    if (std::size_t mention = mention_at(plain, at); mention > 0) {
      out += markdown_code(std::string_view(plain).substr(at, mention));
      at += mention;
      continue;
    }
    if (is_markup(plain, at)) out += '\\';
    out += plain[at++];
  }
  return out;
}

std::string markdown_code_in_table(std::string_view text) {
  return text.contains('|') ? markdown_text(text) : markdown_code(text);
}

std::string sysctl_text(std::string_view text) {
  return printable(text);
}

std::string json_for_eyes(std::string_view document) {
  std::string out;
  out.reserve(document.size());
  while (!document.empty()) {
    const CodePoint next = code_point_at(document);
    const std::string_view bytes = document.substr(0, next.bytes);
    if (!next.valid || next.value < 0x7f || printable(bytes) == bytes) {
      out += bytes;
    } else if (next.value < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(next.value));
    } else {
      const auto above = static_cast<std::uint32_t>(next.value) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
    }
    document.remove_prefix(next.bytes);
  }
  return out;
}

}  // namespace tcpadvisor
