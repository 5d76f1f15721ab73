// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/toml.h"

#include <gmock/gmock.h>

namespace tcpadvisor::toml_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<TomlSection> sections_of(std::string_view text) {
  auto parsed = parse_toml(text, "f.toml");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed.value_or(std::vector<TomlSection>());
}

std::string error_of(std::string_view text) {
  auto parsed = parse_toml(text, "f.toml");
  EXPECT_FALSE(parsed) << text;
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::bad_input);
  return parsed.error().message;
}

TEST(Toml, gives_sections_and_keys_in_the_order_of_the_file) {
  auto sections = sections_of("z = 1 # one\n a = \"2s\"\n[rule.close-wait-leak]\nage = '3s'\n[empty]\n[b]\n");
  ASSERT_EQ(sections.size(), 4u);
  EXPECT_EQ(sections[0].name, "");
  ASSERT_EQ(sections[0].entries.size(), 2u);
  EXPECT_EQ(sections[0].entries[0].key, "z");
  EXPECT_EQ(sections[0].entries[1].key, "a");
  EXPECT_EQ(sections[0].entries[1].key_at.line, 2u);
  EXPECT_EQ(sections[0].entries[1].key_at.column, 2u);
  EXPECT_EQ(sections[0].entries[1].value_at.column, 6u);
  EXPECT_EQ(sections[1].name, "rule.close-wait-leak");
  EXPECT_THAT(sections[1].entries[0].values, ElementsAre("3s"));
  EXPECT_EQ(sections[2].name, "empty");
  EXPECT_EQ(sections[2].at.line, 5u);
  EXPECT_THAT(sections[2].entries, IsEmpty());
  EXPECT_EQ(sections[3].name, "b");
}

TEST(Toml, knows_kinds) {
  auto sections = sections_of("a=\"x\"\nb=0x10\nc=0.5\nd=true\ne=[1, \"two\"]\nf=[]\n");
  std::vector<TomlKind> kinds;
  std::vector<std::string> values;
  for (const TomlEntry& entry : sections.at(0).entries) {
    kinds.push_back(entry.kind);
    values.insert(values.end(), entry.values.begin(), entry.values.end());
  }
  EXPECT_THAT(kinds, ElementsAre(TomlKind::text, TomlKind::integer, TomlKind::real, TomlKind::boolean, TomlKind::list,
                                 TomlKind::list));
  EXPECT_THAT(values, ElementsAre("x", "16", "0.5", "true", "1", "two"));
}

TEST(Toml, takes_any_line_ends_and_a_byte_order_mark) {
  EXPECT_EQ(sections_of("\xEF\xBB\xBF"
                        "a = 1\r\nb = 2\r\n")
                .at(0)
                .entries.size(),
            2u);
  EXPECT_THAT(sections_of(""), IsEmpty());
}

TEST(Toml, errors_have_line_and_column) {
  EXPECT_EQ(error_of("# x\nwindow = 5s"),
            "f.toml, line 2, column 11: parsing decimal integer: expected digit, saw 's'; durations, sizes and names "
            "are texts: write them in quotes");
  EXPECT_THAT(error_of("age = soon"), HasSubstr("write them in quotes"));
  EXPECT_THAT(error_of("age 3s"), StartsWith("f.toml, line 1, column 5: "));
  EXPECT_THAT(error_of("a = 1\na = 2"), HasSubstr("line 2, column 5: parsing key-value pair: cannot redefine"));
  EXPECT_THAT(error_of("[x\n"), StartsWith("f.toml, line 1, column 3: "));
  EXPECT_THAT(error_of("a = \"\xff\""), HasSubstr("only ASCII"));
  EXPECT_EQ(error_of("a = 1\nb = 2020-01-01"),
            "f.toml, line 2, column 1: b: write a text, a number, true or false, or a list");
  EXPECT_THAT(error_of("a = [[1]]"), HasSubstr("a: write a text"));
  EXPECT_THAT(error_of("[[t]]\nx = 1"), HasSubstr("t: write a text"));
  EXPECT_THAT(error_of("\x1b[31m"), testing::Not(HasSubstr("\x1b")));
}

/// The library takes tables apart by recursion: half a million of them in each other were the end of the process.
// The library would go on and assume the best: found by tests/fuzz.
TEST(Toml, holds_ascii_outside_of_comments_and_names_its_sections) {
  constexpr const char* kOnlyAscii = "only ASCII may stand here; in quotes, \\u00E4 is a letter beyond it";
  EXPECT_EQ(error_of("a = 1\n[close-\xEF\xBB\xB7leak]\n"), std::string("f.toml, line 2, column 8: ") + kOnlyAscii);
  EXPECT_EQ(error_of("a = \"\xC3\xA4\"\n"), std::string("f.toml, line 1, column 6: ") + kOnlyAscii);
  EXPECT_EQ(error_of("a = 1\n [*b]\n"), "f.toml, line 2, column 2: a section needs a name: [name]");
  EXPECT_EQ(error_of("[[ ]]\n"), "f.toml, line 1, column 1: a section needs a name: [name]");
  EXPECT_THAT(error_of("d = 1979-05-27Tz7:32:]]\n"), StartsWith("f.toml, "));
  auto sections = sections_of(
      "# \xC3\xA4\n"
      "a = \"\\u00E4 \\\" # [\" # \xC3\xA4\n"
      "b = '''\n[ x'\n'''\n"
      "[ \"y\" ]\n"
      "c = ['[*', \"]\"]\n");
  ASSERT_EQ(sections.size(), 2u);
  EXPECT_THAT(sections[0].entries.at(0).values, ElementsAre("\xC3\xA4 \" # ["));
  EXPECT_EQ(sections[1].name, "y");
  EXPECT_THAT(sections[1].entries.at(0).values, ElementsAre("[*", "]"));
}

TEST(Toml, depth_has_an_end) {
  std::string deep;
  for (int i = 0; i < 500'000; ++i) deep += "a.";
  EXPECT_THAT(error_of(deep + "a = 1"), HasSubstr("line 1, column 1: more than 100 dots"));
  EXPECT_THAT(error_of("\n[" + deep + "a]"), HasSubstr("line 2, column 1: more than 100 dots"));
  EXPECT_THAT(error_of("a = " + std::string(500'000, '[')), StartsWith("f.toml, line 1, column "));
}

}  // namespace
}  // namespace tcpadvisor::toml_test
