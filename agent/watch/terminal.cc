// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/terminal.h"

#include <curses.h>
#include <fmt/format.h>
#include <langinfo.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "advisor/base/text.h"

namespace tcpadvisor::watch {
namespace {

bool charset_is_utf8() {
  return std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/// The environment asks for UTF-8, whether or not that locale is installed.
bool environment_wants_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string_view text(value);
    return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos;
  }
  return false;
}

enum Pair : short { kGood = 1, kWarning, kCritical, kLabel };

attr_t look_of(Attr attr, bool colour) {
  switch (attr) {
    case Attr::normal:
      return A_NORMAL;
    case Attr::dim:
      return A_DIM;
    case Attr::label:
      return colour ? COLOR_PAIR(kLabel) : A_NORMAL;
    case Attr::title:
      return A_BOLD;
    case Attr::good:
      return colour ? COLOR_PAIR(kGood) : A_NORMAL;
    case Attr::warning:
      return colour ? COLOR_PAIR(kWarning) | A_BOLD : A_BOLD;
    case Attr::critical:
      return colour ? COLOR_PAIR(kCritical) | A_BOLD : A_BOLD | A_UNDERLINE;
    case Attr::key:
      return colour ? COLOR_PAIR(kLabel) | A_BOLD : A_BOLD;
  }
  return A_NORMAL;
}

std::optional<Key> special_key(int code) {
  switch (code) {
    case KEY_UP:
      return Key::up;
    case KEY_DOWN:
      return Key::down;
    case KEY_PPAGE:
      return Key::page_up;
    case KEY_NPAGE:
      return Key::page_down;
    case KEY_HOME:
      return Key::home;
    case KEY_END:
      return Key::end;
    case KEY_ENTER:
    case '\n':
    case '\r':
      return Key::enter;
    case 27:
      return Key::escape;
    case KEY_BACKSPACE:
    case 8:
    case 127:
      return Key::backspace;
    default:
      return std::nullopt;
  }
}

}  // namespace

bool use_environment_charset() {
  if (std::setlocale(LC_CTYPE, "") == nullptr && environment_wants_utf8()) std::setlocale(LC_CTYPE, "C.UTF-8");
  return charset_is_utf8();
}

Result<std::unique_ptr<Terminal>> Terminal::open(bool colour) {
  // newterm() reports a failure; initscr() would end the process.
  if (newterm(nullptr, stdout, stdin) == nullptr) {
    const char* term = std::getenv("TERM");
    return fail(ErrorCode::bad_input,
                fmt::format("TERM is '{}', which names no terminal that this host knows: set TERM, or use "
                            "--once or --json",
                            term != nullptr ? printable(term) : ""));
  }
  set_escdelay(25);
  cbreak();
  noecho();
  curs_set(0);
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  colour = colour && has_colors();
  if (colour) {
    start_color();
    use_default_colors();
    init_pair(kGood, COLOR_GREEN, -1);
    init_pair(kWarning, COLOR_YELLOW, -1);
    init_pair(kCritical, COLOR_RED, -1);
    init_pair(kLabel, COLOR_CYAN, -1);
  }
  return std::unique_ptr<Terminal>(new Terminal(colour));
}

Terminal::~Terminal() {
  endwin();
}

Terminal::Size Terminal::size() const {
  return {static_cast<std::size_t>(getmaxx(stdscr)), static_cast<std::size_t>(getmaxy(stdscr))};
}

void Terminal::draw(const std::vector<Line>& lines) {
  erase();
  int width = getmaxx(stdscr);
  for (std::size_t y = 0; y < lines.size(); ++y) {
    move(static_cast<int>(y), 0);
    for (const Span& span : lines[y].spans) {
      attrset(look_of(span.attr, colour_));
      addstr(span.text.c_str());
    }
    if (lines[y].selected) mvchgat(static_cast<int>(y), 0, width, A_REVERSE, 0, nullptr);
  }
  attrset(A_NORMAL);
  refresh();
}

std::optional<Terminal::Input> Terminal::read_key() {
  for (int code = getch(); code != ERR; code = getch()) {
    if (code == KEY_RESIZE) return Input{.resized = true, .press = {}};
    if (auto key = special_key(code)) return Input{.resized = false, .press = {*key, 0}};
    if (code >= 0x20 && code < 0x7f) return Input{.resized = false, .press = {Key::character, static_cast<char>(code)}};
  }
  return std::nullopt;
}

}  // namespace tcpadvisor::watch
