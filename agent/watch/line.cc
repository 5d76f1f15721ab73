// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/line.h"

#include "advisor/base/columns.h"

namespace tcpadvisor::watch {
namespace {

std::string to_ascii(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    CodePoint next = code_point_at(text);
    if (next.bytes == 1) {
      out += text.front();
    } else {
      out.append(columns_of(next), '?');
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
  static constexpr Glyphs kUtf8{"→", "…", "█", "░", "┃", "·", "×", "▸", "▾", true};
  static constexpr Glyphs kAscii{"->", "~", "#", ".", "|", "-", "x", "+", "-", false};
  return utf8 ? kUtf8 : kAscii;
}

std::string cut(std::string_view text, std::size_t width, const Glyphs& g) {
  return tcpadvisor::cut(text, width, g.ellipsis);
}

std::string cut_middle(std::string_view text, std::size_t width, const Glyphs& g) {
  return tcpadvisor::cut_middle(text, width, g.ellipsis);
}

std::string cut_owner(std::string_view text, std::size_t width, const Glyphs& g) {
  std::size_t pid = text.rfind('[');
  std::size_t tail = pid == text.npos ? 0 : columns_of(text.substr(pid));
  if (tail == 0) return cut(text, width, g);  // words, not a name
  if (columns_of(text) <= width || tail >= width) return cut_middle(text, width, g);
  return cut_middle(text.substr(0, pid), width - tail, g) + std::string(text.substr(pid));
}

std::string left(std::string_view text, std::size_t width, const Glyphs& g) {
  return fill_right(cut(text, width, g), width);
}

std::string right(std::string_view text, std::size_t width, const Glyphs& g) {
  return fill_left(cut(text, width, g), width);
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

}  // namespace tcpadvisor::watch
