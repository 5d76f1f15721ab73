// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/formats.h"

#include <algorithm>
#include <array>

namespace tcpadvisor {

std::string report_as_text(const Report& report, const ReportStyle& style);  // text.cc
std::string report_as_json(const Report& report, const ReportStyle& style);  // json.cc

namespace {

constexpr std::array kFormats = {
    ReportFormat{"text", "text/plain; charset=utf-8", report_as_text},
    ReportFormat{"json", "application/json", report_as_json},
};

}  // namespace

std::span<const ReportFormat> report_formats() {
  return kFormats;
}

const ReportFormat* find_report_format(std::string_view name) {
  auto found = std::ranges::find(kFormats, name, &ReportFormat::name);
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace tcpadvisor
