// SPDX-License-Identifier: Apache-2.0
// Whatever fails, and wherever it ends: afterwards all is as before, or all is as wanted.
#include "agent/apply/apply.h"

#include <gmock/gmock.h>

#include "tests/unit/apply/made_up_host.h"

namespace tcpadvisor::apply {
namespace apply_test {
namespace {

using made_up::Died;
using made_up::Fault;
using made_up::Host;
using made_up::Strike;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kJournal = "/var/lib/tcpadvisor/journal", kFragment = "/etc/sysctl.d/99-tcpadvisor.conf";
constexpr std::uint64_t kHost = 4026531840, kBlue = 4026532177;

PlanStep a_step(std::string knob, std::uint64_t netns, std::string from, std::string to) {
  const bool host = netns == kHost;
  return {.knob = std::move(knob),
          .netns_id = netns,
          .netns = host ? "host" : "blue",
          .old_value = std::move(from),
          .new_value = std::move(to),
          .id = "backlog-too-small",
          .instance = "0123456789abcdef",
          .title = "a burst was dropped",
          .why = "raise it",
          .persist_file = host ? std::string(kFragment) : "",
          .persist = "by what makes the namespace",
          .promise = {}};
}

Plan a_plan() {
  return {.steps = {a_step("net.core.somaxconn", kHost, "16", "1024"),
                    a_step("net.ipv4.tcp_rmem", kHost, "4096 131072 262144", "4096 131072 6291456"),
                    a_step("net.core.somaxconn", kBlue, "4096", "8192")},
          .left = {}};
}

Host a_host() {
  Host host;
  host.values = {{{kHost, "net.core.somaxconn"}, "16"},
                 {{kHost, "net.ipv4.tcp_rmem"}, "4096 131072 262144"},
                 {{kHost, "net.ipv4.tcp_wmem"}, "4096 16384 4194304"},
                 {{kBlue, "net.core.somaxconn"}, "4096"}};
  host.files = {{"/etc/sysctl.d/10-other.conf", "net.core.somaxconn = 16\n"}};
  return host;
}

Doors doors_of(Host& host) {
  return {.settings = host,
          .files = host,
          .journal = std::string(kJournal),
          .now_ms = 1'790'000'000'000,
          .who = "root",
          .boot_id = "b00t"};
}

Result<Entry> write_plan(Host& host, const Plan& plan = a_plan()) {
  Doors doors = doors_of(host);
  return write(doors, plan, {}, "r.json", "default");
}

/// What `rollback` does; nothing if there is nothing to take back.
Result<TakenBack> roll_back(Host& host, bool force = false) {
  Doors doors = doors_of(host);
  auto journal = read_journal(doors);
  if (!journal) return std::unexpected(journal.error());
  const Entry* last = journal->last_not_taken_back();
  return last == nullptr ? TakenBack() : take_back(doors, *last, force);
}

std::map<std::string, std::string> files_but_journal(Host host) {
  host.files.erase(std::string(kJournal));
  return host.files;
}

void expect_as_before(const Host& host, const std::string& what) {
  EXPECT_EQ(host.values, a_host().values) << what;
  EXPECT_EQ(files_but_journal(host), a_host().files) << what;
}

int writes_of_a_plan() {
  Host host = a_host();
  EXPECT_TRUE(write_plan(host));
  return host.writes;
}

TEST(Apply, writes_values_and_the_fragment_and_takes_them_back) {
  Host host = a_host();
  auto entry = write_plan(host);
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(host.values.at({kHost, "net.core.somaxconn"}), "1024");
  EXPECT_EQ(host.values.at({kBlue, "net.core.somaxconn"}), "8192");
  const std::string fragment = host.files.at(std::string(kFragment));
  EXPECT_THAT(fragment, HasSubstr("\nnet.core.somaxconn = 1024\n"));
  EXPECT_THAT(fragment, HasSubstr("\nnet.ipv4.tcp_rmem = 4096 131072 6291456\n"));
  EXPECT_THAT(fragment, testing::Not(HasSubstr("8192"))) << "that namespace does not read it";
  auto back = roll_back(host);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->left, IsEmpty());
  expect_as_before(host, "after rollback");
  EXPECT_THAT(roll_back(host)->done, IsEmpty()) << "there is nothing more to take back";
}

TEST(Apply, a_write_that_fails_takes_back_those_before_it) {
  const int writes = writes_of_a_plan();
  ASSERT_EQ(writes, 6) << "journal, three values, the fragment, journal";
  for (int at = 0; at + 1 < writes; ++at) {
    Host host = a_host();
    host.strike({Fault::fails, at});
    auto entry = write_plan(host);
    ASSERT_FALSE(entry);
    EXPECT_THAT(entry.error().message, HasSubstr("no space left"));
    expect_as_before(host, "write " + std::to_string(at));
    EXPECT_THAT(roll_back(host)->done, IsEmpty()) << "nothing is open";
  }
}

TEST(Apply, where_nothing_can_be_written_any_more_rollback_finds_it_later) {
  for (int at = 0; at < writes_of_a_plan(); ++at) {
    Host host = a_host();
    host.strike({Fault::fails, at, true});
    auto entry = write_plan(host);
    ASSERT_FALSE(entry);
    host.strike({});
    ASSERT_TRUE(roll_back(host));
    expect_as_before(host, "from write " + std::to_string(at));
  }
}

TEST(Apply, killed_at_any_write_and_again_in_the_rollback_all_is_as_before) {
  for (Fault fault : {Fault::dies_before, Fault::dies_after}) {
    for (int at = 0; at < writes_of_a_plan(); ++at) {
      for (int again = 0; again < 8; ++again) {
        for (Fault second : {Fault::dies_before, Fault::dies_after}) {
          Host host = a_host();
          host.strike({fault, at});
          EXPECT_THROW((void)write_plan(host), Died);
          host.strike({second, again});
          try {
            (void)roll_back(host);
          } catch (const Died&) {
          }
          host.strike({});
          auto back = roll_back(host);
          ASSERT_TRUE(back) << back.error().message;
          EXPECT_THAT(back->left, IsEmpty());
          expect_as_before(host, "killed at " + std::to_string(at) + ", then at " + std::to_string(again));
        }
      }
    }
  }
}

TEST(Apply, what_was_interrupted_comes_first) {
  Host host = a_host();
  host.strike({Fault::dies_after, 2});
  EXPECT_THROW((void)write_plan(host), Died);
  host.strike({});
  const Host before = host;
  auto again = write_plan(host);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("change 1 was interrupted: tcpadvisor rollback"));
  EXPECT_EQ(host.values, before.values);
}

TEST(Apply, a_value_that_moved_since_the_report_is_refused_and_nothing_written) {
  for (const auto& [place, value] : a_host().values) {
    if (place.second == "net.ipv4.tcp_wmem") continue;  // not in the plan
    Host host = a_host();
    host.values.at(place) = "77";
    auto entry = write_plan(host);
    ASSERT_FALSE(entry);
    EXPECT_EQ(entry.error().code, ErrorCode::bad_input);
    EXPECT_THAT(entry.error().message, HasSubstr("is 77 now, and the report saw " + value));
    EXPECT_EQ(host.writes, 0);
  }
}

TEST(Apply, a_namespace_that_is_not_here_is_refused) {
  Host host = a_host();
  host.values.erase({kBlue, "net.core.somaxconn"});
  auto entry = write_plan(host);
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::unsupported);
  EXPECT_EQ(host.writes, 0);
}

