// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/columns.h"

#include <algorithm>
#include <span>

#include "advisor/base/columns_table.h"

namespace tcpadvisor {
namespace {

bool contains(std::span<const CodePointRange> table, char32_t value) {
  auto range = std::ranges::lower_bound(table, value, {}, &CodePointRange::last);
  return range != table.end() && range->first <= value;
}

/// What goes on the next line of a paragraph that does not fit into `width` columns. Empty if there is no room at all.
std::string_view head_of(std::string_view paragraph, std::string_view fitting, LongWords long_words) {
  std::size_t first_word = fitting.find_first_not_of(' ');
  if (first_word != fitting.npos && paragraph[fitting.size()] == ' ') return fitting;
  std::size_t blank = fitting.find_last_of(' ');
  if (blank != fitting.npos && first_word != fitting.npos && blank > first_word) return fitting.substr(0, blank);
  if (long_words == LongWords::broken) return fitting;
  return paragraph.substr(0, paragraph.find(' ', std::min(paragraph.find_first_not_of(' '), paragraph.size())));
}

std::string without_blanks_at_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

void wrap_paragraph(std::vector<std::string>& lines, std::string_view paragraph, std::size_t width, std::size_t indent,
                    LongWords long_words) {
  std::string start;
  while (true) {
    std::string_view fitting = beginning_of(paragraph, width - start.size());
    if (fitting.size() == paragraph.size()) break;
    std::string_view head = head_of(paragraph, fitting, long_words);
    if (head.empty()) break;  // narrower than one character
    lines.push_back(without_blanks_at_end(start + std::string(head)));
    paragraph.remove_prefix(head.size());
    paragraph.remove_prefix(std::min(paragraph.find_first_not_of(' '), paragraph.size()));
    if (paragraph.empty()) return;
    start.assign(indent + 1 < width ? indent : 0, ' ');
  }
  lines.push_back(without_blanks_at_end(start + std::string(paragraph)));
}

}  // namespace

std::size_t columns_of(const CodePoint& point) {
  if (point.value < kNoColumn.front().first) return 1;  // nearly all text there is
  return contains(kNoColumn, point.value) ? 0 : contains(kTwoColumns, point.value) ? 2 : 1;
}

std::size_t columns_of(std::string_view text) {
  std::size_t sum = 0;
  while (!text.empty()) {
    CodePoint next = code_point_at(text);
    sum += columns_of(next);
    text.remove_prefix(next.bytes);
  }
  return sum;
}

std::string_view beginning_of(std::string_view text, std::size_t width) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    CodePoint next = code_point_at(text.substr(bytes));
    std::size_t columns = columns_of(next);
    if (columns > width) break;
    width -= columns;
    bytes += next.bytes;
  }
  return text.substr(0, bytes);
}

std::string_view end_of(std::string_view text, std::size_t width) {
  bool cut_off = false;
  for (std::size_t total = columns_of(text); !text.empty();) {
    CodePoint first = code_point_at(text);
    std::size_t columns = columns_of(first);
    bool belongs_to_what_is_cut_off = cut_off && columns == 0;
    if (total <= width && !belongs_to_what_is_cut_off) break;
    total -= columns;
    text.remove_prefix(first.bytes);
    cut_off = true;
  }
  return text;
}

std::string cut(std::string_view text, std::size_t width, std::string_view ellipsis) {
  if (columns_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(beginning_of(text, width - 1)) += ellipsis;
}

std::string cut_middle(std::string_view text, std::size_t width, std::string_view ellipsis) {
  if (columns_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t tail = (width - 1) / 2;
  std::string out(beginning_of(text, width - 1 - tail));
  out += ellipsis;
  return out += end_of(text, tail);
}

std::string fill_right(std::string text, std::size_t width) {
  std::size_t columns = columns_of(text);
  return columns < width ? text.append(width - columns, ' ') : text;
}

std::string fill_left(std::string text, std::size_t width) {
  std::size_t columns = columns_of(text);
  return columns < width ? text.insert(0, width - columns, ' ') : text;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t indent, LongWords long_words) {
  std::vector<std::string> lines;
  while (true) {
    std::size_t newline = text.find('\n');
    wrap_paragraph(lines, text.substr(0, newline), width, indent, long_words);
    if (newline == text.npos) return lines;
    text.remove_prefix(newline + 1);
  }
}

}  // namespace tcpadvisor
