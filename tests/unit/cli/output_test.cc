// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/output.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tcpadvisor::cli::output_test {
namespace {

namespace fs = std::filesystem;

class Output : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "tcpadvisor-output-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t files() { return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), {})); }

  fs::path dir_;
};

TEST_F(Output, ReplacesAFileAndKeepsItsMode) {
  fs::path path = dir_ / "report.txt";
  ASSERT_TRUE(write_file(path, "first"));
  EXPECT_EQ(read(path), "first");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  ASSERT_TRUE(write_file(path, "second"));
  EXPECT_EQ(read(path), "second");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
  EXPECT_EQ(files(), 1u) << "no temporary file is left";
}

TEST_F(Output, ANewFileHasTheUsualMode) {
  mode_t mask = umask(022);
  fs::path path = dir_ / "report.txt";
  ASSERT_TRUE(write_file(path, "text"));
  umask(mask);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0644));
}

TEST_F(Output, AFailureLeavesNothingAndNamesTheFile) {
  Status status = write_file(dir_ / "nowhere" / "report.txt", "text");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "cannot write " + (dir_ / "nowhere" / "report.txt").string() + ": No such file or directory");
  fs::create_directory(dir_ / "taken");
  EXPECT_FALSE(write_file(dir_ / "taken", "text"));
  EXPECT_EQ(files(), 1u);
}

TEST_F(Output, ADeviceIsWrittenNotReplaced) {
  ASSERT_TRUE(write_file("/dev/null", "text"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(Output, ExitCodes) {
  EXPECT_EQ(exit_code_of({ErrorCode::bad_input, "", 0}), 2);
  EXPECT_EQ(exit_code_of({ErrorCode::denied, "", 0}), 4);
  EXPECT_EQ(exit_code_of({ErrorCode::unsupported, "", 0}), 4);
  EXPECT_EQ(exit_code_of({ErrorCode::failed, "", 0}), 1);
}

TEST_F(Output, ColourOnlyWhereItIsWanted) {
  EXPECT_TRUE(wants_color(Color::always, -1));
  EXPECT_FALSE(wants_color(Color::never, -1));
  EXPECT_FALSE(wants_color(Color::automatic, -1)) << "not a terminal";
}

}  // namespace
}  // namespace tcpadvisor::cli::output_test
