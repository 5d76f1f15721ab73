// SPDX-License-Identifier: Apache-2.0
// States, socket options and calls: found however they are typed, with the numbers of the host; and the list of
// settings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "advisor/base/did_you_mean.h"
#include "advisor/explain/article.h"
#include "advisor/explain/forms.h"
#include "advisor/explain/here.h"
#include "advisor/explain/setting_list.h"
#include "advisor/explain/words.h"
#include "advisor/rules/registry.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::explain::topics_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<Article>& all() {
  static const std::vector<Article> articles = explain::articles(Policy{}, {});
  return articles;
}

std::vector<std::string> named(std::string_view name) {
  std::vector<std::string> out;
  auto found = articles_named(name, all());
  if (!found) return {"error: " + found.error().message};
  for (const Article& one : *found) out.push_back(one.name);
  return out;
}

std::string here_text(std::string_view name, const Window& window) {
  auto found = articles_named(name, all());
  if (!found) return found.error().message;
  std::string out;
  for (const Article& one : *found) {
    auto part = here(one, window);
    if (!part) continue;
    for (const std::string& line : part->lines) out += line + "\n";
  }
  return out;
}

TEST(ExplainTopics, every_state_has_one) {
  for (std::size_t i = 1; i < kStateCount; ++i) {
    const std::string_view name = name_of(static_cast<TcpState>(i));
    if (static_cast<TcpState>(i) == TcpState::new_syn_recv) {
      EXPECT_THAT(named(name), ElementsAre("SYN_RECV"));
      continue;
    }
    ASSERT_NE(words_of_topic(name), nullptr) << name;
  }
}

TEST(ExplainTopics, are_whole_and_name_rules_that_there_are) {
  std::set<std::string_view> names;
  for (const TopicWords& topic : topic_words()) {
    EXPECT_TRUE(names.insert(topic.name).second) << topic.name;
    for (std::string_view text : {topic.title, topic.means, topic.advice, topic.source})
      EXPECT_FALSE(text.empty()) << topic.name;
    std::istringstream rules{std::string(topic.rules)};
    for (std::string id; rules >> id;) EXPECT_NE(find_rule(id), nullptr) << topic.name << " " << id;
  }
}

TEST(ExplainTopics, are_found_however_they_are_typed) {
  for (const char* name : {"closewait", "close-wait", "CLOSE_WAIT", "Close Wait", "CLOSEWAIT"})
    EXPECT_THAT(named(name), ElementsAre("CLOSE_WAIT")) << name;
  EXPECT_THAT(named("ESTAB"), ElementsAre("ESTABLISHED"));
  EXPECT_THAT(named("tw"), ElementsAre("TIME_WAIT"));
  for (const char* name : {"nodelay", "TCP_NODELAY", "tcp-nodelay", "tcpnodelay", "Nagle"})
    EXPECT_THAT(named(name), ElementsAre("TCP_NODELAY")) << name;
  for (const char* name : {"linger", "SO_LINGER", "so-linger"}) EXPECT_THAT(named(name), Contains("SO_LINGER")) << name;
  EXPECT_THAT(named("close"), testing::UnorderedElementsAre("CLOSE", "close()"));
  EXPECT_THAT(named("shut_rd"), ElementsAre("shutdown()"));
  EXPECT_THAT(named("ok"), ElementsAre("send()"));
  EXPECT_THAT(named("rcvbuf"), testing::IsSupersetOf({"SO_RCVBUF", "rcvbuf"})) << "and the metric";
  EXPECT_THAT(named("CloseWaitLeak"), ElementsAre("close-wait-leak"));
  EXPECT_THAT(named("TCP-RMEM"), ElementsAre("net.ipv4.tcp_rmem"));
}

TEST(ExplainTopics, near_misses_need_no_dash_case_or_prefix) {
  EXPECT_THAT(named("closewat").front(), HasSubstr("did you mean 'closewait'?"));
  EXPECT_THAT(named("Close-Wait-Leek").front(), HasSubstr("did you mean 'close-wait-leak'?"));
  EXPECT_THAT(named("nodelai").front(), HasSubstr("did you mean 'nodelay'?"));
  EXPECT_THAT(named("established-dead").front(), HasSubstr("did you mean 'established"));
  EXPECT_THAT(named("qqqqqqqq").front(), HasSubstr("tcpadvisor explain lists"));
  EXPECT_THAT(named("").front(), HasSubstr("tcpadvisor explain lists"));
  EXPECT_THAT(named("-").front(), HasSubstr("tcpadvisor explain lists"));
}

