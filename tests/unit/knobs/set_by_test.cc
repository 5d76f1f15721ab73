// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/set_by.h"

#include <gmock/gmock.h>

#include "advisor/knobs/change.h"
#include "advisor/knobs/keeping.h"
#include "advisor/knobs/kernel_default.h"
#include "advisor/knobs/knobs.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::set_by_test {
namespace {

using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kBacklog = "net.core.somaxconn", kBuffer = "net.ipv4.tcp_rmem";

SettingLine says_in(std::string file, std::uint32_t line, std::string value,
                    SettingWriter writer = SettingWriter::sysctl_d, std::string_view knob = kBacklog) {
  return {
      .knob = std::string(knob), .value = std::move(value), .file = std::move(file), .line = line, .writer = writer};
}

struct Host {
  std::vector<SettingLine> lines = {};
  std::vector<std::int64_t> value = {16};
  std::string profile = {};
  bool tuned_is_last = false;
  std::vector<std::string> tuners = {};
  bool of_container = false;
  std::string_view knob = kBacklog;

  Window window() const {
    return a_window(3, [this](SampleBuilder& sample, std::size_t) {
      sample.sysctl(std::string(knob), value).set([this](Sample& s) {
        s.setting_files = {.lines = lines,
                           .tuned_profile = profile,
                           .tuned_is_last = tuned_is_last,
                           .tuners = tuners,
                           .of_container = of_container,
                           .unreadable = 0};
      });
    });
  }
  SetBy by() const { return who_set(window(), kHostNetns, knob).value(); }
  std::string persist() const {
    Window seen = window();
    Change change = Change::in(seen.latest(), kHostNetns, knob);
    change.current = value;
    change.target = {1024};
    return text_of(change).persist;
  }
};

TEST(SetBy, the_line_that_says_what_the_kernel_has) {
  Host host{
      .lines = {says_in("/usr/lib/sysctl.d/10-a.conf", 2, "4096"), says_in("/etc/sysctl.d/99-foo.conf", 3, "16")}};
  SetBy by = host.by();
  EXPECT_EQ(name_of(by.source), "sysctl.d");
  EXPECT_EQ(by.file, "/etc/sysctl.d/99-foo.conf");
  EXPECT_EQ(by.line, 3u);
  EXPECT_EQ(by.value, "16");
  EXPECT_EQ(by.text, "/etc/sysctl.d/99-foo.conf:3");
  EXPECT_FALSE(by.at_boot);
  EXPECT_THAT(host.persist(),
              HasSubstr("in /etc/sysctl.d/99-tcpadvisor.conf, which comes after /etc/sysctl.d/99-foo.conf:3"));
}

TEST(SetBy, a_line_that_another_one_overrules_stands_until_the_boot) {
  SetBy by =
      Host{.lines = {says_in("/etc/sysctl.d/50-a.conf", 1, "16"), says_in("/etc/sysctl.d/90-b.conf", 7, "128")}}.by();
  EXPECT_EQ(by.file, "/etc/sysctl.d/50-a.conf");
  ASSERT_TRUE(by.at_boot);
  EXPECT_EQ(by.at_boot->file, "/etc/sysctl.d/90-b.conf");
  EXPECT_THAT(by.text, HasSubstr("after a boot /etc/sysctl.d/90-b.conf:7 makes it 128"));
}

TEST(SetBy, sysctl_conf_is_named_rather_than_the_link_to_it) {
  Host host{.lines = {says_in("/etc/sysctl.conf", 5, "16", SettingWriter::sysctl_conf),
                      says_in("/etc/sysctl.d/99-sysctl.conf", 5, "16")}};
  EXPECT_EQ(host.by().file, "/etc/sysctl.conf");
  EXPECT_EQ(name_of(host.by().source), "sysctl.conf");
  EXPECT_THAT(host.persist(), HasSubstr("/etc/sysctl.d/99-tcpadvisor.conf; change line 5 of /etc/sysctl.conf too"));
  host.lines.pop_back();
  EXPECT_EQ(host.by().text, "/etc/sysctl.conf:5") << "applied by hand, and not at boot";
}

TEST(SetBy, the_kernel_and_nobody) {
  SetBy by = Host{.value = {4096}}.by();
  EXPECT_EQ(name_of(by.source), "kernel-default");
  EXPECT_EQ(by.text, "the kernel's default, nothing on disk sets it");
  by = Host{.value = {17}}.by();
  EXPECT_EQ(name_of(by.source), "unknown");
  EXPECT_EQ(by.text, "nothing on disk sets it: written at run time");
  EXPECT_EQ(by.value, "17");
  by = Host{.value = {17}, .tuners = {"bpftune"}}.by();
  EXPECT_THAT(by.text, HasSubstr("bpftune runs here and changes settings"));
  by = Host{.lines = {says_in("/etc/sysctl.d/a.conf", 1, "8")}, .value = {4096}}.by();
  EXPECT_THAT(by.text, HasSubstr("the kernel's default; after a boot /etc/sysctl.d/a.conf:1 makes it 8"));
  by = Host{.lines = {says_in("/etc/sysctl.conf", 1, "8", SettingWriter::sysctl_conf)}, .value = {4096}}.by();
  EXPECT_THAT(by.text, HasSubstr("the kernel's default; /etc/sysctl.conf:1 says 8"));
}

TEST(SetBy, tuned) {
  Host host{.lines = {says_in("/usr/lib/sysctl.d/10-a.conf", 1, "8"),
                      says_in("/usr/lib/tuned/fast/tuned.conf", 12, ">16", SettingWriter::tuned)},
            .profile = "fast"};
  EXPECT_EQ(name_of(host.by().source), "tuned");
  EXPECT_THAT(host.by().text, HasSubstr("tuned.conf:12 (tuned's profile fast)"));
  EXPECT_THAT(host.persist(), HasSubstr("1024 in /etc/sysctl.d/99-tcpadvisor.conf"))
      << "tuned applies /etc/sysctl.d once more";
  host.tuned_is_last = true;
  EXPECT_THAT(host.persist(), HasSubstr("in [sysctl] of /etc/tuned/tcpadvisor/tuned.conf, with include=fast"));
}

TEST(SetBy, somebody_while_we_watched) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t i) {
    sample.sysctl(std::string(kBacklog), {i < 2 ? 4096 : 16}).set([](Sample& s) { s.setting_files.emplace(); });
  });
  SetBy by = who_set(window, kHostNetns, kBacklog).value();
  EXPECT_EQ(name_of(by.source), "changed-while-watched");
  EXPECT_THAT(by.text, HasSubstr("changed while we watched"));
  EXPECT_THAT(by.text, HasSubstr("it was 4096"));
  ASSERT_EQ(window.setting_changes().size(), 1u);
  EXPECT_EQ(window.setting_changes()[0].times, 1u);
  EXPECT_TRUE(Host{}.window().setting_changes().empty());
}

