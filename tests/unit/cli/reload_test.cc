// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/reload.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tcpadvisor::cli::reload_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Reload : public testing::Test {
 protected:
  Reload() { std::filesystem::create_directories(folder_); }
  ~Reload() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  static Options options_of(std::vector<std::string> words) {
    std::vector<const char*> argv{"tcpadvisor"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    auto parsed = parse_options(static_cast<int>(argv.size()), argv.data());
    EXPECT_TRUE(parsed && parsed->options);
    return parsed && parsed->options ? *parsed->options : Options{};
  }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("reload-" + std::to_string(getpid()));
};

TEST_F(Reload, tells_what_is_different_and_what_waits_for_a_new_start) {
  const std::string policy = write("policy.toml", "window = \"10s\"\n[rule.close-wait-leak]\nmin_count = 5\n");
  const std::string config = write("config.toml", "policy = \"" + policy + "\"\ninterval = \"1s\"\n");
  const Options before = options_of({"serve", "--config", config});
  EXPECT_THAT(changes_between(before, *read_again(before)).now, IsEmpty());

  write("policy.toml", "window = \"2s\"\nage = \"5s\"\n[rule.close-wait-leak]\nmin_count = 6\n");
  write("config.toml", "policy = \"" + policy + "\"\nlog-level = \"info\"\n[serve]\nlisten = \"127.0.0.1:80\"\n");
  auto after = read_again(before);
  ASSERT_TRUE(after) << after.error().message;
  const Changes changes = changes_between(before, *after);
  EXPECT_THAT(changes.now, ElementsAre("log-level not set → info", "policy: window 10 s → 2 s", "policy: age 1m → 5 s",
                                       "policy: [rule.close-wait-leak] min_count 5 → 6"));
  EXPECT_THAT(changes.later, ElementsAre("interval 1s → not set", "serve.listen not set → 127.0.0.1:80",
                                         "policy: age, where totals count old sockets"));
}

TEST_F(Reload, a_mistake_is_an_error_with_its_place) {
  const std::string config = write("config.toml", "interval = \"1s\"\n");
  const Options before = options_of({"serve", "--config", config});
  write("config.toml", "intervall = \"1s\"\n");
  auto after = read_again(before);
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code, ErrorCode::bad_input);
  EXPECT_THAT(after.error().message, HasSubstr("config.toml, line 1, column 1: unknown key 'intervall'"));
}

}  // namespace
}  // namespace tcpadvisor::cli::reload_test