TEST(ExplainHere, a_state_has_its_count_and_its_holders) {
  const auto window = a_window(1, [](SampleBuilder& s, std::size_t) {
    s.count(TcpState::close_wait, 40).add(a_process(7, "ap\x1bi").sockets(TcpState::close_wait, 38));
  });
  const std::string text = here_text("closewait", window);
  EXPECT_THAT(text, HasSubstr("40 sockets in this state"));
  EXPECT_THAT(text, HasSubstr("held by: ap?i[7] 38"));
  EXPECT_THAT(here_text("last-ack", window), HasSubstr("0 sockets in this state"));
}

TEST(ExplainHere, an_option_says_on_how_many_it_is_set) {
  const auto window = a_window(1, [](SampleBuilder& s, std::size_t) {
    s.add(a_socket().pid(5, "web").set([](SocketRow& r) { r.nodelay = true; }));
    s.add(a_socket().cookie(2).pid(6, "db").set([](SocketRow& r) { r.nodelay = false; }));
    s.add(a_socket().cookie(3).pid(6, "db"));
  });
  EXPECT_THAT(here_text("nodelay", window), HasSubstr("set on 1 of 2 sockets; of 1 it cannot be seen\nby: web[5] (1)"));
  EXPECT_THAT(here_text("so_linger", window), HasSubstr("set on 0 of 2 sockets"));
  EXPECT_THAT(here_text("rcvlowat", window), HasSubstr("does not show it"));
}

TEST(ExplainHere, calls_have_queues_and_counters) {
  const auto window = a_window(1, [](SampleBuilder& s, std::size_t) {
    s.add(a_socket().pid(5, "web").listen(80, 65, 64)).counter("TcpExt.TCPAbortOnClose", 20);
  });
  EXPECT_THAT(here_text("accept", window),
              HasSubstr("1 listener, 1 full; 65 wait to be accepted\nthe fullest: 65 of 64"));
  EXPECT_THAT(here_text("close()", window), HasSubstr("since the boot: 20 (TCPAbortOnClose)"));
  for (const TopicWords& topic : topic_words()) {
    auto part = here(articles_named(topic.name, all())->front(), window);
    if (part) EXPECT_FALSE(part->lines.empty()) << topic.name;
  }
}

Window with_settings() {
  return a_window(1, [](SampleBuilder& s, std::size_t) {
    s.add(a_socket().pid(5, "web").listen(80, 0, 64)).sysctl("net.core.somaxconn", {64});
    s.add(a_socket().cookie(9).rcvbuf(6'291'456, 0)).sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 6'291'456});
    s.set([](Sample& x) { x.setting_files = SettingFiles{}; });
  });
}

TEST(ExplainSettings, say_how_many_sockets_they_bind) {
  const std::vector<SettingHere> settings = settings_here(with_settings());
  auto find = [&](std::string_view name) -> const SettingHere& {
    return *std::ranges::find(settings, name, [](const SettingHere& one) { return one.knob->name; });
  };
  ASSERT_TRUE(find("net.core.somaxconn").binds);
  EXPECT_EQ(find("net.core.somaxconn").binds->sockets, 1u);
  EXPECT_EQ(find("net.core.somaxconn").start, "4096");
  ASSERT_TRUE(find("net.core.somaxconn").set_by);
  EXPECT_THAT(find("net.core.somaxconn").set_by->text, HasSubstr("nothing on disk sets it"));
  EXPECT_EQ(find("net.ipv4.tcp_rmem").binds->sockets, 1u);
  EXPECT_EQ(find("net.ipv4.tcp_rmem").start, "4096 131072 6291456");
  EXPECT_THAT(here_text("somaxconn", with_settings()), HasSubstr("netns host: 64; "));

  const std::string text = settings_as_text(settings, 80);
  EXPECT_THAT(text, HasSubstr("\nnet.core.somaxconn "));
  EXPECT_THAT(text, HasSubstr("binds now: 1 listeners whose backlog ends there"));
  const auto json = nlohmann::json::parse(settings_as_json(settings));
  ASSERT_EQ(json.size(), settings.size());
  EXPECT_EQ(json[0]["scope"], "netns");
}

TEST(ExplainSettings, of_another_namespace_say_what_is_otherwise) {
  const auto window = a_window(1, [](SampleBuilder& s, std::size_t) {
    s.sysctl("net.core.somaxconn", {4096}).set([](Sample& x) {
      NetnsSample other;
      other.id = 7;
      other.name = "blue";
      other.sysctls["net.core.somaxconn"] = Sysctl{{16}, "16", false};
      other.sysctls["net.ipv4.tcp_sack"] = Sysctl{{1}, "1", false};
      x.netns.push_back(other);
    });
  });
  const std::string text = settings_as_text(settings_here(window), 80);
  EXPECT_THAT(text, HasSubstr("netns blue, where it has another value:\nnet.core.somaxconn "));
}

TEST(DidYouMean, folds) {
  EXPECT_EQ(folded("Close-Wait_2 \xff"), "closewait2");
  EXPECT_EQ(folded(""), "");
}

}  // namespace
}  // namespace tcpadvisor::explain::topics_test
