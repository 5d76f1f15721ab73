// SPDX-License-Identifier: Apache-2.0
// From a report that was kept to what apply would write, and from a later one to whether it helped.
#include "advisor/report/plan.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "advisor/report/promise.h"
#include "tests/unit/report/situations.h"

namespace tcpadvisor::plan_test {
namespace {

using nlohmann::json;
using situation::report_of;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

json document_of(const Window& window) {
  return json::parse(find_report_format("json")->render(report_of(window), {}));
}

KeptReport kept(const json& document) {
  auto report = kept_report(document.dump());
  EXPECT_TRUE(report) << report.error().message;
  return report.value_or(KeptReport());
}

json& finding_in(json& document, std::string_view id) {
  for (json& one : document["findings"]) {
    if (one["id"] == id) return one;
  }
  ADD_FAILURE() << "no finding " << id;
  return document;
}

Plan plan_of(const json& document, const std::vector<std::string>& only = {}) {
  auto plan = make_plan(kept(document), only);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan.value_or(Plan());
}

std::string why_left(const Plan& plan, std::string_view id) {
  for (const LeftToPerson& left : plan.left) {
    if (left.id == id) return left.why;
  }
  return "not left";
}

TEST(Plan, writes_what_is_automatic_and_leaves_the_rest_with_a_reason) {
  const Plan plan = plan_of(document_of(situation::settings_window()));
  ASSERT_THAT(plan.steps, SizeIs(1));
  const PlanStep& step = plan.steps[0];
  EXPECT_EQ(step.knob, "net.core.somaxconn");
  EXPECT_EQ(step.netns_id, build::kHostNetns);
  EXPECT_EQ(step.netns, "host");
  EXPECT_EQ(step.old_value, "16");
  EXPECT_EQ(step.new_value, "1024");
  EXPECT_EQ(step.persist_file, "/etc/sysctl.d/99-zz-tcpadvisor.conf") << "after the file that sets it now";
  EXPECT_EQ(step.promise.metric, "drops");
  EXPECT_EQ(step.promise.from, 347);
  EXPECT_THAT(plan.left, testing::Not(IsEmpty()));
  for (const LeftToPerson& left : plan.left) EXPECT_FALSE(left.why.empty()) << left.id;
  EXPECT_THAT(why_left(plan_of(document_of(situation::mixed_window())), "close-wait-leak"),
              HasSubstr("no setting cures it"));
}

TEST(Plan, only_what_was_asked_for) {
  const json document = document_of(situation::settings_window());
  const Plan plan = plan_of(document, {"backlog-too-small"});
  EXPECT_THAT(plan.steps, SizeIs(1));
  EXPECT_THAT(plan.left, IsEmpty());
  EXPECT_THAT(plan_of(document, {plan.steps[0].instance}).steps, SizeIs(1));
  const auto unknown = make_plan(kept(document), {"no-such-rule"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::bad_input);
  EXPECT_THAT(unknown.error().message, HasSubstr("backlog-too-small"));
}

TEST(Plan, a_report_is_not_believed) {
  struct Case {
    const char* key;
    json value;
    const char* why;
  };
  const Case cases[] = {
      {"knob", "kernel.core_pattern", "none of the settings"},
      {"target", "8", "only raising it"},
      {"target", "99999999999", "outside what the kernel"},
      {"target", "1024\n1", "present value is not known"},
      {"current", "|/bin/sh", "present value is not known"},
      {"netns_id", -1, "in which namespace"},
      {"netns_id", "4026531840", "in which namespace"},
      {"scope", "host", "in which namespace"},
      {"persist_file", "/etc/sysctl.d/../cron.d/x-tcpadvisor.conf", "which file"},
      {"persist_file", "/etc/passwd", "which file"},
      {"persist_file", "/etc/sysctl.d/99-other.conf", "which file"},
      {"persist_file", nullptr, "which file"},
      {"applicability", "needs-review", "leaves it to a person"},
  };
  for (const Case& one : cases) {
    json document = document_of(situation::settings_window());
    finding_in(document, "backlog-too-small")["recommendation"][one.key] = one.value;
    const Plan plan = plan_of(document);
    EXPECT_THAT(plan.steps, IsEmpty()) << one.key << " " << one.value;
    EXPECT_THAT(why_left(plan, "backlog-too-small"), HasSubstr(one.why)) << one.key << " " << one.value;
  }
}

TEST(Plan, no_member_of_another_kind_is_taken_for_what_it_is_not) {
  const json document = document_of(situation::settings_window());
  for (const json& other : {json(nullptr), json(7), json("text"), json::array({1}), json::object({{"a", 1}})}) {
    for (const auto& [key, value] : document.items()) {
      json changed = document;
      changed[key] = other;
      auto report = kept_report(changed.dump());
      if (report) (void)make_plan(*report, {});
    }
    for (const auto& [key, value] : document["findings"][0].items()) {
      json changed = document;
      for (json& one : changed["findings"]) one[key] = other;
      auto report = kept_report(changed.dump());
      ASSERT_TRUE(report) << key;
      EXPECT_TRUE(make_plan(*report, {})) << key;
    }
  }
}

TEST(Plan, one_of_two_for_one_setting) {
  json document = document_of(situation::settings_window());
  document["findings"].push_back(finding_in(document, "backlog-too-small"));
  const Plan plan = plan_of(document);
  EXPECT_THAT(plan.steps, SizeIs(1));
  EXPECT_THAT(why_left(plan, "backlog-too-small"), HasSubstr("another finding sets it"));
}

TEST(Plan, what_has_come_since_that_would_win) {
  const PlanStep step = plan_of(document_of(situation::settings_window())).steps[0];
  auto with = [&](SettingWriter writer, const char* file) {
    SettingFiles files;
    files.lines = {{.knob = step.knob, .value = "16", .file = file, .line = 2, .writer = writer}};
    return would_be_undone(step, files);
  };
  EXPECT_THAT(with(SettingWriter::sysctl_d, "/etc/sysctl.d/99-tuning.conf"), IsEmpty());
  EXPECT_THAT(with(SettingWriter::sysctl_d, "/usr/lib/sysctl.d/zz-last.conf"), HasSubstr("zz-last.conf:2"));
  EXPECT_THAT(with(SettingWriter::sysctl_conf, "/etc/sysctl.conf"), HasSubstr("applied after"));
}

TEST(Plan, a_fragment_says_why_and_no_name_makes_a_line_of_its_own) {
  PlanStep step = plan_of(document_of(situation::settings_window())).steps[0];
  step.title = "evil\nkernel.core_pattern = |/bin/sh";
  const std::string fragment = fragment_with("", {step}, step.persist_file);
  EXPECT_THAT(fragment, HasSubstr("#   old value: net.core.somaxconn = 16\nnet.core.somaxconn = 1024\n"));
  EXPECT_THAT(fragment, testing::Not(HasSubstr("\nkernel")));
  EXPECT_EQ(fragment_with(fragment, {step}, step.persist_file), fragment) << "written again, it is the same";
}

TEST(Plan, is_shown_as_a_difference) {
  const std::string text = plan_text(plan_of(document_of(situation::settings_window())));
  EXPECT_THAT(text, HasSubstr("  - net.core.somaxconn = 16\n  + net.core.somaxconn = 1024\n"));
  EXPECT_THAT(text, HasSubstr("the next listen()"));
  EXPECT_THAT(text, HasSubstr("Left to a person:"));
}

TEST(KeptReport, one_line_for_what_is_none) {
  const std::string whole = document_of(situation::settings_window()).dump();
  for (const std::string& text : {std::string(), std::string("{}"), std::string("[1]"), whole.substr(0, 2000),
                                  std::string(R"({"tool":{"name":"other"},"findings":[]})")}) {
    auto report = kept_report(text);
    ASSERT_FALSE(report) << text;
    EXPECT_EQ(report.error().code, ErrorCode::bad_input);
    EXPECT_THAT(report.error().message, testing::Not(HasSubstr("\n")));
  }
  json newer = document_of(situation::settings_window());
  newer["schema_version"] = 2;
  EXPECT_THAT(kept_report(newer.dump()).error().message, HasSubstr("schema_version is 2"));
}

TEST(KeptReport, fits_this_host_this_boot_and_today) {
  const KeptReport report = kept(document_of(situation::settings_window()));
  ASSERT_EQ(report.start, "2026-09-21T14:13:20Z");
  const std::int64_t then = 1'790'000'000'000;
  EXPECT_EQ(parse_start(report.start), then);
  EXPECT_EQ(report.end_ms, then + 8'000);
  const Here here{.host = report.host, .now_ms = then + 60'000, .boot_ms = then - 60'000};
  EXPECT_TRUE(fits_here(report, here));
  Here other = here;
  other.host = "elsewhere";
  EXPECT_THAT(fits_here(report, other).error().message, HasSubstr("this is elsewhere"));
  other = here;
  other.boot_ms = then + 30'000;
  EXPECT_THAT(fits_here(report, other).error().message, HasSubstr("before this host was started"));
  other = here;
  other.now_ms = then + 30LL * 3600 * 1000;
  EXPECT_THAT(fits_here(report, other).error().message, HasSubstr("1d 5h ago"));
  other.now_ms = then - 3600 * 1000;
  EXPECT_THAT(fits_here(report, other).error().message, HasSubstr("later than now"));
  for (const char* text : {"", "2026-09-21", "2026-13-21T14:13:20Z", "2026-02-30T14:13:20Z", "2026-09-21T24:13:20Z"})
    EXPECT_EQ(parse_start(text), std::nullopt) << text;
}

/// The promise of the larger backlog, and the report in which it is looked for.
struct Promised {
  json document = document_of(situation::settings_window());
  Promise promise = plan_of(document).steps[0].promise;

  Judgement later(const std::function<void(json& finding)>& change, std::optional<double> traffic = 500) {
    json now = document;
    change(finding_in(now, "backlog-too-small"));
    return judge_promise(promise, kept(now), traffic);
  }
  Judgement gone(std::optional<double> traffic, bool assessed = true) {
    json now = document;
    std::erase_if(now["findings"].get_ref<json::array_t&>(),
                  [](const json& one) { return one["id"] == "backlog-too-small"; });
    const char* list = assessed ? "checked_and_fine" : "not_assessed";
    now[list].push_back(
        assessed ? json{{"id", "backlog-too-small"}, {"metric", "drops of one listener"}, {"value", "0 in 8 s"}}
                 : json{{"id", "backlog-too-small"}, {"reason", "no counters"}, {"relevant", true}});
    return judge_promise(promise, kept(now), traffic);
  }
};

TEST(Promise, is_kept_when_the_finding_is_gone_under_traffic) {
  const Judgement judgement = Promised().gone(500);
  EXPECT_EQ(judgement.kept, Kept::kept);
  EXPECT_EQ(judgement.why,
            "drops of one listener: 0 in 8 s (500 connections came meanwhile); drops was 347, promised 0");
}

TEST(Promise, is_not_yet_without_traffic_or_sight) {
  EXPECT_EQ(Promised().gone(0).kept, Kept::not_yet);
  EXPECT_THAT(Promised().gone(0).why, HasSubstr("no connection came meanwhile"));
  EXPECT_EQ(Promised().gone(500, false).kept, Kept::not_yet);
  EXPECT_THAT(Promised().gone(500, false).why, HasSubstr("no counters"));
  EXPECT_EQ(Promised().gone(std::nullopt).kept, Kept::not_yet) << "nothing proves that it would have shown";
}

TEST(Promise, is_not_yet_where_the_finding_may_be_among_those_left_out) {
  Promised promised;
  promised.document["not_listed"].push_back(
      {{"id", "backlog-too-small"}, {"severity", "warning"}, {"findings", 9}, {"sockets", 9}, {"explained", 0}});
  const Judgement judgement = promised.gone(500);
  EXPECT_EQ(judgement.kept, Kept::not_yet);
  EXPECT_THAT(judgement.why, HasSubstr("more findings than are listed"));
}

TEST(Promise, of_a_backlog_waits_for_the_program_to_listen_again) {
  const Judgement same = Promised().later([](json&) {});
  EXPECT_EQ(same.kept, Kept::not_yet);
  EXPECT_EQ(same.why, "it acts when the program listens again: restart it; drops was 347, promised 0, is 347");
  const Judgement restarted = Promised().later([](json& finding) {
    finding["instance"] = "fedcba9876543210";
    finding["scope"]["pid"] = 5000;
  });
  EXPECT_EQ(restarted.kept, Kept::not_kept);
  EXPECT_THAT(restarted.why, HasSubstr("drops was 347, promised 0, is 347"));
}

TEST(Promise, is_kept_when_the_number_is_reached) {
  EXPECT_EQ(Promised().later([](json& finding) { finding["recommendation"]["expected_effect"]["from"] = 0; }).kept,
            Kept::kept);
}

TEST(Promise, of_a_setting_that_acts_at_once_is_not_kept_while_it_is_found) {
  Promised promised;
  promised.promise.takes_effect = "now";
  promised.promise.knob = "net.ipv4.tcp_slow_start_after_idle";
  EXPECT_EQ(promised.later([](json&) {}).kept, Kept::not_kept);
  promised.promise.knob = "net.ipv4.tcp_rmem";
  EXPECT_EQ(promised.later([](json&) {}).kept, Kept::not_yet) << "connections that stand";
  EXPECT_EQ(promised.later([](json& finding) { finding["scope"]["local"] = "10.0.0.1:99"; }).kept, Kept::not_kept);
}

}  // namespace
}  // namespace tcpadvisor::plan_test
