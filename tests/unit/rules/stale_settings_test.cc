// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/kernel_version.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::stale_settings_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kId = "stale-settings";

struct Said {
  std::string knob, value;
  SettingWriter writer = SettingWriter::sysctl_d;
};

Window with_lines(const std::vector<Said>& lines, const std::function<void(SampleBuilder&)>& more = {}) {
  return a_window(3, [=](SampleBuilder& sample, std::size_t) {
    sample.set([&](Sample& s) {
      SettingFiles& files = s.setting_files.emplace();
      std::uint32_t at = 0;
      for (const Said& said : lines) {
        files.lines.push_back({.knob = said.knob,
                               .value = said.value,
                               .file = "/etc/sysctl.d/99-fast.conf",
                               .line = ++at,
                               .writer = said.writer});
      }
    });
    if (more) more(sample);
  });
}

TEST(KernelVersion, is_what_a_release_begins_with) {
  EXPECT_EQ(kernel_version("6.12.30-cloud"), (KernelVersion{6, 12}));
  EXPECT_EQ(kernel_version("5.4"), (KernelVersion{5, 4}));
  EXPECT_FALSE(kernel_version("unknown"));
  EXPECT_FALSE(kernel_version("6.x"));
  EXPECT_LT(*kernel_version("4.19.1"), (KernelVersion{4, 20}));
}

