// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/knobs.h"

#include <gmock/gmock.h>

#include <set>

#include "advisor/knobs/change.h"
#include "advisor/knobs/netns_words.h"
#include "advisor/knobs/port_space.h"

namespace tcpadvisor::knobs_test {
namespace {

using testing::HasSubstr;

TEST(Knobs, each_row_makes_sense) {
  std::set<std::string_view> names;
  for (const Knob& knob : knobs()) {
    EXPECT_TRUE(names.insert(knob.name).second) << knob.name << " is listed twice";
    EXPECT_TRUE(knob.name.starts_with("net.") || knob.name.starts_with("fs.")) << knob.name;
    EXPECT_FALSE(knob.kernel_default.empty()) << knob.name;
    EXPECT_LE(knob.least, knob.most) << knob.name;
    EXPECT_GE(knob.risk, 0) << knob.name;
    EXPECT_LE(knob.risk, 3) << knob.name;
    EXPECT_EQ(find_knob(knob.name), &knob);
  }
  EXPECT_EQ(find_knob("net.ipv4.tcp_tw_recycled"), nullptr);
}

TEST(PortSpace, reserved_ports_count_as_far_as_they_lie_in_the_range) {
  EXPECT_EQ(reserved_between("", 100, 199), 0u);
  EXPECT_EQ(reserved_between("80,150", 100, 199), 1u);
  EXPECT_EQ(reserved_between("90-109,190-400", 100, 199), 20u);
  EXPECT_EQ(reserved_between("1-65535", 100, 199), 100u);
  EXPECT_EQ(reserved_between("199-100,-,x,100-,99999999999999999999,150-70000", 100, 199), 0u);
  EXPECT_EQ(reserved_between("1-65535,1-65535", 200, 100), 0u);
}

Sample host_and_others() {
  Sample sample;
  for (auto [id, name] : {std::pair{1, "host"}, {2, "blue"}, {3, "pid:4242"}, {4, ""}}) {
    NetnsSample netns;
    netns.id = static_cast<NetnsId>(id);
    netns.name = name;
    netns.is_host = id == 1;
    sample.netns.push_back(netns);
  }
  return sample;
}

Change backlog_in(NetnsId netns) {
  Change change = Change::in(host_and_others(), netns, "net.core.somaxconn");
  change.current = {16};
  change.target = values_of({1024});
  return change;
}

TEST(Change, of_the_host_stays_in_its_files) {
  ChangeText text = text_of(backlog_in(1));
  EXPECT_EQ(text.scope, "netns host");
  EXPECT_EQ(text.apply, "sysctl -w net.core.somaxconn=1024");
  EXPECT_EQ(text.persist, "net.core.somaxconn = 1024 in /etc/sysctl.d/99-tcpadvisor.conf");
  EXPECT_EQ(text.rollback, "sysctl -w net.core.somaxconn=16");
}

/// The host's files are read once, at boot, for the host's namespace: they set nothing in a container's.
TEST(Change, of_a_container_belongs_to_what_starts_it) {
  ChangeText text = text_of(backlog_in(3));
  EXPECT_EQ(text.scope, "netns pid:4242");
  EXPECT_EQ(text.apply, "nsenter -t 4242 -n sysctl -w net.core.somaxconn=1024");
  EXPECT_THAT(text.persist, HasSubstr("by what starts the container"));
  EXPECT_THAT(text.persist, HasSubstr("not in /etc/sysctl.d of the host"));
  EXPECT_EQ(text.rollback, "nsenter -t 4242 -n sysctl -w net.core.somaxconn=16");
}

TEST(Change, of_a_namespace_with_or_without_a_name) {
  ChangeText text = text_of(backlog_in(2));
  EXPECT_EQ(text.apply, "ip netns exec blue sysctl -w net.core.somaxconn=1024");
  EXPECT_THAT(text.persist, HasSubstr("by what makes the namespace blue, not in /etc/sysctl.d of the host"));
  for (NetnsId unknown : {4, 5}) {
    ChangeText bare = text_of(backlog_in(unknown));
    EXPECT_THAT(bare.apply, HasSubstr("run in net:["));
    EXPECT_THAT(bare.rollback, HasSubstr("run in net:["));
    EXPECT_THAT(bare.persist, HasSubstr("not in /etc/sysctl.d of the host"));
  }
}

TEST(Change, of_a_setting_of_the_whole_host_is_made_there) {
  Change change = Change::in(host_and_others(), 3, "net.ipv4.tcp_mem");
  change.current = {1, 2, 3};
  change.target = values_of({4, 5, ~0ull});
  ChangeText text = text_of(change);
  EXPECT_EQ(text.scope, "host");
  EXPECT_EQ(text.apply, "sysctl -w net.ipv4.tcp_mem=\"4 5 9223372036854775807\"");
  EXPECT_EQ(text.persist, "net.ipv4.tcp_mem = 4 5 9223372036854775807 in /etc/sysctl.d/99-tcpadvisor.conf");
  EXPECT_EQ(text.rollback, "sysctl -w net.ipv4.tcp_mem=\"1 2 3\"");
}

TEST(NetnsWords, name_and_enter_a_namespace) {
  EXPECT_EQ(netns_name(host_and_others(), 4), "net:[4]");
  EXPECT_EQ(in_netns(host_and_others(), 1), "");
  EXPECT_EQ(in_netns(host_and_others(), 2), "ip netns exec blue ");
  EXPECT_EQ(in_netns(host_and_others(), 9), "");
}

}  // namespace
}  // namespace tcpadvisor::knobs_test
