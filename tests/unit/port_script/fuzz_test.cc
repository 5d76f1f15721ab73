// SPDX-License-Identifier: Apache-2.0
// Scripts that are broken at random: no crash, and one clear line about what is wrong.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/unit/port_script/play.h"

namespace tcpadvisor::port::script::fuzz_test {
namespace {

std::vector<std::string> seeds() {
  std::vector<std::string> texts;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(TCPADVISOR_SOURCE_DIR) / "tests/port/cases")) {
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    texts.push_back(text.str());
  }
  return texts;
}

class Breaker {
 public:
  explicit Breaker(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  std::string broken(const std::vector<std::string>& seeds) {
    std::string text = seeds[below(seeds.size())];
    std::size_t times = 1 + below(4);
    for (std::size_t i = 0; i < times; ++i) break_once(text, seeds);
    return text;
  }

 private:
  void break_once(std::string& text, const std::vector<std::string>& seeds) {
    constexpr std::array<std::string_view, 26> kPieces{" ",
                                                       "\n",
                                                       "=",
                                                       "->",
                                                       "#",
                                                       ",",
                                                       "until",
                                                       "q>0",
                                                       "-1",
                                                       "99999999999999999999",
                                                       "4GiB",
                                                       "9223372036854775807",
                                                       "A",
                                                       "P",
                                                       "repeat=1000000",
                                                       "wait 8760h",
                                                       "within 0",
                                                       "on fake ",
                                                       "kind=bang",
                                                       "force",
                                                       "{error,closed}",
                                                       "Q*Q*Q",
                                                       "\xff",
                                                       "peer P ",
                                                       "hold P",
                                                       "exit owner"};
    std::size_t at = below(text.size());
    switch (below(6)) {
      case 0:
        text.erase(at, 1 + below(12));
        break;
      case 1:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 2:
        text[at] = static_cast<char>(below(256));
        break;
      case 3:
        text.resize(at);
        break;
      case 4:
        swap_words(text);
        break;
      default: {
        const std::string& other = seeds[below(seeds.size())];
        std::size_t from = below(other.size());
        text.insert(at, other.substr(from, below(80)));
      }
    }
    if (text.empty()) text = "x";
  }

  void swap_words(std::string& text) {
    std::vector<std::string> words;
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.size() < 2) return;
    std::string from = words[below(words.size())], to = words[below(words.size())];
    if (auto place = text.find(from); place != std::string::npos) text.replace(place, from.size(), to);
  }

  std::mt19937 random_;
};

void expect_clear(const Error& error, const std::string& text) {
  EXPECT_EQ(error.code, ErrorCode::bad_input) << error.message << "\n" << text;
  EXPECT_THAT(error.message, testing::MatchesRegex("t:[1-9][0-9]*:[1-9][0-9]*: [^\n]+"));
  EXPECT_LT(error.message.size(), 700U) << error.message;
  for (char c : error.message) EXPECT_FALSE(static_cast<unsigned char>(c) < ' ' || c == 127) << "unprintable";
}

TEST(Fuzz, BrokenScriptsGetOneClearLine) {
  constexpr int kScripts = 4'000;
  Breaker breaker(20'261'122);
  const std::vector<std::string> from = seeds();
  ASSERT_GE(from.size(), 31U);
  int wrong = 0, played = 0;
  for (int i = 0; i < kScripts; ++i) {
    std::string text = breaker.broken(from);
    auto script = parse_script("t", text);
    if (!script) {
      expect_clear(script.error(), text);
      ++wrong;
      continue;
    }
    ++played;
    auto world = fake_world();
    TextTranscript transcript({});
    int patience = 20'000;  // steps and milliseconds of virtual time: an hour is in none of these
    RunSettings settings{.keep_going = true, .stop = [&]() -> std::optional<Error> {
                           if (--patience > 0) return std::nullopt;
                           return Error{ErrorCode::failed, "enough", 0};
                         }};
    RunResult result = run_script(*script, *world, settings, transcript);
    if (result.error && result.error->code == ErrorCode::bad_input) expect_clear(*result.error, text);
    if (HasFailure()) FAIL() << text;
  }
  EXPECT_GT(wrong, kScripts / 4);
  EXPECT_GT(played, kScripts / 20) << "some are only different, and have to run";
}

TEST(Fuzz, AnyBytesAtAll) {
  std::mt19937 random(7);
  for (int i = 0; i < 3'000; ++i) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random());
    auto script = parse_script("t", text);
    if (!script) expect_clear(script.error(), text);
  }
}

}  // namespace
}  // namespace tcpadvisor::port::script::fuzz_test
