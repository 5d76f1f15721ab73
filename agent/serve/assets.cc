// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/assets.h"

#include <algorithm>
#include <array>

#define TA_PAGE_FILE(name)                  \
  extern "C" const char page_file_##name[]; \
  extern "C" const char page_file_##name##_end[]
TA_PAGE_FILE(home_html);
TA_PAGE_FILE(live_css);
TA_PAGE_FILE(live_js);
TA_PAGE_FILE(parts_js);
TA_PAGE_FILE(chains_js);
TA_PAGE_FILE(charts_js);
TA_PAGE_FILE(filter_js);
TA_PAGE_FILE(words_js);
TA_PAGE_FILE(uPlot_iife_min_js);
TA_PAGE_FILE(uPlot_min_css);
#undef TA_PAGE_FILE

namespace tcpadvisor::serve {
namespace {

constexpr std::string_view kScript = "text/javascript; charset=utf-8", kStyle = "text/css; charset=utf-8";

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

const Asset* asset_named(std::string_view name) {
  static const std::array all = {
      Asset{"live.css", kStyle, between(page_file_live_css, page_file_live_css_end)},
      Asset{"live.js", kScript, between(page_file_live_js, page_file_live_js_end)},
      Asset{"parts.js", kScript, between(page_file_parts_js, page_file_parts_js_end)},
      Asset{"chains.js", kScript, between(page_file_chains_js, page_file_chains_js_end)},
      Asset{"charts.js", kScript, between(page_file_charts_js, page_file_charts_js_end)},
      Asset{"filter.js", kScript, between(page_file_filter_js, page_file_filter_js_end)},
      Asset{"words.js", kScript, between(page_file_words_js, page_file_words_js_end)},
      Asset{"uPlot.js", kScript, between(page_file_uPlot_iife_min_js, page_file_uPlot_iife_min_js_end)},
      Asset{"uPlot.css", kStyle, between(page_file_uPlot_min_css, page_file_uPlot_min_css_end)}};
  const auto found = std::ranges::find(all, name, &Asset::name);
  return found == all.end() ? nullptr : &*found;
}

std::string_view home_template() {
  return between(page_file_home_html, page_file_home_html_end);
}

}  // namespace tcpadvisor::serve
