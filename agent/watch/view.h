// SPDX-License-Identifier: Apache-2.0
// How the user looks at an observation. Pure data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "agent/observe/observation.h"

namespace tcpadvisor::watch {

using Picture = observe::Observation;

enum class List : std::uint8_t { connections, processes, listeners, build_up, findings };
inline constexpr std::size_t kListCount = 5;
inline constexpr std::array<std::string_view, kListCount> kListNames = {"connections", "processes", "listeners",
                                                                        "build-up", "findings"};
inline constexpr std::string_view kGroupsName = "groups";  ///< the other side of list 2
inline constexpr std::string_view kPortsName = "ports";    ///< the other side of list 4
constexpr std::size_t index_of(List list) {
  return static_cast<std::size_t>(list);
}

enum class Page : std::uint8_t { list, details, report, help };

struct View {
  std::size_t width = 80, height = 24;
  List list = List::connections;
  bool list_chosen = false;  ///< by the user; until then the findings come first when there are any
  bool by_group = false;     ///< the processes are summed by unit, container, pod or user
  Page page = Page::list;
  std::array<std::size_t, kListCount> sort{};  ///< which order, per list
  bool ports = false;                          ///< list 4 shows local ports in use in the place of build-up
  std::string filter;
  std::set<std::string> unfolded{};  ///< forms of the equal rows that are shown one by one
  bool typing_filter = false;
  bool paused = false;
  bool utf8 = true;
  std::string selected;      ///< key of the selected item, so that it stays selected when the order changes
  std::size_t position = 0;  ///< where it was last: what is selected instead when it disappears
  std::size_t top = 0;       ///< first item shown
  std::size_t page_top = 0;  ///< first line shown of a text page
};

}  // namespace tcpadvisor::watch