TEST(Apply, another_writer_is_refused) {
  Host host = a_host();
  Doors doors = doors_of(host);
  SettingFiles now;
  now.tuners = {"bpftune"};
  auto entry = write(doors, a_plan(), now, "r.json", "default");
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::unsupported);
  EXPECT_THAT(entry.error().message, HasSubstr("bpftune runs here"));
  EXPECT_EQ(host.writes, 0);
}

TEST(Apply, a_fragment_of_somebody_else_is_not_overwritten) {
  Host host = a_host();
  host.files[std::string(kFragment)] = "net.ipv4.tcp_sack = 1\n";
  auto entry = write_plan(host);
  ASSERT_FALSE(entry);
  EXPECT_THAT(entry.error().message, HasSubstr("is not as tcpadvisor apply left it"));
  EXPECT_EQ(host.writes, 0);
}

TEST(Apply, what_somebody_changed_since_stays_unless_forced) {
  Host host = a_host();
  ASSERT_TRUE(write_plan(host));
  host.values.at({kHost, "net.core.somaxconn"}) = "2048";
  host.files.at(std::string(kFragment)) += "net.ipv4.tcp_sack = 1\n";
  auto back = roll_back(host);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->left, testing::ElementsAre(HasSubstr("somebody has changed it since"),
                                               HasSubstr("is 2048: somebody has changed it since")));
  EXPECT_EQ(host.values.at({kHost, "net.core.somaxconn"}), "2048");
  EXPECT_EQ(host.values.at({kBlue, "net.core.somaxconn"}), "4096") << "the others are taken back";
  EXPECT_THAT(host.files.at(std::string(kFragment)), HasSubstr("tcp_sack"));
  EXPECT_FALSE(write_plan(host)) << "a fragment with another hand's line in it";
  ASSERT_TRUE(roll_back(host, true));
  expect_as_before(host, "forced");
}

