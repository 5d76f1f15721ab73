// SPDX-License-Identifier: Apache-2.0
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "agent/store/recorder.h"
#include "agent/store/recording.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::store::store_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

class Store : public testing::Test {
 protected:
  void SetUp() override {
    std::string place = (fs::temp_directory_path() / "store_test.XXXXXX").string();
    folder_ = mkdtemp(place.data());
    path_ = (folder_ / "a.rec").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Tick `at` of a host with `sockets` connections that all differ and move.
  static Sample tick(std::size_t at, std::size_t sockets = 20) {
    Sample sample;
    sample.mono_ms = 5'000 + 1'000 * at;
    sample.wall_ms = 1'700'000'000'000 + static_cast<std::int64_t>(1'000 * at);
    sample.host.name = "box";
    sample.host.kernel = "6.1";
    std::mt19937_64 random(at);
    for (std::size_t i = 0; i < sockets; ++i) {
      SocketRow row = build::a_socket().pid(100, "srv").recv_q(random());
      row.cookie = 1 + i;
      row.bytes_acked = random();
      sample.sockets.push_back(row);
    }
    return sample;
  }
  void record(std::size_t ticks, const RecorderOptions& options = {}) {
    auto recorder = Recorder::create(path_, options);
    ASSERT_TRUE(recorder) << recorder.error().message;
    for (std::size_t at = 0; at < ticks; ++at) ASSERT_TRUE((*recorder)->add(tick(at)));
  }
  std::string error_of_opening() {
    auto opened = Recording::open(path_);
    return opened ? "" : std::string(opened.error().code == ErrorCode::bad_input ? "" : "!") + opened.error().message;
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(Store, gives_back_every_tick_in_any_order) {
  RecorderOptions options;
  options.chain_ticks = 4;
  options.tool_version = "1.2";
  record(11, options);
  auto opened = Recording::open(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  Recording& recording = **opened;
  EXPECT_EQ(recording.about().host, "box");
  EXPECT_EQ(recording.about().kernel, "6.1");
  EXPECT_EQ(recording.about().tool_version, "1.2");
  EXPECT_EQ(recording.about().thinned, 0U);
  EXPECT_EQ(recording.about().damage, "");
  ASSERT_EQ(recording.moments().size(), 11U);
  for (std::size_t at : {0U, 1U, 2U, 10U, 9U, 3U, 3U, 7U, 8U, 5U}) {
    auto sample = recording.sample(at);
    ASSERT_TRUE(sample) << at << " " << sample.error().message;
    EXPECT_TRUE(**sample == tick(at)) << at;
    EXPECT_EQ(recording.moments()[at].mono_ms, tick(at).mono_ms);
  }
  EXPECT_FALSE(recording.sample(11));
}

TEST_F(Store, what_is_not_finished_is_complete_up_to_its_last_tick) {
  auto recorder = Recorder::create(path_, {});
  ASSERT_TRUE(recorder);
  for (std::size_t at = 0; at < 3; ++at) ASSERT_TRUE((*recorder)->add(tick(at)));
  const std::string copy = path_ + ".copy";  // as after kill -9: nobody closed it
  fs::copy_file(path_, copy);
  path_ = copy;
  auto opened = Recording::open(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ((*opened)->moments().size(), 3U);
}

TEST_F(Store, a_full_file_thins_what_is_old_and_says_so) {
  RecorderOptions options;
  options.max_bytes = kLeastBytes;
  options.chain_ticks = 10;
  auto recorder = Recorder::create(path_, options);
  ASSERT_TRUE(recorder);
  constexpr std::size_t kTicks = 300;
  for (std::size_t at = 0; at < kTicks; ++at) {
    ASSERT_TRUE((*recorder)->add(tick(at, 400)));
    ASSERT_LE(fs::file_size(path_), kLeastBytes) << at;
  }
  EXPECT_GT((*recorder)->thinned(), 0U);
  const std::uint64_t thinned = (*recorder)->thinned();
  recorder->reset();
  auto opened = Recording::open(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto& moments = (*opened)->moments();
  EXPECT_EQ(moments.size() + thinned, kTicks);
  EXPECT_EQ((*opened)->about().thinned, thinned);
  // What is left is right, and the newest are all there.
  for (std::size_t at = 0; at < moments.size(); ++at) {
    auto sample = (*opened)->sample(at);
    ASSERT_TRUE(sample);
    EXPECT_TRUE(**sample == tick((moments[at].mono_ms - 5'000) / 1'000, 400));
  }
  for (std::size_t back = 0; back < 5; ++back) {
    EXPECT_EQ(moments[moments.size() - 1 - back].mono_ms, tick(kTicks - 1 - back).mono_ms);
  }
}

TEST_F(Store, writes_over_nothing_and_refuses_what_is_too_small) {
  record(1);
  auto again = Recorder::create(path_, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::bad_input);
  EXPECT_THAT(again.error().message, HasSubstr("is there already"));
  RecorderOptions small;
  small.max_bytes = 1000;
  auto tiny = Recorder::create(path_ + "2", small);
  ASSERT_FALSE(tiny);
  EXPECT_THAT(tiny.error().message, HasSubstr("at least 1 MiB"));
  EXPECT_FALSE(Recorder::create((folder_ / "none" / "a").string(), {}));
}

TEST_F(Store, says_in_one_line_what_is_wrong_with_a_file) {
  EXPECT_THAT(error_of_opening(), HasSubstr("No such file"));
  std::ofstream(path_).close();
  EXPECT_THAT(error_of_opening(), HasSubstr("is empty"));
  std::ofstream(path_) << std::string(4096, 'x');
  EXPECT_THAT(error_of_opening(), HasSubstr("is not a recording"));
  fs::remove(path_);
  SQLite::Database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE a (b)");
  EXPECT_THAT(error_of_opening(), HasSubstr("is not a recording"));
  fs::remove(path_);
  record(1);
  SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 99");
  EXPECT_THAT(error_of_opening(), HasSubstr("newer tcpadvisor: its format is 99, this program reads up to 1"));
  fs::remove(path_);
  record(1);
  SQLite::Database(path_, SQLite::OPEN_READWRITE)
      .exec(
          "DROP TABLE tick; CREATE VIEW tick AS WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n FROM x) SELECT n "
          "AS number, 0 AS chain, 0 AS mono_ms, 0 AS wall_ms FROM x");
  EXPECT_THAT(error_of_opening(), HasSubstr("has tables that no recording has"));
  fs::remove(path_);
  auto nothing = Recorder::create(path_, {});
  nothing->reset();
  EXPECT_THAT(error_of_opening(), HasSubstr("has no ticks"));
  EXPECT_THAT(Recording::open(folder_.string()).error().message, HasSubstr("is not a file"));
}

TEST_F(Store, reads_what_is_left_of_a_file_that_was_cut_off) {
  RecorderOptions options;
  options.chain_ticks = 5;
  auto recorder = Recorder::create(path_, options);
  for (std::size_t at = 0; at < 60; ++at) ASSERT_TRUE((*recorder)->add(tick(at, 200)));
  recorder->reset();
  const auto size = fs::file_size(path_);
  std::size_t most = 0, opened_at_all = 0;
  for (std::uint64_t part = 1; part < 8; ++part) {
    const std::string copy = path_ + std::to_string(part);
    fs::copy_file(path_, copy);
    fs::resize_file(copy, size * part / 8);
    auto opened = Recording::open(copy);
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::bad_input);
      EXPECT_EQ(opened.error().message.find('\n'), std::string::npos);
      continue;
    }
    ++opened_at_all;
    EXPECT_NE((*opened)->about().damage, "");
    std::size_t good = 0;
    for (std::size_t at = 0; at < (*opened)->moments().size(); ++at) {
      auto sample = (*opened)->sample(at);
      if (!sample) continue;
      ++good;
      EXPECT_TRUE(**sample == tick(((*sample)->mono_ms - 5'000) / 1'000, 200));
    }
    most = std::max(most, good);
  }
  EXPECT_GT(opened_at_all, 3U);
  EXPECT_GT(most, 30U);
}

TEST_F(Store, survives_every_kind_of_damage) {
  record(12);
  std::ifstream file(path_, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string changed = whole;
    for (int i = 0; i < 8; ++i)
      changed[random() % (round % 2 == 0 ? whole.size() : 1024)] = static_cast<char>(random());
    const std::string copy = path_ + ".bad";
    std::ofstream(copy, std::ios::binary) << changed;
    auto opened = Recording::open(copy);
    if (!opened) continue;
    for (std::size_t at = 0; at < (*opened)->moments().size(); ++at) {
      const auto sample = (*opened)->sample(at);
      if (!sample) {
        EXPECT_NE(sample.error().message, "");
      }
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::store::store_test
