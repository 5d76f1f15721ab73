// SPDX-License-Identifier: Apache-2.0
#include "agent/store/anonymize.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "advisor/evidence/sample_json.h"
#include "tests/unit/full_sample.h"

namespace tcpadvisor::store::anonymize_test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Anonymizer::Key kKey{1, 2}, kOtherKey{1, 3};

Endpoint ip(const char* text, std::uint16_t port = 80) {
  Endpoint out;
  out.port = port;
  out.v6 = std::string_view(text).find(':') != std::string_view::npos;
  EXPECT_EQ(inet_pton(out.v6 ? AF_INET6 : AF_INET, text, out.ip.data()), 1);
  return out;
}

TEST(Anonymizer, addresses_stay_what_they_are) {
  Anonymizer change(kKey);
  for (const char* same : {"127.0.0.1", "127.3.2.1", "0.0.0.0", "224.0.0.1", "::1", "::", "ff02::1"}) {
    EXPECT_EQ(change.address(ip(same)), ip(same)) << same;
  }
  EXPECT_THAT(change.address(ip("10.1.2.3")).ip_text(), testing::StartsWith("10."));
  EXPECT_THAT(change.address(ip("192.168.7.9")).ip_text(), testing::StartsWith("192.168."));
  EXPECT_THAT(change.address(ip("172.20.1.1")).ip_text(), testing::StartsWith("172."));
  EXPECT_THAT(change.address(ip("fe80::1234")).ip_text(), testing::StartsWith("fe80::"));
  EXPECT_THAT(change.address(ip("fd12::1")).ip_text(), testing::StartsWith("fd"));
  EXPECT_THAT(change.address(ip("2001:db8::1")).ip_text(), testing::StartsWith("2"));
  EXPECT_EQ(change.address(ip("8.8.8.8", 443)).port, 443);
  EXPECT_NE(change.address(ip("8.8.8.8")), ip("8.8.8.8"));
  EXPECT_NE(change.address(ip("8.8.8.8")), Anonymizer(kOtherKey).address(ip("8.8.8.8")));
}

TEST(Anonymizer, no_two_addresses_become_one_and_public_ones_stay_public) {
  Anonymizer change(kKey);
  std::set<std::string> seen;
  for (unsigned a = 1; a < 224; ++a) {
    const Endpoint from = Endpoint::v4(static_cast<std::uint8_t>(a), 16, 3, 4, 1);
    const std::string to = change.address(from).ip_text();
    EXPECT_TRUE(seen.insert(to).second) << to;
    if (a == 10 || a == 127 || a == 172) continue;
    EXPECT_THAT(to, Not(testing::AnyOf(testing::StartsWith("10."), testing::StartsWith("127."),
                                       testing::StartsWith("192.168."), testing::StartsWith("0."))));
  }
}

TEST(Anonymizer, who_shares_a_network_still_does) {
  Anonymizer change(kKey);
  const Endpoint a = change.address(ip("10.1.2.3")), b = change.address(ip("10.1.2.200")),
                 c = change.address(ip("10.9.2.3"));
  EXPECT_TRUE(std::equal(a.ip.begin(), a.ip.begin() + 3, b.ip.begin()));
  EXPECT_FALSE(std::equal(a.ip.begin(), a.ip.begin() + 3, c.ip.begin()));
}

TEST(Anonymizer, a_cgroup_keeps_its_kind) {
  const Anonymizer change(kKey);
  const std::string id(64, 'a');
  for (const std::string& path :
       {std::string("/system.slice/shop.service"), "/system.slice/docker-" + id + ".scope",
        std::string("/kubepods.slice/kubepods-burstable.slice/"
                    "kubepods-burstable-pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-") +
            id + ".scope",
        std::string("/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service"), std::string("/a/b")}) {
    auto before = owner_group_of(path), after = owner_group_of(change.path(path));
    ASSERT_TRUE(before && after);
    EXPECT_EQ(after->kind, before->kind) << change.path(path);
    EXPECT_EQ(after->pod.empty(), before->pod.empty()) << change.path(path);
    EXPECT_NE(after->name, before->name);
  }
  EXPECT_EQ(change.path("/user.slice/user-1000.slice"), "/user.slice/user-1000.slice");
  EXPECT_EQ(change.path(""), "");
}

TEST(Anonymizer, containers_and_pods_are_found_by_their_new_ids) {
  Sample sample;
  const std::string id(64, 'b'), pod = "12345678-1234-1234-1234-123456789abc";
  sample.group_names = {{id, "shop/web-1/nginx"}, {pod, "shop/web-1"}};
  sample.owners.emplace_back().cgroup = "/kubepods/besteffort/pod" + pod + "/" + id;
  const Sample after = Anonymizer(kKey)(sample);
  auto group = after.group_at(after.owners[0].cgroup);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->kind, GroupKind::container);
  EXPECT_TRUE(after.group_names.contains(group->id));
  EXPECT_THAT(group->name, Not(HasSubstr("shop")));
}

/// Names and paths: none of the marks that stand in them now may be left. What is listed here is no name.
TEST(Anonymizer, leaves_no_text_as_it_was_but_those_that_say_nothing) {
  const Sample before = build::full_sample();
  const auto was = to_json(before), is = to_json(Anonymizer(kKey)(before));
  const std::set<std::string> harmless{"kernel",
                                       "congestion_control",
                                       "counters",
                                       "sysctls",
                                       "devices",
                                       "function",
                                       "reason",
                                       "resets_sent",
                                       "lost",
                                       "knob",
                                       "value",
                                       "tuners",
                                       "remark",
                                       "source",
                                       "why_not",
                                       "cure",
                                       "in_use",
                                       "partial_why",
                                       "hooks_not_measured",
                                       "error"};
  std::function<void(const nlohmann::json&, const nlohmann::json&, const std::string&)> compare =
      [&](const nlohmann::json& a, const nlohmann::json& b, const std::string& name) {
        if (harmless.contains(name)) return;
        if (a.is_string() && a.get<std::string>().starts_with("text ")) {
          EXPECT_NE(a, b) << name << " is told as it is: take it out, or say here why it does no harm";
        } else if (a.is_array()) {
          for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) compare(a[i], b[i], name);
        } else if (a.is_object()) {
          for (const auto& [key, value] : a.items()) {
            if (b.contains(key)) compare(value, b[key], key);
          }
        }
      };
  compare(was, is, "");
  EXPECT_EQ(Anonymizer::text("cannot open /srv/ann/x: /proc/1/fd is closed"), "cannot open /…: /proc/1/fd is closed");
}

TEST(Anonymizer, numbers_ports_and_states_stay) {
  const Sample before = build::full_sample();
  const Sample after = Anonymizer(kKey)(before);
  ASSERT_EQ(after.sockets.size(), before.sockets.size());
  EXPECT_EQ(after.sockets[0].local.port, before.sockets[0].local.port);
  EXPECT_EQ(after.sockets[0].recv_q, before.sockets[0].recv_q);
  EXPECT_EQ(after.sockets[0].owner->pid, before.sockets[0].owner->pid);
  EXPECT_EQ(after.netns[0].counters, before.netns[0].counters);
  EXPECT_EQ(after.owners.size(), before.owners.size());
}

}  // namespace
}  // namespace tcpadvisor::store::anonymize_test