TEST(Apply, a_second_change_keeps_what_the_first_wrote_and_goes_first) {
  Host host = a_host();
  ASSERT_TRUE(write_plan(host));
  const std::string first = host.files.at(std::string(kFragment));
  const auto first_values = host.values;
  Plan second{.steps = {a_step("net.ipv4.tcp_wmem", kHost, "4096 16384 4194304", "4096 16384 8388608"),
                        a_step("net.core.somaxconn", kHost, "1024", "2048")},
              .left = {}};
  auto entry = write_plan(host, second);
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->number, 2u);
  const std::string fragment = host.files.at(std::string(kFragment));
  EXPECT_THAT(fragment, HasSubstr("\nnet.ipv4.tcp_rmem = 4096 131072 6291456\n"));
  EXPECT_THAT(fragment, HasSubstr("\nnet.core.somaxconn = 2048\n"));
  EXPECT_THAT(fragment, testing::Not(HasSubstr("net.core.somaxconn = 1024\n#"))) << "one line for a setting";
  ASSERT_TRUE(roll_back(host));
  EXPECT_EQ(host.values, first_values);
  EXPECT_EQ(host.files.at(std::string(kFragment)), first);
  ASSERT_TRUE(roll_back(host));
  expect_as_before(host, "after both");
}

TEST(Apply, after_a_boot_only_the_hosts_values_are_there_to_be_taken_back) {
  Host host = a_host();
  ASSERT_TRUE(write_plan(host));
  host.values.at({kBlue, "net.core.somaxconn"}) = "5";  // another namespace under the old number
  Doors doors = doors_of(host);
  doors.boot_id = "another";
  const Result<Journal> journal = read_journal(doors);
  auto back = take_back(doors, *journal->last_not_taken_back(), false);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->left, IsEmpty());
  EXPECT_EQ(host.values.at({kBlue, "net.core.somaxconn"}), "5");
  EXPECT_EQ(host.values.at({kHost, "net.core.somaxconn"}), "16");
}

/// A host whose journal has grown beyond 1 MiB: after what it has, changes that were taken back.
Host grown(Host host) {
  Doors doors = doors_of(host);
  auto journal = read_journal(doors);
  EXPECT_TRUE(journal);
  Entry entry{.number = journal->entries.size(),
              .when_ms = doors.now_ms,
              .who = "root",
              .boot_id = "b00t",
              .report = "r.json",
              .policy = "default",
              .steps = a_plan().steps,
              .files = {},
              .note = {}};
  std::string& text = host.files[std::string(kJournal)];
  while (text.size() < 1u << 20) {
    ++entry.number;
    text += begin_line(entry) + state_line(entry.number, State::applied, doors.now_ms) +
            state_line(entry.number, State::taken_back, doors.now_ms);
  }
  return host;
}

const std::string kOld = std::string(kJournal) + ".old";

TEST(Journal, what_was_taken_back_long_ago_makes_room) {
  Host host = grown(a_host());
  const std::string before = host.files.at(std::string(kJournal));
  ASSERT_TRUE(write_plan(host));
  EXPECT_EQ(host.files.at(kOld), before);
  EXPECT_LT(host.files.at(std::string(kJournal)).size(), before.size() / 4);
  Doors doors = doors_of(host);
  auto left = read_journal(doors);
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_EQ(left->entries.size(), 65u);
  EXPECT_GT(left->entries.back().number, 300u) << "numbers go on";
  ASSERT_TRUE(roll_back(host));
  host.files.erase(kOld);
  expect_as_before(host, "after the cut");
}