TEST(SetBy, is_not_known_where_nobody_has_looked) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t) { sample.sysctl(std::string(kBacklog), {16}); });
  EXPECT_FALSE(who_set(window, kHostNetns, kBacklog));
  EXPECT_FALSE(who_set(Host{}.window(), kHostNetns, "net.ipv4.tcp_app_win")) << "this kernel does not have it";
  EXPECT_FALSE(who_set(Host{}.window(), kHostNetns, "no.such.knob"));
  EXPECT_FALSE(who_set(Host{}.window(), 4711, kBacklog));
}

Window with_container(std::string_view knob, std::vector<std::int64_t> value, const std::string& cgroup) {
  return a_window(3, [&](SampleBuilder& sample, std::size_t) {
    sample.sysctl(std::string(kBacklog), {128}).sysctl(std::string(kBuffer), {1, 2, 3}).set([&](Sample& s) {
      NetnsSample other;
      other.id = 7;
      other.name = "pid:4242";
      other.sysctls[std::string(knob)].values = value;
      s.netns.push_back(other);
      OwnerTotals owner;
      owner.pid = 4242;
      owner.netns = 7;
      owner.cgroup = cgroup;
      s.owners.push_back(owner);
      s.setting_files.emplace().lines = {says_in("/etc/sysctl.d/99-foo.conf", 3, "128")};
    });
  });
}

const std::string kPod = "/kubepods/burstable/pod11111111-2222-3333-4444-555555555555";

std::string persist_in(const Window& window, std::string_view knob) {
  Change change = Change::in(window.latest(), 7, knob);
  change.target = {1024};
  return text_of(change).persist;
}

