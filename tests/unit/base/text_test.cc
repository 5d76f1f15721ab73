// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/text.h"

#include <gtest/gtest.h>

namespace tcpadvisor::text_test {
namespace {

using namespace std::chrono_literals;

TEST(Text, commas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(130'944), "130,944");
  EXPECT_EQ(with_commas(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(Text, bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(900), "900 B");
  EXPECT_EQ(human_bytes(131'072), "128 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(24ull << 30), "24 GiB");
}

TEST(Text, durations) {
  EXPECT_EQ(human_duration(0ms), "0 s");
  EXPECT_EQ(human_duration(4ms), "4 ms");
  EXPECT_EQ(human_duration(1500ms), "1.5 s");
  EXPECT_EQ(human_duration(70s), "1m 10s");
  EXPECT_EQ(human_duration(2h), "2h");
  EXPECT_EQ(human_duration(49h), "2d 1h");
  EXPECT_EQ(human_duration(-3s), "-3 s");
}

TEST(Text, parses_durations_with_units_only) {
  EXPECT_EQ(parse_duration("500ms").value(), 500ms);
  EXPECT_EQ(parse_duration("8s").value(), 8s);
  EXPECT_EQ(parse_duration("10m").value(), 10min);
  EXPECT_EQ(parse_duration("1h").value(), 1h);
  for (const char* wrong :
       {"", "8", "s", "8 s", "-8s", "0s", "1d", "99999999999999999999s", "9000000h", "1.5s", "8s "}) {
    auto parsed = parse_duration(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_EQ(parsed.error().code, ErrorCode::bad_input);
    EXPECT_NE(parsed.error().message.find('\''), std::string::npos) << "quotes what was wrong";
  }
}

TEST(Text, parses_sizes) {
  EXPECT_EQ(parse_size("4096").value(), 4096u);
  EXPECT_EQ(parse_size("64K").value(), 65'536u);
  EXPECT_EQ(parse_size("64KiB").value(), 65'536u);
  EXPECT_EQ(parse_size("2M").value(), 2u << 20);
  EXPECT_EQ(parse_size("1GiB").value(), 1u << 30);
  for (const char* wrong : {"", "K", "64k", "64KB", "-1", "18446744073709551615G"})
    EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(Text, parses_whole_numbers) {
  EXPECT_EQ(parse_u64("18446744073709551615").value(), UINT64_MAX);
  for (const char* wrong : {"", "-1", "+1", "1x", "18446744073709551616", " 1"})
    EXPECT_FALSE(parse_u64(wrong)) << wrong;
}

TEST(Text, printable_keeps_text_and_replaces_what_moves_terminals) {
  EXPECT_EQ(printable("nginx: worker"), "nginx: worker");
  EXPECT_EQ(printable("zürich"), "zürich");
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a?[2Jb?");
  EXPECT_EQ(printable("\xff\xc3"), "??");
  EXPECT_EQ(printable("\xc0\xaf"), "??") << "overlong";
  EXPECT_EQ(printable("\xc2\x9b"), "??") << "C1 control";
  EXPECT_EQ(printable("a\u202e\u2066b\u200b\u2028c"), "a??????b??????c") << "what turns, hides or breaks text";
  EXPECT_EQ(printable("\U000e0041"), "????") << "a tag that nobody sees";
}

TEST(Text, hashes_are_the_same_everywhere) {
  EXPECT_EQ(hex64(stable_hash("")), "cbf29ce484222325");
  EXPECT_EQ(hex64(stable_hash("a")), "af63dc4c8601ec8c");
  EXPECT_EQ(hex64(1), "0000000000000001");
}

}  // namespace
}  // namespace tcpadvisor::text_test
