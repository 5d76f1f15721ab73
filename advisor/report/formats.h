// SPDX-License-Identifier: Apache-2.0
// The forms that a report can have. A new one is a .cc of its own and a row of the table. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "advisor/report/report.h"

namespace tcpadvisor {

struct ReportStyle {
  bool color = false;  ///< ANSI colours, where the format has any
  bool whole = false;  ///< nothing is shortened to fit a screen: for a file or another program
};

struct ReportFormat {
  std::string_view name;                                                  ///< as for `report --format`
  std::string_view suffix;                                                ///< of its files: ".json"
  std::string_view media_type;                                            ///< as for HTTP's Content-Type
  std::string (*render)(const Report& report, const ReportStyle& style);  ///< the whole text, with its last newline
};

/// The first one is the default.
std::span<const ReportFormat> report_formats();
/// Null if there is none of that name.
const ReportFormat* find_report_format(std::string_view name);
/// The one whose files end as this path does; null if there is none.
const ReportFormat* report_format_of_file(std::string_view path);

}  // namespace tcpadvisor