TEST(StaleSettings, names_file_and_line_of_what_no_kernel_reads) {
  auto finding = only_finding(judged(kId,
                                     with_lines({{"net.ipv4.tcp_low_latency", "1"},
                                                 {"net.ipv4.tcp_tw_recycle", "1"},
                                                 {"net.ipv4.tcp_adv_win_scale", "2"},
                                                 {"net.core.somaxconn", "65535"}}),
                                     lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->scope.count, 3u);
  const std::string steps = testing::PrintToString(finding->recommendation.steps);
  EXPECT_THAT(steps,
              HasSubstr("/etc/sysctl.d/99-fast.conf:1: net.ipv4.tcp_low_latency = 1: this kernel does not read"));
  EXPECT_THAT(steps, HasSubstr("99-fast.conf:2: net.ipv4.tcp_tw_recycle = 1: this kernel has no such setting"));
  EXPECT_THAT(steps, HasSubstr("99-fast.conf:3: net.ipv4.tcp_adv_win_scale = 2"));
  EXPECT_THAT(steps, Not(HasSubstr("somaxconn")));
}

TEST(StaleSettings, what_an_older_kernel_reads_is_not_stale_there) {
  auto old = [](SampleBuilder& sample) {
    sample.set([](Sample& s) { s.host.kernel = "6.1.0-18-amd64"; });
    sample.sysctl("net.ipv4.tcp_tw_recycle", {1});
  };
  expect_fine(
      judged(kId, with_lines({{"net.ipv4.tcp_adv_win_scale", "2"}, {"net.ipv4.tcp_tw_recycle", "1"}}, old), lab()));
}

TEST(StaleSettings, an_old_value_below_the_kernels_own_is_named) {
  auto pinned = [](SampleBuilder& sample) { sample.sysctl("net.ipv4.tcp_rmem", {4'096, 87'380, 16'777'216}); };
  auto finding = only_finding(judged(kId, with_lines({{"net.ipv4.tcp_rmem", "4096 87380 16777216"}}, pinned), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->title, HasSubstr("87,380 is less than the 131,072 that this kernel starts with"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Delete /etc/sysctl.d/99-fast.conf:1"));
  // What is not in force now, or larger, is none.
  expect_fine(judged(kId, with_lines({{"net.ipv4.tcp_rmem", "4096 87380 16777216"}}), lab()));
  auto larger = [](SampleBuilder& sample) { sample.sysctl("net.ipv4.tcp_rmem", {4'096, 262'144, 16'777'216}); };
  expect_fine(judged(kId, with_lines({{"net.ipv4.tcp_rmem", "4096 262144 16777216"}}, larger), lab()));
}

TEST(StaleSettings, a_later_line_that_stands_counts) {
  expect_fine(judged(kId, with_lines({{"net.core.somaxconn", "128"}, {"net.core.somaxconn", "4096"}}), lab()));
  auto small = [](SampleBuilder& sample) { sample.sysctl("net.core.somaxconn", {128}); };
  EXPECT_TRUE(only_finding(judged(kId, with_lines({{"net.core.somaxconn", "128"}}, small), lab())));
}

TEST(StaleSettings, newer_kernels_start_with_more) {
  auto newer = [](SampleBuilder& sample) {
    sample.sysctl("net.ipv4.tcp_rmem", {4'096, 131'072, 16'777'216});
    sample.set([](Sample& s) { s.host.kernel = "6.18.2"; });
  };
  auto finding = only_finding(judged(kId, with_lines({{"net.ipv4.tcp_rmem", "4096 131072 16777216"}}, newer), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->evidence.front().threshold, 32 << 20);
}

TEST(StaleSettings, it_is_a_warning_where_connections_have_met_it) {
  auto with_buffers = [](std::uint64_t size, bool fixed) {
    return [=](SampleBuilder& sample) {
      sample.sysctl("net.ipv4.tcp_rmem", {4'096, 131'072, 1'048'576});
      sample.add(3, a_socket().established().pid(5, "get").rcvbuf(size, 0).locks(false, fixed));
    };
  };
  const std::vector<Said> lines = {{"net.ipv4.tcp_rmem", "4096 131072 1048576"}};
  EXPECT_EQ(only_finding(judged(kId, with_lines(lines, with_buffers(900'000, false)), lab()))->severity,
            Severity::info);
  EXPECT_EQ(only_finding(judged(kId, with_lines(lines, with_buffers(1'048'576, true)), lab()))->severity,
            Severity::info);
  auto finding = only_finding(judged(kId, with_lines(lines, with_buffers(1'048'576, false)), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("the buffers of 3 connections have grown to it"));
}

TEST(StaleSettings, tcp_mem_that_guards_nothing) {
  auto pages = [](std::vector<std::int64_t> values) {
    return [=](SampleBuilder& sample) { sample.sysctl("net.ipv4.tcp_mem", values); };
  };
  const std::vector<Said> line = {{"net.ipv4.tcp_mem", "8388608 12582912 16777216"}};
  auto finding = only_finding(judged(kId, with_lines(line, pages({8'388'608, 12'582'912, 16'777'216})), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("tcp_mem allows TCP 64 GiB, 2.7 times all of this host's memory"));
  EXPECT_THAT(finding->title, Not(HasSubstr("bytes")));
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target, (std::vector<std::int64_t>{294'912, 393'216, 589'824}));
  EXPECT_THAT(testing::PrintToString(finding->recommendation.steps), HasSubstr("delete /etc/sysctl.d/99-fast.conf:1"));
  auto bytes = only_finding(judged(kId, with_lines({}, pages({805'306'368, 1'073'741'824, 2'147'483'648})), lab()));
  ASSERT_TRUE(bytes);
  EXPECT_THAT(bytes->title, HasSubstr("it is written in bytes, and the unit is pages"));
  EXPECT_EQ(only_finding(judged(kId, with_lines({}, pages({1'000'000, 1'500'000, 2'000'000})), lab()))->severity,
            Severity::info);
  expect_fine(judged(kId, with_lines({}, pages({700'000, 1'000'000, 1'500'000})), lab()));
}

TEST(StaleSettings, no_less_than_what_is_in_use) {
  auto in_use = [](SampleBuilder& sample) {
    sample.sysctl("net.ipv4.tcp_mem", {8'388'608, 12'582'912, 16'777'216});
    sample.set([](Sample& s) { s.memory.pages = 1'000'000; });
  };
  auto finding = only_finding(judged(kId, with_lines({}, in_use), lab()));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->recommendation.change);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("would hurt now"));
}

TEST(StaleSettings, a_container_applies_no_files) {
  auto container = [](SampleBuilder& sample) { sample.set([](Sample& s) { s.setting_files->of_container = true; }); };
  expect_fine(judged(kId, with_lines({{"net.ipv4.tcp_low_latency", "1"}}, container), lab()));
}

TEST(StaleSettings, has_nothing_to_say_where_no_file_was_looked_for) {
  Window window = a_window(3, [](SampleBuilder&, std::size_t) {});
  Outcome outcome = judged(kId, window, lab());
  expect_unknown(outcome, "no file that sets values");
  EXPECT_TRUE(outcome.nothing_there);
}

}  // namespace
}  // namespace tcpadvisor::stale_settings_test
