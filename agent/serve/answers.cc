// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/answers.h"

#include <fmt/format.h>

#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/report/formats.h"
#include "advisor/report/report.h"
#include "agent/export/doctor.h"
#include "agent/export/metrics.h"
#include "agent/export/tick_json.h"
#include "agent/serve/assets.h"
#include "agent/serve/explain_page.h"
#include "agent/serve/home.h"

namespace tcpadvisor::serve {
namespace {

Body body_of(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace

Answers::Answers(exported::AgentNumbers& numbers, std::uint64_t stale_ms) : numbers_(numbers), stale_ms_(stale_ms) {}

void Answers::see(observe::ObservationPtr seen, std::uint64_t now_ms) {
  tally_.see(*seen);
  history_.see(*seen);
  seen_ = std::move(seen);
  failure_.clear();
  ++numbers_.ticks;
  if (const PastTick* before = seen_->before(); before != nullptr) {
    const std::uint64_t due_after = add_sat(std::uint64_t{2}, sub_sat(seen_->looks_spared, numbers_.looks_spared));
    const std::uint64_t came_after_ms = sub_sat(seen_->now().mono_ms, before->mono_ms);
    numbers_.late_ticks += came_after_ms > mul_sat(due_after, numbers_.interval_ms) ? 1 : 0;
  }
  numbers_.looks_spared = seen_->looks_spared;
  numbers_.snapshot_age_seconds = seen_->now().self.snapshot_age_ms / 1000;
  tick_at_ms_ = now_ms;
  if (families_) numbers_.series_dropped += families_->dropped();
  families_.reset();
  made_.clear();
}

void Answers::see_failure(const std::string& why) {
  ++numbers_.ticks;
  ++numbers_.failed_ticks;
  failure_ = why;
}

Answer Answers::answer(Page page, exported::Exposition form, std::uint64_t now_ms, std::string_view name) {
  if (page == Page::health || page == Page::ready) return health(page == Page::ready, now_ms);
  if (page == Page::asset) return file(name);
  if (!seen_) return {503, body_of("the first tick is not done yet\n")};
  if (page == Page::explain) {  // not kept: names are a stranger's
    std::optional<std::string> text = explain_page(name, seen_->policy);
    if (!text) return {404, body_of("no rule has this id; /api/v1/report has those of this host\n")};
    return {200, body_of(std::move(*text))};
  }
  if (page != Page::metrics) form = exported::Exposition::prometheus;
  // Age and failures grow without a tick.
  const bool is_old = sub_sat(now_ms, tick_at_ms_) > stale_ms_ / 4;
  if (is_old && (page == Page::metrics || page == Page::metric_list)) {
    if (families_) numbers_.series_dropped += families_->dropped();
    families_.reset();
    made_.clear();
    numbers_.snapshot_age_seconds =
        (seen_->now().self.snapshot_age_ms + static_cast<double>(sub_sat(now_ms, tick_at_ms_))) / 1000;
  }
  Body& body = made_[{page, form}];
  if (!body) body = body_of(text_of(page, form));
  return {200, body};
}

Answer Answers::file(std::string_view name) {
  const Asset* asset = asset_named(name);
  if (asset == nullptr) return {404, body_of("the page has no such file\n")};
  Body& body = files_[asset->name];
  if (!body) body = body_of(std::string(asset->bytes));
  return {200, body, asset->media_type};
}

/// Healthy: the loop ticks; ready: it has something good to say.
Answer Answers::health(bool ready, std::uint64_t now_ms) const {
  if (!seen_) return ready ? Answer{503, body_of("the first tick is not done yet\n")} : Answer{200, body_of("ok\n")};
  const std::uint64_t age_ms = sub_sat(now_ms, tick_at_ms_);
  if (age_ms > stale_ms_)
    return {503, body_of(fmt::format("no tick for {}\n", human_duration(milliseconds_sat(age_ms / 1000 * 1000))))};
  if (ready && !failure_.empty()) return {503, body_of("the last tick failed: " + printable(failure_) + "\n")};
  return {200, body_of("ok\n")};
}

std::string Answers::text_of(Page page, exported::Exposition form) {
  switch (page) {
    case Page::metrics:
      return metrics(form);
    case Page::metric_list:
      if (!families_) families_.emplace(families());
      return exported::families_as_json(*families_);
    case Page::sample:
      return exported::tick_json(*seen_) + "\n";
    case Page::events:
      return fmt::format("id: {}\nevent: tick\ndata: {}\n\nevent: course\ndata: {}\n\n", seen_->window.last().number,
                         exported::tick_json(*seen_), history_.latest_json());
    case Page::history:
      return history_.as_json();
    case Page::coverage:
      return exported::coverage_json(seen_->now().coverage) + "\n";
    case Page::report:
      return find_report_format("json")->render(
          make_report(seen_->window, seen_->policy, seen_->verdict, numbers_.version), {.whole = true});
    case Page::home:
      return home_page(*seen_, numbers_.version);
    case Page::health:
    case Page::ready:
    case Page::explain:
    case Page::asset:
      break;
  }
  return "";
}

std::string Answers::metrics(exported::Exposition form) {
  if (!families_) families_.emplace(families());
  return exported::exposition_of(families_->all(), form);
}

exported::Families Answers::families() {
  const exported::MetricSource source{*seen_, tally_, numbers_, groups_, listeners_};
  return exported::metric_families(&source);
}

}  // namespace tcpadvisor::serve
