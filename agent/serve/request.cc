// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/request.h"

#include <algorithm>
#include <array>

#include "agent/serve/assets.h"

namespace tcpadvisor::serve {
namespace {

struct Place {
  std::string_view path;
  Page page;
  std::string_view media_type;
};
constexpr std::string_view kJson = "application/json", kText = "text/plain; charset=utf-8";
constexpr std::array kPlaces = {Place{"/", Page::home, "text/html; charset=utf-8"},
                                Place{"/metrics", Page::metrics, ""},
                                Place{"/healthz", Page::health, kText},
                                Place{"/readyz", Page::ready, kText},
                                Place{"/api/v1/sample", Page::sample, kJson},
                                Place{"/api/v1/report", Page::report, kJson},
                                Place{"/api/v1/coverage", Page::coverage, kJson},
                                Place{"/api/v1/metrics", Page::metric_list, kJson},
                                Place{"/api/v1/events", Page::events, "text/event-stream"},
                                Place{"/api/v1/history", Page::history, kJson},
                                Place{"/explain/", Page::explain, "text/html; charset=utf-8"},
                                Place{"/page/", Page::asset, ""}};

/// What follows its path says which.
bool has_names(Page page) {
  return page == Page::explain || page == Page::asset;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The part before `mark`, which is taken off `text` with it; all of it where there is no mark.
std::string_view next_part(std::string_view& text, char mark) {
  const std::size_t end = std::min(text.find(mark), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trimmed(part);
}

/// "0.75" -> 750; what is no weight is 0: such a range is not asked for.
int thousandths(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  int value = (text[0] - '0') * 1000;
  if (text.size() > 1 && text[1] != '.') return 0;
  int place = 100;
  for (char digit : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (digit < '0' || digit > '9') return 0;
    value += (digit - '0') * place;
    place /= 10;
  }
  return std::min(value, 1000);
}

struct Range {
  std::string_view type, version;
  int weight = 1000;
};

Range range_of(std::string_view text) {
  Range range{.type = next_part(text, ';'), .version = {}};
  while (!text.empty()) {
    std::string_view value = next_part(text, ';');
    const std::string_view name = next_part(value, '=');
    if (same(name, "q")) range.weight = thousandths(trimmed(value));
    if (same(name, "version")) range.version = trimmed(value);
  }
  return range;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('.'), text.size());
    if (!is_digits(text.substr(0, end)) || end > 3) return false;
    ++parts;
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
    if (text.empty()) return false;
  }
  return parts == 4;
}

std::string_view without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || !is_digits(host.substr(colon + 1))) return host;
  return host.substr(0, colon);
}

}  // namespace

bool host_is_ours(std::string_view host) {
  host = trimmed(host);
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view address = host.substr(1, end - 1), rest = host.substr(end + 1);
    const bool is_address = !address.empty() && std::ranges::all_of(address, [](char c) {
      return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.';
    });
    return is_address && (rest.empty() || (rest[0] == ':' && is_digits(rest.substr(1))));
  }
  host = without_port(host);
  constexpr std::string_view kBelow = ".localhost";
  const bool is_below = host.size() > kBelow.size() && same(host.substr(host.size() - kBelow.size()), kBelow);
  return is_ipv4(host) || same(host, "localhost") || is_below;
}

exported::Exposition wanted_form(std::string_view accept) {
  int open_metrics = -1, text = -1, any_text = -1, any = -1;
  while (!accept.empty()) {
    const Range range = range_of(next_part(accept, ','));
    if (same(range.type, "application/openmetrics-text")) {
      if (range.version.empty() || range.version == "1.0.0") open_metrics = std::max(open_metrics, range.weight);
    } else if (same(range.type, "text/plain")) {
      text = std::max(text, range.weight);
    } else if (same(range.type, "text/*")) {
      any_text = std::max(any_text, range.weight);
    } else if (range.type == "*/*") {
      any = std::max(any, range.weight);
    }
  }
  if (text < 0) text = any_text >= 0 ? any_text : any;
  return open_metrics > 0 && open_metrics >= text ? exported::Exposition::open_metrics
                                                  : exported::Exposition::prometheus;
}

Route route_of(const Request& request) {
  if (!request.is_known && request.host && !host_is_ours(*request.host))
    return {.status = 403, .page = {}, .why = "the Host is no address and not localhost: use one of these"};
  std::string_view target = request.target;
  for (std::string_view scheme : {"http://", "https://"}) {  // as a proxy asks
    if (!same(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t slash = std::min(target.find('/'), target.size());
    if (!request.is_known && !host_is_ours(target.substr(0, slash)))
      return {.status = 403, .page = {}, .why = "the Host is no address and not localhost: use one of these"};
    target.remove_prefix(slash);
    break;
  }
  if (!target.starts_with('/')) return {.status = 400, .page = {}, .why = "that is no path"};
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  const auto place = std::ranges::find_if(kPlaces, [path](const Place& one) {
    return one.path == path || (has_names(one.page) && path.starts_with(one.path));
  });
  const std::string_view name = place == kPlaces.end() ? "" : path.substr(place->path.size());
  if (place == kPlaces.end() || (place->page == Page::asset && asset_named(name) == nullptr))
    return {.status = 404, .page = {}, .why = "there is nothing of this name; / lists what there is"};
  if (request.method == Request::Method::other) return {.status = 405, .page = {}, .why = "only GET and HEAD"};
  return {.status = 200, .page = place->page, .name = name, .form = wanted_form(request.accept), .why = {}};
}

std::string_view path_of(Page page) {
  const auto place = std::ranges::find(kPlaces, page, &Place::page);
  return place == kPlaces.end() ? std::string_view("other") : place->path;
}

std::string_view media_type_of(Page page, exported::Exposition form) {
  if (page == Page::metrics) return exported::media_type_of(form);
  const auto place = std::ranges::find(kPlaces, page, &Place::page);
  return place == kPlaces.end() ? kText : place->media_type;
}

}  // namespace tcpadvisor::serve
