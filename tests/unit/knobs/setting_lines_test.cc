// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/setting_lines.h"

#include <gmock/gmock.h>

#include <random>

#include "advisor/knobs/tuned_profile.h"

namespace tcpadvisor::setting_lines_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Files = std::vector<SettingText>;

constexpr std::string_view kBacklog = "net.core.somaxconn", kBuffer = "net.ipv4.tcp_rmem";

/// "a.conf:3=16" for each line about the knob.
std::vector<std::string> about(std::string_view knob, const std::vector<SettingLine>& lines) {
  std::vector<std::string> out;
  for (const SettingLine& line : lines) {
    if (line.knob == knob) out.push_back(line.file + ":" + std::to_string(line.line) + "=" + line.value);
  }
  return out;
}
std::vector<std::string> about(std::string_view knob, const Files& files) {
  return about(knob, setting_lines(files));
}

TEST(SysctlD, is_one_list_sorted_by_name_whatever_the_directory) {
  std::vector<std::vector<std::string>> names = {{"90-b.conf", "README", "10-z.conf.bak"}, {"10-a.conf"}, {"zz.conf"}};
  EXPECT_THAT(sysctl_d_order(names),
              ElementsAre(OrderedFile{1, "10-a.conf"}, OrderedFile{0, "90-b.conf"}, OrderedFile{2, "zz.conf"}));
}

TEST(SysctlD, a_name_in_a_stronger_directory_hides_the_others) {
  std::vector<std::vector<std::string>> names = {{"99-foo.conf"}, {}, {"99-foo.conf", "50-x.conf"}, {"50-x.conf"}};
  EXPECT_THAT(sysctl_d_order(names), ElementsAre(OrderedFile{2, "50-x.conf"}, OrderedFile{0, "99-foo.conf"}));
}

TEST(SysctlD, of_very_many_files_the_last_are_looked_at) {
  std::vector<std::vector<std::string>> names(1);
  for (int i = 0; i < 3'000; ++i) names[0].push_back(std::to_string(10'000 + i) + ".conf");
  std::vector<OrderedFile> order = sysctl_d_order(names);
  ASSERT_THAT(order, SizeIs(kMostSettingFiles));
  EXPECT_EQ(order.back().name, "12999.conf");
}

TEST(SettingLines, the_last_file_comes_last) {
  Files files = {{"a.conf", "net.core.somaxconn = 16\nnet.core.somaxconn = 17\n"},
                 {"b.conf", "# a remark\n;another\n\n  net.core.somaxconn=\t1024 \r\nkernel.pid_max = 4\n"}};
  EXPECT_THAT(about(kBacklog, files), ElementsAre("a.conf:2=17", "b.conf:4=1024"));
}

TEST(SettingLines, both_spellings_and_the_minus) {
  Files files = {
      {"a", "net/ipv4/tcp_rmem = 1 2 3"}, {"b", "-net.ipv4.tcp_rmem = 4\t5 6"}, {"c", "- net.ipv4/tcp_rmem=7"}};
  EXPECT_THAT(about(kBuffer, files), ElementsAre("a:1=1 2 3", "b:1=4 5 6"))
      << "after a dot, a slash stands for a dot: that is another key";
  EXPECT_EQ(knob_of_key("/net/core/somaxconn"), kBacklog);
  EXPECT_EQ(knob_of_key("net.core.somaxconn.x"), "");
}

TEST(SettingLines, a_pattern_acts_on_what_no_line_names) {
  Files files = {{"a", "net.ipv4.tcp_[rw]mem = 1 2 3\nnet.core.somaxconn = 16"},
                 {"b", "net.core.* = 7\nnet.*.tcp_?mem = 8"}};
  EXPECT_THAT(about(kBuffer, files), ElementsAre("a:1=1 2 3", "b:2=8"));
  EXPECT_THAT(about(kBacklog, files), ElementsAre("a:2=16")) << "named, so no pattern acts on it";
  EXPECT_THAT(about("net.core.rmem_max", files), ElementsAre("b:1=7"));
  EXPECT_THAT(setting_lines(files, Patterns::unknown), SizeIs(1));
}

TEST(SettingLines, a_pattern_that_is_said_again_stays_where_it_was) {
  Files files = {{"a", "net.ipv4.* = 1"}, {"b", "net.*.tcp_rmem = 2"}, {"c", "net.ipv4.* = 1"}};
  EXPECT_THAT(about(kBuffer, files), ElementsAre("a:1=1", "b:1=2")) << "as systemd-sysctl does it";
  files[2].text = "net.ipv4.* = 3";
  EXPECT_THAT(about(kBuffer, files), ElementsAre("b:1=2", "c:1=3"));
}

TEST(SettingLines, a_minus_without_a_value_keeps_patterns_off_and_takes_back) {
  Files files = {{"a", "net.core.* = 7\nnet.ipv4.tcp_rmem = 1 2 3"},
                 {"b", "-net.core.somaxconn\n-net.ipv4.tcp_rmem\nnet.core.wmem_max\n-net.*.nonsense"}};
  EXPECT_THAT(about(kBacklog, files), IsEmpty());
  EXPECT_THAT(about(kBuffer, files), IsEmpty());
  EXPECT_THAT(about("net.core.wmem_max", files), ElementsAre("a:1=7")) << "without '=' and '-' it is a mistake";
}