TEST(SetBy, in_a_namespace_the_files_of_the_host_say_nothing) {
  SetBy by = who_set(with_container(kBacklog, {4096}, kPod), 7, kBacklog).value();
  EXPECT_EQ(name_of(by.source), "kernel-default");
  EXPECT_THAT(by.text, HasSubstr("which a new namespace starts with; /etc/sysctl.d/99-foo.conf:3 is for the host"));
  by = who_set(with_container(kBacklog, {128}, kPod), 7, kBacklog).value();
  EXPECT_EQ(name_of(by.source), "namespace") << "the same value, but no file of the host reaches it";
  EXPECT_EQ(by.text, "the pod's securityContext.sysctls, or a program in it");
  by = who_set(with_container(kBuffer, {1, 2, 3}, ""), 7, kBuffer).value();
  EXPECT_EQ(name_of(by.source), "host");
  EXPECT_THAT(by.text, HasSubstr("copied from the host's when the namespace was made; there: "));
  by = who_set(with_container(kBuffer, {1, 2, 4}, ""), 7, kBuffer).value();
  EXPECT_EQ(by.text, "what made the namespace, or a program in it");
}

TEST(Keeping, in_a_pod_and_in_a_container) {
  std::string unsafe = persist_in(with_container(kBacklog, {16}, kPod), kBacklog);
  EXPECT_THAT(unsafe, HasSubstr("securityContext.sysctls of the pod: {name: net.core.somaxconn, value: \"1024\"}"));
  EXPECT_THAT(unsafe, HasSubstr("--allowed-unsafe-sysctls=net.core.somaxconn"));
  EXPECT_THAT(unsafe, HasSubstr("not in /etc/sysctl.d of the host"));
  std::string safe = persist_in(with_container(kBuffer, {1, 2, 3}, kPod), kBuffer);
  EXPECT_THAT(safe, HasSubstr("a safe one there since 1.32"));
  EXPECT_THAT(safe, Not(HasSubstr("kubelet")));
  std::string docker = "/system.slice/docker-" + std::string(64, 'a') + ".scope";
  EXPECT_THAT(persist_in(with_container(kBacklog, {16}, docker), kBacklog),
              HasSubstr("docker run --sysctl net.core.somaxconn=\"1024\""));
  EXPECT_EQ(kubernetes_on("net.ipv4.tcp_syncookies"), "a safe one there");
}

TEST(Keeping, where_we_are_in_a_container_ourselves) {
  Host host{.lines = {says_in("/etc/sysctl.d/99-foo.conf", 3, "16")}, .of_container = true};
  EXPECT_THAT(host.persist(), HasSubstr("by what starts the container"));
  EXPECT_EQ(name_of(host.by().source), "namespace") << "nobody applies the files of an image";
  host.knob = "net.core.rmem_max";
  EXPECT_THAT(host.by().text, HasSubstr("set on the host"));
}

TEST(Keeping, a_fragment_that_sorts_after_the_winner) {
  EXPECT_EQ(fragment_after("/etc/sysctl.d/50-a.conf"), "/etc/sysctl.d/99-tcpadvisor.conf");
  EXPECT_EQ(fragment_after("/usr/lib/sysctl.d/99-zebra.conf"), "/etc/sysctl.d/99-zz-tcpadvisor.conf");
  EXPECT_EQ(fragment_after("/etc/sysctl.d/custom.conf"), "/etc/sysctl.d/zz-tcpadvisor.conf");
  EXPECT_EQ(fragment_after("/etc/sysctl.d/zzz.conf"), "/etc/sysctl.d/zzz_tcpadvisor.conf");
  EXPECT_LT(std::string_view("zzz.conf"), std::string_view("zzz_tcpadvisor.conf"));
  EXPECT_EQ(fragment_after("/etc/sysctl.d/99-zz-tcpadvisor.conf"), "/etc/sysctl.d/99-zz-tcpadvisor.conf");
  EXPECT_EQ(fragment_after("/run/sysctl.d/99-tcpadvisor.conf"), "/etc/sysctl.d/99-zz-tcpadvisor.conf");
  EXPECT_EQ(fragment_after("/etc/sysctl.d/zz\xc3\xa4.conf"), "");
  EXPECT_THAT((Host{.lines = {says_in("/etc/sysctl.d/zz\xc3\xa4.conf", 9, "16")}}.persist()),
              HasSubstr("in line 9 of "));
  EXPECT_THAT((Host{.lines = {says_in("/etc/sysctl.d/99-tcpadvisor.conf", 1, "16")}}.persist()),
              HasSubstr("in line 1 of /etc/sysctl.d/99-tcpadvisor.conf"));
  EXPECT_THAT((Host{.lines = {says_in("/etc/sysctl.conf", 4, "16")}}.persist()),
              HasSubstr("in line 4 of /etc/sysctl.conf"))
      << "without systemd it is the last of all";
}

