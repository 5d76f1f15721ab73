// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/line.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>

namespace tcpadvisor::watch {
namespace {

struct CodePoint {
  std::size_t bytes;
  std::size_t columns;
};

std::size_t sequence_length(unsigned char first) {
  return first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
}

/// wcwidth() depends on the process's locale; the screen of a test or of a C-locale host must not.
int width_in_utf8(wchar_t code) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return 1;
  locale_t before = uselocale(utf8);
  int width = wcwidth(code);
  uselocale(before);
  return width < 0 ? 1 : width;
}

/// `text` is not empty. Input is printable UTF-8 already (advisor/base/text.h); anything else counts one column a byte.
CodePoint code_point_at(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t length = sequence_length(byte(0));
  if (length == 1 || length > text.size()) return {1, 1};
  wchar_t code = static_cast<wchar_t>(byte(0) & (0xFF >> (length + 1)));
  for (std::size_t i = 1; i < length; ++i) code = (code << 6) | (byte(i) & 0x3F);
  return {length, static_cast<std::size_t>(width_in_utf8(code))};
}

/// The longest prefix of at most `width` columns.
std::string_view prefix(std::string_view text, std::size_t width) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    CodePoint next = code_point_at(text.substr(bytes));
    if (next.columns > width) break;
    width -= next.columns;
    bytes += next.bytes;
  }
  return text.substr(0, bytes);
}

/// The longest suffix of at most `width` columns.
std::string_view suffix(std::string_view text, std::size_t width) {
  std::size_t total = columns_of(text);
  while (total > width) {
    CodePoint first = code_point_at(text);
    total -= first.columns;
    text.remove_prefix(first.bytes);
  }
  return text;
}

std::string to_ascii(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    CodePoint next = code_point_at(text);
    if (next.bytes == 1) {
      out += text.front();
    } else {
      out.append(next.columns, '?');
    }
    text.remove_prefix(next.bytes);
  }
  return out;
}

}  // namespace

Line& Line::add(std::string text, Attr attr) {
  if (!text.empty()) spans.push_back({std::move(text), attr});
  return *this;
}

std::size_t Line::width() const {
  std::size_t sum = 0;
  for (const Span& span : spans) sum += columns_of(span.text);
  return sum;
}

std::string Line::text() const {
  std::string all;
  for (const Span& span : spans) all += span.text;
  all.erase(all.find_last_not_of(' ') + 1);
  return all;
}

const Glyphs& glyphs(bool utf8) {
  static constexpr Glyphs kUtf8{"→", "…", "█", "░", "┃", "·", true};
  static constexpr Glyphs kAscii{"->", "~", "#", ".", "|", "-", false};
  return utf8 ? kUtf8 : kAscii;
}

std::size_t columns_of(std::string_view text) {
  std::size_t sum = 0;
  while (!text.empty()) {
    CodePoint next = code_point_at(text);
    sum += next.columns;
    text.remove_prefix(next.bytes);
  }
  return sum;
}

std::string cut(std::string_view text, std::size_t width, const Glyphs& g) {
  if (columns_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(prefix(text, width - 1)) += g.ellipsis;
}

std::string cut_middle(std::string_view text, std::size_t width, const Glyphs& g) {
  if (columns_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t tail = (width - 1) / 2;
  std::string out(prefix(text, width - 1 - tail));
  out += g.ellipsis;
  return out += suffix(text, tail);
}

std::string left(std::string_view text, std::size_t width, const Glyphs& g) {
  std::string out = cut(text, width, g);
  return out.append(width - columns_of(out), ' ');
}

std::string right(std::string_view text, std::size_t width, const Glyphs& g) {
  std::string out = cut(text, width, g);
  return out.insert(0, width - columns_of(out), ' ');
}

Line fit(Line line, std::size_t width, const Glyphs& g) {
  if (!g.utf8) {
    for (Span& span : line.spans) span.text = to_ascii(span.text);
  }
  if (line.width() <= width) return line;
  std::size_t room = width;
  Line out;
  out.selected = line.selected;
  for (Span& span : line.spans) {
    std::size_t wide = columns_of(span.text);
    if (wide < room) {
      room -= wide;
      out.spans.push_back(std::move(span));
    } else {  // there is more after this one, or it is itself too long
      span.text = cut(span.text + "  ", room, g);
      out.spans.push_back(std::move(span));
      break;
    }
  }
  return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::vector<std::string> lines;
  while (true) {
    std::string_view paragraph = text.substr(0, text.find('\n'));
    std::string start;
    while (start.size() + columns_of(paragraph) > width) {
      std::string_view fitting = prefix(paragraph, width - start.size());
      std::size_t first_word = fitting.find_first_not_of(' ');
      std::size_t blank = fitting.find_last_of(' ');
      bool breakable = blank != std::string_view::npos && first_word != std::string_view::npos && blank > first_word;
      std::string_view head = breakable ? fitting.substr(0, blank) : fitting;
      if (head.empty()) break;  // narrower than one character: leave it to fit()
      lines.push_back(start + std::string(head));
      paragraph.remove_prefix(head.size());
      paragraph.remove_prefix(std::min(paragraph.find_first_not_of(' '), paragraph.size()));
      start.assign(indent + 1 < width ? indent : 0, ' ');
    }
    lines.push_back(start + std::string(paragraph));
    std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return lines;
    text.remove_prefix(newline + 1);
  }
}

}  // namespace tcpadvisor::watch
