// SPDX-License-Identifier: Apache-2.0
// What `explain` says is complete, and what it repeats is what the rules say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>

#include "advisor/explain/article.h"
#include "advisor/explain/forms.h"
#include "advisor/explain/words.h"
#include "advisor/knobs/knobs.h"
#include "advisor/rules/registry.h"

namespace tcpadvisor::explain::explain_test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// advisor/rules/*.cc, with literals that stand below each other put together.
const std::string& rules_source() {
  static const std::string text = [] {
    std::string all;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(TCPADVISOR_SOURCE_DIR) + "/advisor/rules")) {
      if (entry.path().extension() != ".cc") continue;
      std::ifstream file(entry.path());
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    all = std::regex_replace(all, std::regex(R"("\s*\n\s*")"), "");
    return std::regex_replace(all, std::regex(R"(\s+)"), " ");
  }();
  return text;
}

const std::vector<Article>& some_articles() {
  static const std::vector<Article> all = [] {
    const std::vector<Exported> values{{"connections[].send_q", "gauge", "bytes", "sent and not acknowledged"}};
    return articles(Policy{}, values);
  }();
  return all;
}

std::vector<std::string> names_of(const Result<std::vector<Article>>& found) {
  std::vector<std::string> names;
  if (found) {
    for (const Article& one : *found) names.push_back(one.name);
  }
  return names;
}

TEST(ExplainWords, there_are_some_for_every_rule_and_they_are_the_rules_own) {
  for (const Rule& rule : all_rules()) EXPECT_NE(words_of_rule(rule.id), nullptr) << rule.id;
  for (const RuleWords& words : rule_words()) {
    EXPECT_NE(find_rule(words.id), nullptr) << words.id;
    for (const NoUse& one : words.no_use) {
      if (one.what.empty()) continue;
      EXPECT_THAT(rules_source(), HasSubstr("\"" + std::string(one.what) + "\"")) << words.id;
      EXPECT_THAT(rules_source(), HasSubstr("\"" + std::string(one.why) + "\"")) << words.id;
    }
  }
}

TEST(ExplainWords, there_are_some_for_every_setting) {
  for (const Knob& knob : knobs()) {
    const KnobWords* words = words_of_knob(knob.name);
    ASSERT_NE(words, nullptr) << knob.name;
    EXPECT_FALSE(words->what.empty()) << knob.name;
  }
  EXPECT_EQ(knob_words().size(), knobs().size());
}

TEST(ExplainWords, there_are_some_for_every_metric_of_a_finding) {
  std::set<std::string> known;
  for (const MetricWords& metric : metric_words()) known.insert(std::string(metric.name));
  for (const Knob& knob : knobs()) known.insert(std::string(knob.name.substr(knob.name.rfind('.') + 1)));
  // measured(window, "x" …), told(view, group, "x" …), and the short forms that rules have for them.
  const std::regex call(
      R"re((?:measured\( ?[\w.*>-]+, |told\( ?view, group, |\bsay\( ?|\badd\( ?)(?:[^"?;]{0,60}\? )?"([a-z][a-z0-9_]*)"(?: : "([a-z][a-z0-9_]*)")?,)re");
  std::size_t found = 0;
  const std::string& text = rules_source();
  for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) {
    for (std::size_t group : {1U, 2U}) {
      if ((*at)[group].matched) {
        EXPECT_THAT(known, Contains((*at)[group].str()));
      }
    }
    ++found;
  }
  EXPECT_GT(found, 250U);
}

TEST(ExplainWords, metrics_are_sorted_and_stand_in_the_rules) {
  EXPECT_TRUE(std::ranges::is_sorted(metric_words(), std::less_equal<>(), &MetricWords::name));
  for (const MetricWords& metric : metric_words()) {
    std::string name(metric.name);
    for (const char* part : {"_sockets_over_age", "_sockets", "_growth"}) {  // of a leak, behind its state
      const bool of_leak = name.starts_with("close_wait_") || name.starts_with("fin_wait2_");
      if (of_leak && name.ends_with(part)) {
        name = part;
        break;
      }
    }
    EXPECT_THAT(rules_source(), HasSubstr("\"" + name + "\"")) << metric.name;
    std::istringstream rules{std::string(metric.rules)};
    std::size_t count = 0;
    for (std::string id; rules >> id; ++count) EXPECT_NE(find_rule(id), nullptr) << metric.name << " " << id;
    EXPECT_GT(count, 0U) << metric.name;
  }
}

TEST(Explain, finds_by_whole_and_by_short_names) {
  EXPECT_THAT(names_of(articles_named("close-wait-leak", some_articles())), testing::ElementsAre("close-wait-leak"));
  for (const char* name : {"tcp_rmem", "net.ipv4.tcp_rmem", "net/ipv4/tcp_rmem", "tcp_rmem[2]"}) {
    EXPECT_THAT(names_of(articles_named(name, some_articles())), testing::ElementsAre("net.ipv4.tcp_rmem")) << name;
  }
  EXPECT_THAT(names_of(articles_named("send_q", some_articles())),
              testing::ElementsAre("send_q", "connections[].send_q"));
}

TEST(Explain, says_what_was_meant_perhaps) {
  auto near = articles_named("close-wait-leek", some_articles());
  ASSERT_FALSE(near);
  EXPECT_EQ(near.error().code, ErrorCode::bad_input);
  EXPECT_THAT(near.error().message, HasSubstr("did you mean 'close-wait-leak'?"));
  auto far = articles_named("\x1b[31m" + std::string(100'000, 'x'), some_articles());
  ASSERT_FALSE(far);
  EXPECT_THAT(far.error().message, Not(HasSubstr("\x1b")));
}

TEST(Explain, shows_the_thresholds_in_force) {
  auto policy = Policy::parse("[rule.close-wait-leak]\nmin_count = 21\n", "mine.toml");
  ASSERT_TRUE(policy);
  auto found = articles_named("close-wait-leak", articles(*policy, {}));
  ASSERT_TRUE(found);
  const std::string text = as_text(*found, 100);
  EXPECT_THAT(text, HasSubstr("min_count = 21 sockets, by the policy; 16 sockets by itself"));
  EXPECT_THAT(text, HasSubstr("policy mine.toml"));
  EXPECT_THAT(text, HasSubstr("close_wait_sockets (sockets)"));
  EXPECT_THAT(text, HasSubstr("net.ipv4.tcp_fin_timeout"));
}

TEST(Explain, every_article_says_something_in_every_form) {
  for (const Article& one : some_articles()) {
    EXPECT_FALSE(one.title.empty()) << one.name;
    EXPECT_FALSE(one.group.empty()) << one.name;
    for (const Part& part : one.parts) EXPECT_FALSE(part.lines.empty()) << one.name << " " << part.heading;
    const std::string text = as_text({one}, 80);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 160U) << line;
  }
  const auto json = nlohmann::json::parse(as_json(some_articles()));
  ASSERT_EQ(json.size(), some_articles().size());
  EXPECT_EQ(json[0]["kind"], "rule");
  EXPECT_THAT(list_as_text(some_articles(), 80), HasSubstr("Rules: application\n"));
  EXPECT_THAT(as_markdown({some_articles().front()}), HasSubstr("### `"));
}

}  // namespace
}  // namespace tcpadvisor::explain::explain_test
