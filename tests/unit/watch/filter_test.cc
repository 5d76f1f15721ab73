// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/filter.h"

#include <gmock/gmock.h>

namespace tcpadvisor::watch::filter_test {
namespace {

using ::testing::HasSubstr;

const Fields kAll = {Field::proc,  Field::port,  Field::state, Field::peer,
                     Field::group, Field::netns, Field::q,     Field::age};

/// A connection of nginx with both ends on this host.
Traits a_connection() {
  Traits traits;
  traits.words = "ESTABLISHED nginx[812]+3 10.0.0.1:443 10.0.0.12:50123 host";
  traits.processes = {"nginx[812]+3", "curl[9001]"};
  traits.states = {"ESTABLISHED", "CLOSE_WAIT"};
  traits.add_peer(Endpoint::v4(10, 0, 0, 12, 50123));
  traits.add_group(owner_group_of("/system.slice/nginx.service"));
  traits.netns = {"host"};
  traits.add_port(Endpoint::v4(10, 0, 0, 1, 443));
  traits.add_port(Endpoint::v4(10, 0, 0, 12, 50123));
  traits.queued = 65'536;
  traits.age_ms = 61'000;
  return traits;
}

bool matches(std::string_view text) {
  Filter filter(text);
  EXPECT_EQ(filter.problem(kAll), "") << text;
  return filter.matches(a_connection(), kAll);
}

TEST(Filter, WhatFits) {
  for (const char* text : {"",
                           "  ",
                           "nginx",
                           "NGINX 443",
                           "proc:nginx",
                           "proc:812",
                           "proc:9001",
                           "proc:CURL",
                           "port:443",
                           "port:50123",
                           "state:established",
                           "state:est",
                           "state:close-wait",
                           "state:CLOSE_WAIT",
                           "state:closewait",
                           "peer:10",
                           "peer:10.0.0.12",
                           "peer:10.0.0.12:50123",
                           "peer:10.",
                           "group:nginx",
                           "group:NGINX.service",
                           "netns:ho",
                           "q>1K",
                           "q>=64K",
                           "q=64KiB",
                           "q<=64k",
                           "age>60s",
                           "age>1m",
                           "age<2m",
                           "/nginx.*443/",
                           "/^EST/",
                           "/est.* 10/ proc:nginx q>0",
                           "PROC:nginx"}) {
    EXPECT_TRUE(matches(text)) << text;
  }
}

TEST(Filter, WhatDoesNot) {
  for (const char* text :
       {"apache",    "nginx apache", "proc:nginy",   "proc:81",        "proc:12",     "port:44",
        "port:80",   "state:close",  "state:listen", "peer:10.0.0.1",  "peer:0.0.12", "peer:10.0.0.12:50",
        "group:api", "netns:blue",   "q>64K",        "q<64K",          "q=1",         "age>62s",
        "age<61s",   "age=60s",      "/^nginx/",     "proc:nginx q>1M"})
    EXPECT_FALSE(matches(text)) << text;
}

TEST(Filter, AddressesWithColonsAreWords) {
  for (const char* text : {"::1", "fe80::1", "dead:beef::", "127.0.0.1:80", "[::1]:80", "a:"}) {
    Filter filter(text);
    EXPECT_EQ(filter.problem(kAll), "") << text;
    EXPECT_FALSE(filter.empty()) << text;
  }
  Traits traits = a_connection();
  traits.add_peer(
      Endpoint::from_bytes(std::array<std::uint8_t, 16>{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, 22));
  EXPECT_TRUE(Filter("peer:fe80::9").matches(traits, kAll));
  EXPECT_TRUE(Filter("peer:[fe80::9]:22").matches(traits, kAll));
  EXPECT_FALSE(Filter("peer:fe80::99").matches(traits, kAll));
}

TEST(Filter, ErrorsSayWhatWouldBeRight) {
  auto problem = [](std::string_view text) { return Filter(text).problem(kAll); };
  EXPECT_EQ(problem("port:http"), "'port:http': a port is a number up to 65535");
  EXPECT_EQ(problem("port:65536"), "'port:65536': a port is a number up to 65535");
  EXPECT_EQ(problem("port:"), "'port:': a port is a number up to 65535");
  EXPECT_EQ(problem("state:shut"), "'state:shut': a state is one such as established, close-wait, syn-sent");
  EXPECT_EQ(problem("q>lots"), "'q>lots': write it like q>64K");
  EXPECT_EQ(problem("q:64K"), "'q:64K': write it like q>64K");
  EXPECT_EQ(problem("q>"), "'q>': write it like q>64K");
  EXPECT_EQ(problem("age>60"), "'age>60': write it like age>60s");
  EXPECT_EQ(problem("proc>3"), "proc takes a colon: proc:…");
  EXPECT_EQ(problem("proc:"), "proc: takes a name or a pid: proc:nginx");
  EXPECT_EQ(problem("peer:"), "peer: takes an address or its beginning: peer:10.0");
  EXPECT_EQ(problem("peer:["), "peer: takes an address or its beginning: peer:10.0");
  EXPECT_EQ(problem("group:"), "group: takes a part of its name");
  EXPECT_EQ(problem("pro:x"),
            "there is no 'pro:': proc: port: state: peer: group: netns: and q> age>; did you mean 'proc'?");
  EXPECT_THAT(problem("rtt>5"), HasSubstr("there is no 'rtt>'"));
  EXPECT_THAT(problem("/nginx"), HasSubstr("ends with a slash"));
  EXPECT_THAT(problem("/"), HasSubstr("ends with a slash"));
  EXPECT_THAT(problem("//"), HasSubstr("empty"));
  EXPECT_THAT(problem("/(/"), HasSubstr("/(/ is no regular expression"));
  EXPECT_THAT(problem("/[z-a]/"), HasSubstr("is no regular expression"));
  EXPECT_THAT(problem("/a{9999}{9999}/"), HasSubstr("is no regular expression"));
  EXPECT_THAT(problem("/(a)\\1/"), HasSubstr("\\1 is not known here"));
  EXPECT_THAT(problem("/" + std::string(300, 'a') + "/"), HasSubstr("at most 200"));
}

TEST(Filter, AWrongTermIsLeftOutAndTheOthersCount) {
  Filter filter("port:x proc:nginx");
  EXPECT_NE(filter.problem(kAll), "");
  EXPECT_TRUE(filter.matches(a_connection(), kAll));
  EXPECT_FALSE(Filter("port:x proc:apache").matches(a_connection(), kAll));
}

TEST(Filter, AListThatLacksAFieldSaysSo) {
  Filter filter("proc:nginx age>1s");
  EXPECT_EQ(filter.problem({Field::proc}), "this list has no age");
  Traits young = a_connection();
  young.age_ms = 0;
  EXPECT_TRUE(filter.matches(young, {Field::proc}));
  EXPECT_FALSE(filter.matches(young, kAll));
  young.age_ms.reset();
  EXPECT_FALSE(filter.matches(young, kAll)) << "an age that is not known is not more than a second";
}

/// An exponential search would take longer than anybody waits.
TEST(Filter, NoPatternTakesForEver) {
  Traits traits = a_connection();
  traits.words = std::string(500, 'a') + "!";
  EXPECT_FALSE(Filter("/(a+)+$/").matches(traits, kAll));
}

TEST(Filter, AnyTextIsTaken) {
  std::string text;
  for (int c = 1; c < 128; ++c) {
    text += static_cast<char>(c);
    Filter(text).matches(a_connection(), kAll);
    Filter(std::string(1, static_cast<char>(c))).matches(a_connection(), kAll);
    Filter("/" + std::string(1, static_cast<char>(c)) + "/").matches(a_connection(), kAll);
  }
}

}  // namespace
}  // namespace tcpadvisor::watch::filter_test