TEST(Journal, killed_while_it_is_cut_it_is_whole) {
  const Host before = grown(a_host());
  for (const Fault fault : {Fault::dies_before, Fault::dies_after}) {
    for (int at = 0; at < 2; ++at) {
      Host host = before;
      host.strike({fault, at});
      EXPECT_THROW((void)write_plan(host), Died);
      host.strike({});
      EXPECT_EQ(host.values, a_host().values);
      EXPECT_TRUE(write_plan(host)) << "the next one goes on";
      EXPECT_TRUE(roll_back(host));
      EXPECT_EQ(host.values, a_host().values);
    }
  }
}

TEST(Journal, what_is_not_taken_back_is_never_cut) {
  Host standing = a_host();
  ASSERT_TRUE(write_plan(standing));
  Host host = grown(standing);
  const Plan other = {.steps = {a_step("net.ipv4.tcp_wmem", kHost, "4096 16384 4194304", "4096 16384 6291456")},
                      .left = {}};
  ASSERT_TRUE(write_plan(host, other));
  ASSERT_TRUE(host.files.contains(kOld));
  ASSERT_TRUE(roll_back(host));
  auto back = roll_back(host);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->number, 1u);
  host.files.erase(kOld);
  expect_as_before(host, "the first change, the last to be taken back");
}

TEST(Journal, tells_what_was_done) {
  Host host = a_host();
  Doors doors = doors_of(host);
  EXPECT_EQ(journal_text(*read_journal(doors)), "Nothing was ever applied.\n");
  ASSERT_TRUE(write_plan(host));
  ASSERT_TRUE(roll_back(host));
  const std::string text = journal_text(*read_journal(doors));
  EXPECT_THAT(text, HasSubstr("1. 2026-09-21 14:13:20 UTC, by root, from r.json: taken back 2026-09-21"));
  EXPECT_THAT(text, HasSubstr("net.core.somaxconn: 16 -> 1024, namespace host; a burst was dropped"));
  EXPECT_THAT(text, HasSubstr("/etc/sysctl.d/99-tcpadvisor.conf: new"));
}

TEST(Journal, an_entry_comes_back_as_it_was_written) {
  Entry entry{.number = 3, .when_ms = 5, .who = "ann", .boot_id = "b", .report = "r", .policy = "lab", .note = {}};
  entry.steps = a_plan().steps;
  entry.steps[0].promise = {.id = "backlog-too-small",
                            .instance = "0123456789abcdef",
                            .title = "a burst was dropped",
                            .scope_kind = "listener",
                            .netns = "host",
                            .comm = "web",
                            .local = "0.0.0.0:80",
                            .remote = {},
                            .pid = 7,
                            .knob = "net.core.somaxconn",
                            .takes_effect = "re-listen",
                            .metric = "drops",
                            .from = 12.5,
                            .to = 0};
  entry.files = {{"/etc/sysctl.d/a-tcpadvisor.conf", std::nullopt, "a\n"}, {"/x", "\"old\"\n", "new"}};
  const auto journal = read_journal(begin_line(entry));
  ASSERT_TRUE(journal);
  ASSERT_EQ(journal->entries.size(), 1u);
  EXPECT_EQ(begin_line(journal->entries[0]), begin_line(entry));
  EXPECT_EQ(journal->entries[0].files[0].before, std::nullopt);
  EXPECT_EQ(journal->entries[0].files[1].before, "\"old\"\n");
  EXPECT_EQ(journal->entries[0].steps[0].promise.from, 12.5);
}

TEST(Journal, a_line_of_another_program_is_not_passed_over) {
  EXPECT_FALSE(read_journal("{\"undo\": 4}\n"));
  EXPECT_FALSE(read_journal("7\n"));
  EXPECT_TRUE(read_journal("{\"begin\": 4, \"whe\n")) << "cut off by a crash, and the next line began after it";
  EXPECT_TRUE(read_journal("{\"begin\": 4, \"whe")->cut_off);
}

}  // namespace
}  // namespace apply_test
}  // namespace tcpadvisor::apply