TEST(SettingLines, patterns_stop_at_a_slash) {
  EXPECT_TRUE(pattern_matches("net/*/tcp_rmem", "net/ipv4/tcp_rmem"));
  EXPECT_FALSE(pattern_matches("net/*", "net/ipv4/tcp_rmem"));
  EXPECT_FALSE(pattern_matches("*", "net/ipv4/tcp_rmem"));
  EXPECT_TRUE(pattern_matches("*/*/*mem", "net/ipv4/tcp_rmem"));
  EXPECT_TRUE(pattern_matches("net/ipv?/tcp_[!a-qs-z]mem", "net/ipv4/tcp_rmem"));
  EXPECT_FALSE(pattern_matches("net/ipv4/tcp_[!r]mem", "net/ipv4/tcp_rmem"));
  EXPECT_FALSE(pattern_matches("net/ipv4/tcp_[", "net/ipv4/tcp_r"));
  EXPECT_TRUE(pattern_matches("a[", "a["));
  EXPECT_FALSE(pattern_matches("", "a"));
}

TEST(SettingLines, hostile_files) {
  std::string stars = "net.core.", zero("net.core.somaxconn = 1\0x\nnet.core.somaxconn", 41);
  for (int i = 0; i < 200; ++i) stars += "*s";
  Files files = {{"long", "net.core.somaxconn = " + std::string(1 << 20, '1')},
                 {"stars", stars + " = 1\n" + std::string(100'000, '*') + " = 1\n[[[[ = 1\n====\n-\n=\n- = \n"},
                 {"zero", zero},
                 {"many", std::string(200'000, '\n') + "net.core.somaxconn = 5"},
                 {"value", "net.ipv4.tcp_rmem = " + std::string(1'000, '\xff')}};
  EXPECT_THAT(about(kBacklog, files), ElementsAre("zero:1=1?x", "many:200001=5"));
  for (const SettingLine& line : setting_lines(files)) EXPECT_LE(line.value.size(), 210u);
}

TEST(SettingLines, of_one_knob_the_last_lines_are_kept) {
  Files files;
  for (int i = 0; i < 100; ++i) files.push_back({"f" + std::to_string(i), "net.core.somaxconn = 1"});
  std::vector<SettingLine> lines = setting_lines(files);
  ASSERT_THAT(lines, SizeIs(kMostLinesOfKnob));
  EXPECT_EQ(lines.back().file, "f99");
}

TEST(SettingLines, bytes_of_any_kind_do_no_harm) {
  std::mt19937 chance(7);
  const std::string_view alphabet = std::string_view(
      "net./ipv4core_somaxtcprm=-*?[]!#;\"'\n\t\r \0\xff"
      "1",
      42);
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (int i = 0; i < 120; ++i) text += alphabet[chance() % alphabet.size()];
    setting_lines(Files{{"x", text}});
    command_line_settings(text);
    parse_tuned_profile("[sysctl]\n" + text, "x");
    tuned_profile_names(text);
    tuned_reapplies(text);
  }
}

TEST(CommandLine, settings_before_anything_runs) {
  std::vector<SettingLine> lines = command_line_settings(
      "BOOT_IMAGE=/vmlinuz ro sysctl.net.core.somaxconn=16 \"sysctl.net.ipv4.tcp_rmem=1 2 3\" "
      "sysctl.net/ipv4/tcp_sack=0 sysctl.net.core.somaxconn=17 sysctl.kernel.x=1 sysctl. "
      "xsysctl.net.core.rmem_max=1\n");
  EXPECT_THAT(about(kBacklog, lines), ElementsAre("/proc/cmdline:0=17"));
  EXPECT_THAT(about(kBuffer, lines), ElementsAre("/proc/cmdline:0=1 2 3"));
  EXPECT_THAT(lines, SizeIs(3));
}

TEST(TunedProfile, says_what_its_sections_of_sysctls_say) {
  TunedProfile profile = parse_tuned_profile(
      "[main]\nsummary=fast\ninclude = base , -extra; ${f:x} ../up\n[sysctl]\n# a remark\n"
      "net.core.somaxconn=>2048  # raised\nnet.ipv4.tcp_rmem=\"4096 131072 16777216\"\n[vm]\nnet.core.rmem_max=1\n"
      "[sysctl.arm]\ntype=sysctl\nuname_regex=aarch64\nnet.core.wmem_max=2\n[mine]\nnet.core.optmem_max=3\ntype="
      "sysctl\n"
      "[off]\ntype=sysctl\nenabled=False\nnet.core.netdev_budget=4\n",
      "t.conf");
  EXPECT_THAT(profile.includes, ElementsAre("base", "extra"));
  EXPECT_THAT(about(kBacklog, profile.lines), ElementsAre("t.conf:6=>2048"));
  EXPECT_THAT(about(kBuffer, profile.lines), ElementsAre("t.conf:7=4096 131072 16777216"));
  EXPECT_THAT(about("net.core.optmem_max", profile.lines), ElementsAre("t.conf:15=3"));
  EXPECT_THAT(profile.lines, SizeIs(3));
  EXPECT_FALSE(profile.replaces);
  EXPECT_TRUE(parse_tuned_profile("[sysctl]\nreplace=1\n", "x").replaces);
}

TEST(TunedProfile, sysctl_d_again_or_not) {
  EXPECT_TRUE(tuned_reapplies(""));
  EXPECT_TRUE(tuned_reapplies("daemon = 1\n#reapply_sysctl = 0\nreapply_sysctl = 1\n"));
  EXPECT_FALSE(tuned_reapplies("reapply_sysctl = False"));
  EXPECT_THAT(tuned_profile_names("throughput-performance my_one\n"), ElementsAre("throughput-performance", "my_one"));
  EXPECT_THAT(tuned_profile_names("a/b .. . \x01"), IsEmpty());
}

}  // namespace
}  // namespace tcpadvisor::setting_lines_test
