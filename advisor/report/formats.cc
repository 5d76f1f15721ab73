// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/formats.h"

#include <algorithm>
#include <array>

namespace tcpadvisor {

std::string report_as_text(const Report& report, const ReportStyle& style);      // text.cc
std::string report_as_json(const Report& report, const ReportStyle& style);      // json.cc
std::string report_as_markdown(const Report& report, const ReportStyle& style);  // markdown.cc
std::string report_as_html(const Report& report, const ReportStyle& style);      // html.cc
std::string report_as_sysctl(const Report& report, const ReportStyle& style);    // sysctl.cc

namespace {

constexpr std::array kFormats = {
    ReportFormat{"text", ".txt", "text/plain; charset=utf-8", report_as_text},
    ReportFormat{"md", ".md", "text/markdown; charset=utf-8", report_as_markdown},
    ReportFormat{"json", ".json", "application/json", report_as_json},
    ReportFormat{"html", ".html", "text/html; charset=utf-8", report_as_html},
    ReportFormat{"sysctl", ".conf", "text/plain; charset=utf-8", report_as_sysctl},
};

}  // namespace

std::span<const ReportFormat> report_formats() {
  return kFormats;
}

const ReportFormat* find_report_format(std::string_view name) {
  auto found = std::ranges::find(kFormats, name, &ReportFormat::name);
  return found == kFormats.end() ? nullptr : &*found;
}

const ReportFormat* report_format_of_file(std::string_view path) {
  auto found = std::ranges::find_if(kFormats, [path](const ReportFormat& one) { return path.ends_with(one.suffix); });
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace tcpadvisor
