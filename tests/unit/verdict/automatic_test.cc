// SPDX-License-Identifier: Apache-2.0
// Which changes a program may write: one host where a burst overflowed a backlog that somaxconn caps, and what has to
// be different for a person to be asked.
#include "advisor/verdict/automatic.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "advisor/knobs/knobs.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::automatic_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::IsEmpty;

using Values = std::vector<std::int64_t>;

/// `change`: of each sample.
Finding capped_backlog(const std::function<void(Sample&)>& change = [](Sample&) {}) {
  const Window window = a_window(9, [&](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(8443, 0, 16).pid(4242, "payments").drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.count(TcpState::listen, 1).sysctl("net.core.somaxconn", {16}).set(change);
  });
  const Verdict verdict = judge(window, *Policy::named("lab"));
  auto found = std::ranges::find(verdict.findings, "backlog-too-small", &Finding::id);
  return found == verdict.findings.end() ? Finding() : *found;
}

SettingLine line_of(SettingWriter writer, std::string file) {
  return {.knob = "net.core.somaxconn", .value = "16", .file = std::move(file), .line = 3, .writer = writer};
}

TEST(Automatic, a_larger_somaxconn_where_a_burst_was_dropped) {
  const Finding finding = capped_backlog();
  ASSERT_TRUE(finding.recommendation.change);
  EXPECT_EQ(finding.recommendation.applicability, Applicability::automatic);
  EXPECT_EQ(finding.recommendation.applicability_why, "");
}

TEST(Automatic, not_where_something_else_would_win) {
  struct Case {
    std::function<void(Sample&)> change;
    const char* why;
  };
  const Case cases[] = {
      {[](Sample& s) {
         auto& files = s.setting_files.emplace();
         files.lines = {line_of(SettingWriter::tuned, "/etc/tuned/fast/tuned.conf")};
         files.tuned_is_last = true;
       },
       "tuned's profile sets it"},
      {[](Sample& s) {
         auto& files = s.setting_files.emplace();
         files.lines = {line_of(SettingWriter::tuned, "/etc/tuned/fast/tuned.conf")};
         files.tuned_profile = "fast";
         files.tuners = {"tuned"};
       },
       "tuned runs here, and its profile fast sets it"},
      {[](Sample& s) { s.setting_files.emplace().lines = {line_of(SettingWriter::sysctl_conf, "/etc/sysctl.conf")}; },
       "line 3 of /etc/sysctl.conf would be applied after it"},
      {[](Sample& s) {
         s.setting_files.emplace().lines = {line_of(SettingWriter::sysctl_d, "/etc/sysctl.d/\xff.conf")};
       },
       "it has to be changed in line 3 of"},
      {[](Sample& s) { s.setting_files.emplace().of_container = true; }, "what starts the container sets it"},
  };
  for (const Case& one : cases) {
    const Finding finding = capped_backlog(one.change);
    ASSERT_TRUE(finding.recommendation.change) << one.why;
    EXPECT_EQ(finding.recommendation.applicability, Applicability::needs_review) << one.why;
    EXPECT_THAT(finding.recommendation.applicability_why, HasSubstr(one.why));
  }
}

TEST(Automatic, only_in_a_namespace_with_a_name) {
  for (const auto& [name, automatic] : {std::pair("blue", true), {"own", true}, {"pid:4242", false}}) {
    const Finding finding = capped_backlog([&](Sample& s) {
      s.netns.front().is_host = false;
      s.netns.front().name = name;
    });
    ASSERT_TRUE(finding.recommendation.change) << name;
    EXPECT_EQ(finding.recommendation.applicability == Applicability::automatic, automatic) << name;
  }
}

TEST(Automatic, bpftune_writes_the_buffers_and_not_the_backlog) {
  SettingFiles files;
  files.tuners = {"bpftune"};
  EXPECT_THAT(other_writer(files, "net.ipv4.tcp_rmem", false), HasSubstr("bpftune"));
  EXPECT_THAT(other_writer(files, "net.core.somaxconn", true), IsEmpty());
}

TEST(Automatic, by_values_only_the_small_steps) {
  struct Case {
    std::string_view knob;
    Values current, target;
    bool safe;
  };
  const Case cases[] = {
      {"net.ipv4.tcp_rmem", {4096, 131072, 262144}, {4096, 131072, 6291456}, true},
      {"net.ipv4.tcp_wmem", {4096, 16384, 262144}, {4096, 16384, 4194304}, true},
      {"net.ipv4.tcp_rmem", {4096, 131072, 6291456}, {4096, 131072, 262144}, false},
      {"net.ipv4.tcp_rmem", {4096, 131072, 262144}, {4096, 262144, 6291456}, false},
      {"net.ipv4.tcp_rmem", {4096, 131072, 262144}, {8192, 131072, 6291456}, false},
      {"net.ipv4.tcp_rmem", {4096, 131072, 262144}, {4096, 131072, 1LL << 31}, false},
      {"net.ipv4.tcp_rmem", {4096, 131072, 262144}, {6291456}, false},
      {"net.ipv4.tcp_rmem", {}, {}, false},
      {"net.core.somaxconn", {16}, {1024}, true},
      {"net.core.somaxconn", {1024}, {16}, false},
      {"net.ipv4.tcp_max_syn_backlog", {128}, {1024}, true},
      {"net.ipv4.tcp_moderate_rcvbuf", {0}, {1}, true},
      {"net.ipv4.tcp_moderate_rcvbuf", {1}, {0}, false},
      {"net.ipv4.tcp_slow_start_after_idle", {1}, {0}, true},
      {"net.ipv4.tcp_abort_on_overflow", {1}, {0}, false},
      {"net.ipv4.tcp_notsent_lowat", {4294967295}, {131072}, false},
      {"net.ipv4.tcp_mem", {1, 2, 3}, {1, 2, 4}, false},
      {"net.ipv4.ip_local_port_range", {32768, 60999}, {10000, 60999}, false},
      {"kernel.core_pattern", {0}, {1}, false},
  };
  for (const Case& one : cases) {
    const std::string why = why_not_by_values(one.knob, one.current, one.target);
    EXPECT_EQ(why.empty(), one.safe) << one.knob << ": " << why;
  }
}

TEST(Automatic, memory_and_the_whole_host_are_never_a_programs) {
  for (const Knob& knob : knobs()) {
    if (knob.scope != KnobScope::host && knob.risk < 3) continue;
    for (std::size_t size : {1u, 3u}) {
      const Values low(size, knob.least), high(size, knob.most);
      EXPECT_FALSE(why_not_by_values(knob.name, low, high).empty()) << knob.name;
      EXPECT_FALSE(why_not_by_values(knob.name, high, low).empty()) << knob.name;
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::automatic_test
