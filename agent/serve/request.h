// SPDX-License-Identifier: Apache-2.0
// What a request wants, from its text alone. Everything in it is a stranger's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/export/exposition.h"

namespace tcpadvisor::serve {

enum class Page : std::uint8_t {
  home,
  metrics,
  health,
  ready,
  sample,
  report,
  coverage,
  metric_list,
  events,
  history,
  explain,
  asset
};

/// As libevent hands it on.
struct Request {
  enum class Method : std::uint8_t { get, head, other } method = Method::get;
  std::string_view target;               ///< of the request line: "/metrics?x=1", or "http://host/metrics"
  std::optional<std::string_view> host;  ///< nothing: HTTP/1.0
  std::string_view accept;               ///< may be empty
  bool is_known = false;  ///< who asks has given a password: no page of an outsider can, so the Host may be any name
};

struct Route {
  int status = 200;  ///< 200: `page` is set; else the answer is `why`
  std::optional<Page> page;
  std::string_view name = {};  ///< of Page::explain and Page::asset: what follows their path; of the target
  exported::Exposition form = exported::Exposition::prometheus;  ///< of Page::metrics
  std::string_view why;                                          ///< one line for people
};

/// 404 for what is not there (nothing is decoded: a path with %2e or .. is simply another name), 405 for all methods
/// but GET and HEAD, 400 for what is no path, 403 if the Host is a name that an outsider could have made up: a browser
/// would otherwise read this server for a page of his (DNS rebinding).
Route route_of(const Request& request);

/// "/metrics"; what metrics call the endpoint.
std::string_view path_of(Page page);
/// As for HTTP's Content-Type.
std::string_view media_type_of(Page page, exported::Exposition form);

/// OpenMetrics where the client likes it at least as much as text (RFC 9110, 12.5.1: weights, and the more exact range
/// wins); text where it says nothing.
exported::Exposition wanted_form(std::string_view accept);
/// An address, "localhost" or a name below it, each with or without a port.
bool host_is_ours(std::string_view host);

}  // namespace tcpadvisor::serve
