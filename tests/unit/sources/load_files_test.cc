// SPDX-License-Identifier: Apache-2.0
// Queues of packets, tracked connections and stalls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sources/conntrack.h"
#include "agent/sources/host_pressure.h"
#include "agent/sources/softnet.h"
#include "tests/unit/os/temp_tree.h"
#include "tests/unit/sources/fixture.h"

namespace tcpadvisor::sources::load_files_test {
namespace {

using testing::HasSubstr;

// ---- softnet_stat ----

TEST(Softnet, every_processor_has_its_own_counts) {
  auto cpus = read_softnet(fixture::root("proc-6.18"));
  ASSERT_TRUE(cpus) << cpus.error().message;
  EXPECT_EQ(*cpus, (std::vector<Softnet>{{0, 0x01852ba6, 4, 1, 0x40598, 2}, {1, 0x01907c04, 300, 16, 0x3be76, 0}}));
}

TEST(Softnet, older_kernels_do_not_say_which_processor_it_is) {
  auto cpus = read_softnet(fixture::root("proc-5.10"));
  ASSERT_TRUE(cpus) << cpus.error().message;
  EXPECT_EQ(*cpus, (std::vector<Softnet>{{0, 0xa000, 0, 0, 0, 0}}));
  auto oldest = parse_softnet("1 2 3 0 0 0 0 0 0\nffffffff 5 6 0 0 0 0 0 0\n");
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->at(1), (Softnet{.cpu = 1, .processed = 0xffffffff, .dropped = 5, .time_squeeze = 6}));
}

TEST(Softnet, a_processor_that_is_off_line_leaves_no_gap_in_the_names) {
  std::string rest = " 0 0 0 0 0 0 0 0 0 0 0 ";
  auto cpus = parse_softnet("1" + rest + "0\n2" + rest + "7\n");
  ASSERT_TRUE(cpus) << cpus.error().message;
  EXPECT_EQ(cpus->at(1).cpu, 7u);
}

TEST(Softnet, bad_text_names_the_line) {
  EXPECT_EQ(parse_softnet("").error().message, "softnet_stat:1: empty");
  EXPECT_EQ(parse_softnet("1 2 3\n").error().message, "softnet_stat:1: 3 columns, not 9 or more");
  EXPECT_EQ(parse_softnet("1 2 3 0 0 0 0 0 0\n1 x\n").error().message,
            "softnet_stat:2: 'x' is not a hexadecimal number of 32 bits");
  EXPECT_FALSE(parse_softnet("100000000 0 0 0 0 0 0 0 0\n"));
  EXPECT_FALSE(parse_softnet("-1 0 0 0 0 0 0 0 0\n"));
}

// ---- nf_conntrack ----

TEST(ConntrackFiles, the_table_and_what_it_dropped) {
  auto files = read_conntrack(fixture::root("proc-6.18"));
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(files->table, (Conntrack{.count = 262'128, .max = 262'144}));
  EXPECT_EQ(files->counters, (Counters{{"Conntrack.drop", 320},
                                       {"Conntrack.early_drop", 10},
                                       {"Conntrack.insert_failed", 2},
                                       {"Conntrack.chaintoolong", 1}}));
  EXPECT_FALSE(files->counters_error);
}

TEST(ConntrackFiles, a_host_that_tracks_nothing_has_no_table_rather_than_an_empty_one) {
  auto files = read_conntrack(fixture::root("proc-5.10"));
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, ErrorCode::not_found);
}

TEST(ConntrackFiles, an_empty_table_is_one_and_a_container_may_not_see_the_limit) {
  os::TempTree tree;
  tree.file("/proc/sys/net/netfilter/nf_conntrack_count", "0\n");
  auto empty = read_conntrack(tree.root());
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->table, (Conntrack{.count = 0, .max = {}}));
  EXPECT_FALSE(empty->counters_error);
  tree.file("/proc/sys/net/netfilter/nf_conntrack_count", "7\n");
  tree.file("/proc/sys/net/netfilter/nf_conntrack_max", "many\n");
  auto some = read_conntrack(tree.root());
  ASSERT_TRUE(some);
  EXPECT_EQ(some->table, (Conntrack{.count = 7, .max = {}}));
  ASSERT_TRUE(some->counters_error);
  EXPECT_THAT(some->counters_error->message, HasSubstr("stat/nf_conntrack"));
  tree.file("/proc/sys/net/netfilter/nf_conntrack_count", "-1\n");
  EXPECT_THAT(read_conntrack(tree.root()).error().message, HasSubstr("'-1' is not a number of entries"));
}

TEST(ConntrackFiles, columns_are_found_by_their_names) {
  Counters old;
  // As before 5.15: other columns, and none for long chains.
  ASSERT_TRUE(
      parse_conntrack_stat("entries  searched found new invalid ignore delete delete_list insert insert_failed "
                           "drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n"
                           "1 2 3 4 5 6 7 8 9 a b c d e f 10 11\n",
                           old));
  EXPECT_EQ(old, (Counters{{"Conntrack.drop", 11}, {"Conntrack.early_drop", 12}, {"Conntrack.insert_failed", 10}}));
}

