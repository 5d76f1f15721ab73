// SPDX-License-Identifier: Apache-2.0
// The whole screen as lines, and what keys do to the view. Pure: the terminal only shows and forwards.
#pragma once

#include <string>
#include <vector>

#include "agent/watch/line.h"
#include "agent/watch/table.h"
#include "agent/watch/view.h"

namespace tcpadvisor::watch {

/// At most view.height lines of at most view.width columns. `report` is the text of the report page. The view is
/// brought up to date: what is selected and what is visible.
std::vector<Line> screen_lines(const Picture& picture, View& view, const std::string& report);

/// What `--once` prints: the header and all lists below each other, processes by group, too; each cut to `list_lines`
/// lines.
std::vector<Line> plain_lines(const Picture& picture, const View& view, std::size_t list_lines);

enum class Key { character, up, down, page_up, page_down, home, end, enter, escape, backspace };
struct KeyPress {
  Key key = Key::character;
  char character = 0;  ///< printable ASCII, for Key::character
};

enum class Action { none, quit, make_report };  ///< what the view cannot do by itself
Action press(KeyPress key, View& view, const Picture& picture);

}  // namespace tcpadvisor::watch