TEST(Says, numbers_and_words_as_the_kernel_takes_them) {
  Sysctl triple{{4096, 131'072, 6'291'456}, "", false}, words{{}, "reno cubic", false}, one{{16}, "16", false};
  EXPECT_TRUE(says("4096  131072 6291456", triple));
  EXPECT_TRUE(says("4096", triple)) << "sets the first, and leaves the others";
  EXPECT_FALSE(says("4096 131072 6291456 1", triple));
  EXPECT_TRUE(says("0x10", one));
  EXPECT_TRUE(says("020", one));
  EXPECT_TRUE(says("16 # as in the manual", one));
  EXPECT_TRUE(says(">16", one));
  EXPECT_FALSE(says("", one));
  EXPECT_FALSE(says("${mine}", one));
  EXPECT_FALSE(says("99999999999999999999", one));
  EXPECT_FALSE(says("-", one));
  EXPECT_TRUE(says("reno  cubic", words));
  EXPECT_FALSE(says("cubic", words));
}

ByKernel start_of(std::string_view name, std::vector<std::int64_t> values, std::string text = "", Sysctls others = {}) {
  Sample sample;
  sample.host.mem_bytes = 24ull << 30;
  return by_kernel(*find_knob(name), {std::move(values), std::move(text), false}, others, sample);
}

TEST(KernelDefault, of_fixed_values_and_of_computed_ones) {
  EXPECT_EQ(start_of(kBacklog, {4096}), ByKernel::yes);
  EXPECT_EQ(start_of(kBacklog, {128}), ByKernel::no);
  EXPECT_EQ(start_of("net.core.rmem_max", {4'194'304}), ByKernel::yes);
  EXPECT_EQ(start_of(kBuffer, {4096, 131'072, 6'291'456}), ByKernel::yes);
  EXPECT_EQ(start_of(kBuffer, {4096, 131'072, 33'554'432}), ByKernel::yes) << "since 6.16";
  EXPECT_EQ(start_of(kBuffer, {4096, 87'380, 6'291'456}), ByKernel::no);
  EXPECT_EQ(start_of(kBuffer, {4096, 131'072, 16'777'216}), ByKernel::no);
  EXPECT_EQ(start_of("net.ipv4.tcp_mem", {287'901, 383'869, 575'802}), ByKernel::yes);
  EXPECT_EQ(start_of("net.ipv4.tcp_mem", {287'901, 383'869, 575'803}), ByKernel::no);
  EXPECT_EQ(start_of("net.ipv4.tcp_mem", {28'790, 38'386, 57'580}), ByKernel::no)
      << "much less than a host of 24 GiB starts with";
  EXPECT_EQ(start_of("net.ipv4.tcp_max_tw_buckets", {131'072}), ByKernel::yes);
  EXPECT_EQ(start_of("net.ipv4.tcp_max_tw_buckets", {5000}), ByKernel::cannot_tell);
  EXPECT_EQ(
      start_of("net.ipv4.tcp_max_syn_backlog", {2048}, "", {{"net.ipv4.tcp_max_tw_buckets", {{131'072}, "", false}}}),
      ByKernel::yes);
  EXPECT_EQ(start_of("net.ipv4.tcp_max_syn_backlog", {512}), ByKernel::cannot_tell);
  EXPECT_EQ(start_of("net.ipv4.tcp_congestion_control", {}, "cubic"), ByKernel::yes);
  EXPECT_EQ(start_of("net.ipv4.tcp_congestion_control", {}, "bbr"), ByKernel::cannot_tell) << "may be built in";
  EXPECT_EQ(start_of("net.ipv4.ip_local_reserved_ports", {}), ByKernel::yes);
}

}  // namespace
}  // namespace tcpadvisor::set_by_test