TEST(ConntrackFiles, bad_text_names_the_line_and_adds_nothing) {
  Counters into;
  auto message = [&](std::string_view text) { return parse_conntrack_stat(text, into).error().message; };
  EXPECT_EQ(message(""), "nf_conntrack:1: empty");
  EXPECT_EQ(message("entries found\n1 2\n"),
            "nf_conntrack:1: no columns drop, early_drop and insert_failed, or no values below them");
  EXPECT_EQ(message("entries drop\n"),
            "nf_conntrack:1: no columns drop, early_drop and insert_failed, or no values below them");
  EXPECT_EQ(message("entries drop\n1 2\n1\n"), "nf_conntrack:3: not as many values as names in the heading");
  EXPECT_EQ(message("entries drop\n1 z\n"), "nf_conntrack:2: 'z' is not a hexadecimal number");
  EXPECT_TRUE(into.empty());
  ASSERT_TRUE(parse_conntrack_stat("drop\nffffffffffffffff\nffffffffffffffff\n", into));
  EXPECT_EQ(into.at("Conntrack.drop"), UINT64_MAX);
}

// ---- pressure ----

TEST(HostPressureFiles, stalls_and_what_tasks_did_for_memory) {
  PressureFiles files = read_host_pressure(fixture::root("proc-6.18"));
  EXPECT_FALSE(files.stalls_error || files.vmstat_error);
  EXPECT_EQ(files.pressure.memory_some, (Stall{.percent_10 = 0.59, .percent_60 = 0.85, .total_us = 111'853'458}));
  EXPECT_EQ(files.pressure.memory_full, (Stall{.percent_10 = 0.28, .percent_60 = 0.6, .total_us = 28'542'806}));
  EXPECT_EQ(files.pressure.cpu_some->percent_60, 19.48);
  EXPECT_EQ(files.pressure.io_some->percent_60, 0.12);
  EXPECT_EQ(files.pressure.io_full->total_us, 8'000u);
  EXPECT_EQ(files.pressure.allocation_stalls, 42u);
  EXPECT_EQ(files.pressure.oom_kills, 2u);
}

TEST(HostPressureFiles, a_kernel_without_stalls_still_counts_reclaim) {
  PressureFiles files = read_host_pressure(fixture::root("proc-5.10"));
  ASSERT_TRUE(files.stalls_error);
  EXPECT_EQ(files.stalls_error->code, ErrorCode::not_found);
  EXPECT_FALSE(files.pressure.memory_some || files.pressure.cpu_some || files.pressure.io_some);
  EXPECT_EQ(files.pressure.allocation_stalls, 3u);
  EXPECT_FALSE(files.pressure.oom_kills);
  os::TempTree nothing;
  PressureFiles none = read_host_pressure(nothing.root());
  EXPECT_EQ(none.pressure, HostPressure{});
  EXPECT_TRUE(none.stalls_error && none.vmstat_error);
}

TEST(HostPressureFiles, odd_text_is_an_error_and_never_a_zero) {
  auto message = [](std::string_view text) { return parse_pressure(text, "memory").error().message; };
  EXPECT_EQ(message(""), "memory: no line starts with some");
  EXPECT_EQ(message("full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"), "memory: no line starts with some");
  EXPECT_EQ(message("some avg10=0.00 avg60=0.00\n"), "memory:1: without avg10, avg60 or total");
  EXPECT_EQ(message("some avg10=nan avg60=0.00 total=0\n"), "memory:1: 'nan' is not the number that avg10 should be");
  EXPECT_EQ(message("some avg10=0 avg60=1e9 total=0\n"), "memory:1: '1e9' is not the number that avg60 should be");
  EXPECT_EQ(message("some avg10=0 avg60=500 total=0\n"), "memory:1: '500' is not the number that avg60 should be");
  EXPECT_EQ(message("some avg10=0 avg60=0 total=-4\n"), "memory:1: '-4' is not the number that total should be");
  EXPECT_EQ(message("some avg10\n"), "memory:1: '' is not the number that avg10 should be");
  auto cpu = parse_pressure("some avg10=1.50 avg60=2.00 avg300=0.00 total=7 more=9\n", "cpu");
  ASSERT_TRUE(cpu);
  EXPECT_EQ(cpu->some, (Stall{.percent_10 = 1.5, .percent_60 = 2, .total_us = 7}));
  EXPECT_FALSE(cpu->full);
  EXPECT_FALSE(parse_vmstat("allocstall_normal many\n").allocation_stalls);
}

TEST(LoadFiles, damaged_text_is_an_error_or_a_value_never_a_crash) {
  std::string dir = "proc-6.18/proc/";
  int parsed = 0;
  auto count = [&](bool ok) { parsed += ok; };
  fixture::damage_text(fixture::text(dir + "thread-self/net/softnet_stat"),
                       [&](std::string_view text) { count(parse_softnet(text).has_value()); });
  fixture::damage_text(fixture::text(dir + "thread-self/net/stat/nf_conntrack"), [&](std::string_view text) {
    Counters counters;
    count(parse_conntrack_stat(text, counters).has_value());
  });
  fixture::damage_text(fixture::text(dir + "pressure/memory"),
                       [&](std::string_view text) { count(parse_pressure(text, "memory").has_value()); });
  fixture::damage_text(fixture::text(dir + "vmstat"),
                       [&](std::string_view text) { count(parse_vmstat(text).allocation_stalls.has_value()); });
  EXPECT_GT(parsed, 0);
}

}  // namespace
}  // namespace tcpadvisor::sources::load_files_test
