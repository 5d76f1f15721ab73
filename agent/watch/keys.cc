// SPDX-License-Identifier: Apache-2.0
// What a key does to the view.
#include <algorithm>

#include "agent/watch/screen.h"

namespace tcpadvisor::watch {
namespace {

/// Steps that a key moves by; 0 if it is not a moving key. Home and End move further than anything is long.
std::ptrdiff_t steps_of(Key key, std::size_t height) {
  constexpr std::ptrdiff_t kFar = 1 << 30;
  std::ptrdiff_t page = height > 12 ? static_cast<std::ptrdiff_t>(height) - 12 : 1;
  switch (key) {
    case Key::up:
      return -1;
    case Key::down:
      return 1;
    case Key::page_up:
      return -page;
    case Key::page_down:
      return page;
    case Key::home:
      return -kFar;
    case Key::end:
      return kFar;
    default:
      return 0;
  }
}

std::size_t moved(std::size_t from, std::ptrdiff_t steps, std::size_t count) {
  if (count == 0) return 0;
  std::ptrdiff_t to = static_cast<std::ptrdiff_t>(from) + steps;
  return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(to, 0, static_cast<std::ptrdiff_t>(count) - 1));
}

void select(View& view, const Table& table, std::size_t position) {
  view.position = position;
  view.selected = table.count > 0 ? table.key(position) : "";
}

void forget_selection(View& view) {
  view.selected.clear();
  view.position = view.top = 0;
}

void show_list(View& view, List list) {
  if (view.list != list) forget_selection(view);
  view.list = list;
  view.list_chosen = true;
  view.page = Page::list;
}

/// The other side of list 4.
void turn_over(View& view) {
  view.ports = !view.ports;
  forget_selection(view);
}

void show_page(View& view, Page page) {
  view.page = page;
  view.page_top = 0;
}

void type_filter(KeyPress press, View& view) {
  if (press.key == Key::character) view.filter += press.character;
  if (press.key == Key::backspace && !view.filter.empty()) view.filter.pop_back();
  if (press.key == Key::escape) view.filter.clear();
  if (press.key == Key::escape || press.key == Key::enter) view.typing_filter = false;
  forget_selection(view);
}

void sum_by_group(View& view) {
  view.by_group = view.list != List::processes || !view.by_group;
  forget_selection(view);
  show_list(view, List::processes);
}

Action command(char character, View& view) {
  if (character >= '1' && character < '1' + static_cast<char>(kListCount)) {
    auto list = static_cast<List>(character - '1');
    if (list == List::build_up && view.list == list && view.page == Page::list) turn_over(view);
    show_list(view, list);
    return Action::none;
  }
  switch (character) {
    case 'q':
      return Action::quit;
    case 'p':
      view.paused = !view.paused;
      return Action::none;
    case 's':
      ++view.sort[index_of(view.list)];
      return Action::none;
    case 'g':
      sum_by_group(view);
      return Action::none;
    case '?':
      show_page(view, Page::help);
      return Action::none;
    case 'r':
      show_page(view, Page::report);
      return Action::make_report;
    case '/':
      show_list(view, view.list);
      view.typing_filter = true;
      return Action::none;
    default:
      return Action::none;
  }
}

}  // namespace

Action press(KeyPress key, View& view, const Picture& picture) {
  view.list = first_list(view, picture);
  if (view.typing_filter) {
    type_filter(key, view);
    return Action::none;
  }
  if (std::ptrdiff_t steps = steps_of(key.key, view.height); steps != 0) {
    if (view.page == Page::list) {
      Table table = table_of(picture, view);
      select(view, table, moved(view.position, steps, table.count));
      view.list_chosen = true;
    } else {  // the end is not known here; drawing stops at it
      view.page_top = moved(view.page_top, steps, 1 << 30);
    }
    return Action::none;
  }
  if (key.key == Key::enter && view.page == Page::list) {
    Table table = table_of(picture, view);
    if (table.count == 0) return Action::none;
    view.list_chosen = true;
    select(view, table, std::min(view.position, table.count - 1));
    if (table.folds(view.position)) {
      if (view.unfolded.erase(view.selected) == 0) view.unfolded.insert(view.selected);
    } else {
      show_page(view, Page::details);
    }
  } else if (key.key == Key::escape || key.key == Key::backspace) {
    if (view.page == Page::list) view.filter.clear();
    view.page = Page::list;
  } else if (key.key == Key::character) {
    return command(key.character, view);
  }
  return Action::none;
}

}  // namespace tcpadvisor::watch
