// SPDX-License-Identifier: Apache-2.0
// Target, Host and Accept of a request, up to the answer of a server that has seen one tick, and the same text as
// labels: lines of an input.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "advisor/base/utf8.h"
#include "agent/export/exposition.h"
#include "agent/serve/answers.h"
#include "agent/serve/listen.h"
#include "agent/serve/request.h"
#include "tests/fuzz/fuzz.h"

namespace {

std::string_view line_of(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

/// As the server holds it: made once, so that what is kept between requests is kept here too.
tcpadvisor::serve::Answers& answers() {
  using namespace tcpadvisor;
  static exported::AgentNumbers numbers;
  static serve::Answers made = [] {
    auto sample = std::make_shared<Sample>();
    sample->netns.push_back({.id = 1, .name = "host", .is_host = true});
    observe::Observation seen;
    seen.window = Window({sample});
    serve::Answers fresh(numbers, 10'000);
    fresh.see(std::make_shared<const observe::Observation>(std::move(seen)), 0);
    return fresh;
  }();
  return made;
}

}  // namespace

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  std::string_view text = fuzz::text(bytes);
  const std::string_view target = line_of(text), host = line_of(text), accept = text;
  for (const auto method : {serve::Request::Method::get, serve::Request::Method::other}) {
    const serve::Route route = serve::route_of({.method = method, .target = target, .host = host, .accept = accept});
    fuzz::require(route.page.has_value() == (route.status == 200));
    fuzz::require(route.page.has_value() || !route.why.empty());
    if (!route.page) continue;
    fuzz::require(serve::host_is_ours(host) && method == serve::Request::Method::get);
    const serve::Answer answer = answers().answer(*route.page, route.form, 0, route.name);
    fuzz::require(answer.body != nullptr && !answer.body->empty());
    fuzz::require(answer.status == 200 || (answer.status == 404 && *route.page == serve::Page::explain));
  }
  // An address as it is printed is taken again.
  if (auto at = serve::parse_listen(target)) fuzz::require(serve::parse_listen(at->text()).has_value());

  // A line of the exposition for each point, whatever the labels are.
  const std::string label = exported::label_text(accept);
  fuzz::require(label.size() <= exported::kMostLabelBytes);
  for (std::string_view rest = label; !rest.empty(); rest.remove_prefix(code_point_at(rest).bytes))
    fuzz::require(code_point_at(rest).valid);
  exported::Families all;
  exported::Family& family =
      all.family({.name = "x", .type = exported::MetricType::gauge, .labels = {"a", "b"}, .help = "x"});
  family.add({target, accept}, 1);
  const std::string out = exported::exposition_of(all.all(), exported::Exposition::open_metrics);
  fuzz::require(std::ranges::count(out, '\n') == 4);
}
