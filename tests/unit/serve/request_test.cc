// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/request.h"

#include <gmock/gmock.h>

namespace tcpadvisor::serve::request_test {
namespace {

using exported::Exposition;

Route get(std::string_view target, std::optional<std::string_view> host = "localhost:9477") {
  return route_of({.method = Request::Method::get, .target = target, .host = host, .accept = {}});
}

TEST(Routes, lead_to_each_page) {
  EXPECT_EQ(get("/").page, Page::home);
  EXPECT_EQ(get("/metrics").page, Page::metrics);
  EXPECT_EQ(get("/metrics?name[]=a").page, Page::metrics);
  EXPECT_EQ(get("/healthz").page, Page::health);
  EXPECT_EQ(get("/readyz").page, Page::ready);
  EXPECT_EQ(get("/api/v1/sample").page, Page::sample);
  EXPECT_EQ(get("/api/v1/report").page, Page::report);
  EXPECT_EQ(get("/api/v1/coverage").page, Page::coverage);
  EXPECT_EQ(get("/api/v1/metrics").page, Page::metric_list);
  EXPECT_EQ(get("/api/v1/events").page, Page::events);
  EXPECT_EQ(get("http://127.0.0.1:9477/metrics").page, Page::metrics);
  EXPECT_EQ(get("/metrics", std::nullopt).page, Page::metrics);
}

TEST(Routes, decode_nothing_and_walk_nowhere) {
  for (std::string_view target : {"/metrics/", "//metrics", "/./metrics", "/api/../metrics", "/%6detrics",
                                  "/metrics%00", "/../../etc/passwd", "/METRICS", "/api/v1", "/favicon.ico"})
    EXPECT_EQ(get(target).status, 404) << target;
  for (std::string_view target : {"", "*", "metrics", "ftp://127.0.0.1/metrics", "\\metrics"})
    EXPECT_EQ(get(target).status, 400) << target;
}

TEST(Routes, take_get_and_head_only) {
  EXPECT_EQ(route_of({.method = Request::Method::head, .target = "/metrics", .host = {}, .accept = {}}).status, 200);
  EXPECT_EQ(route_of({.method = Request::Method::other, .target = "/metrics", .host = {}, .accept = {}}).status, 405);
  EXPECT_EQ(route_of({.method = Request::Method::other, .target = "/nothing", .host = {}, .accept = {}}).status, 404);
}

TEST(Routes, refuse_hosts_that_a_stranger_may_have_named) {
  for (std::string_view host :
       {"127.0.0.1", "127.0.0.1:9477", "localhost", "LocalHost:80", "app.localhost", "[::1]:9477", "[::1]", "10.1.2.3"})
    EXPECT_TRUE(host_is_ours(host)) << host;
  for (std::string_view host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "1.2.3",
                                "1.2.3.4.5", "[evil]", "[::1", "[::1]x", ".localhost", "::1", "127.0.0.1:evil"})
    EXPECT_FALSE(host_is_ours(host)) << host;
  EXPECT_EQ(get("/metrics", "evil.example").status, 403);
  EXPECT_EQ(get("http://evil.example/metrics").status, 403);
}

TEST(Negotiation, follows_what_prometheus_asks_for) {
  EXPECT_EQ(wanted_form("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Exposition::open_metrics);
  EXPECT_EQ(wanted_form("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), Exposition::prometheus);
}

TEST(Negotiation, text_is_what_nobody_has_to_ask_for) {
  for (std::string_view accept :
       {"", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0", "application/openmetrics-text;q=0.3,text/plain;q=0.4",
        "application/openmetrics-text;q=2", "application/openmetrics-text;q=0.5,text/*;q=0.7,*/*;q=0.1", ";;;,,q=,="})
    EXPECT_EQ(wanted_form(accept), Exposition::prometheus) << accept;
  for (std::string_view accept :
       {"application/openmetrics-text", "Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.001",
        "application/openmetrics-text;q=0.5,text/plain;q=0.5"})
    EXPECT_EQ(wanted_form(accept), Exposition::open_metrics) << accept;
}

}  // namespace
}  // namespace tcpadvisor::serve::request_test
