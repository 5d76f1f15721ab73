// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/line.h"

#include <gmock/gmock.h>

#include "agent/watch/ansi.h"

namespace tcpadvisor::watch {
namespace {

using ::testing::ElementsAre;

const Glyphs& utf8() {
  return glyphs(true);
}

TEST(Line, CountsColumnsNotBytes) {
  EXPECT_EQ(columns_of("abc"), 3u);
  EXPECT_EQ(columns_of("a→b"), 3u);
  EXPECT_EQ(columns_of("日本"), 4u);
  EXPECT_EQ(columns_of("e\u0301"), 1u);  // a combining accent
  EXPECT_EQ(columns_of(""), 0u);
}

TEST(Line, CutsWithAnEllipsisAndNeverInsideACharacter) {
  EXPECT_EQ(cut("abcdef", 6, utf8()), "abcdef");
  EXPECT_EQ(cut("abcdef", 4, utf8()), "abc…");
  EXPECT_EQ(cut("日本語", 4, utf8()), "日…");
  EXPECT_EQ(cut("abc", 0, utf8()), "");
  EXPECT_EQ(cut("abcdef", 4, glyphs(false)), "abc~");
}

TEST(Line, CutsTheMiddleOfAnAddress) {
  EXPECT_EQ(cut_middle("0123456789", 7, utf8()), "012…789");
  EXPECT_EQ(cut_middle("0123456789", 10, utf8()), "0123456789");
  EXPECT_EQ(cut_middle("0123456789", 1, utf8()), "…");
}

TEST(Line, FillsColumns) {
  EXPECT_EQ(left("ab", 4, utf8()), "ab  ");
  EXPECT_EQ(right("ab", 4, utf8()), "  ab");
  EXPECT_EQ(right("日本語", 4, utf8()), " 日…");
}

TEST(Line, FitKeepsAttributesAndWidth) {
  Line line("STATE ", Attr::label);
  line.add("0123456789", Attr::critical);
  Line fitted = fit(line, 10, utf8());
  EXPECT_EQ(fitted.text(), "STATE 012…");
  EXPECT_EQ(fitted.spans[1].attr, Attr::critical);
  EXPECT_EQ(fit(line, 16, utf8()).text(), "STATE 0123456789");
  EXPECT_EQ(fit(line, 0, utf8()).width(), 0u);
}

TEST(Line, FitMakesAsciiOnOldTerminals) {
  EXPECT_EQ(fit(Line("naïve 日本"), 80, glyphs(false)).text(), "na?ve ????");
}

TEST(Line, WrapsAtBlanks) {
  EXPECT_THAT(wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap("one two three", 7, 2), ElementsAre("one", "  two", "  three"));
  EXPECT_THAT(wrap("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(wrap("a\n\nb", 10), ElementsAre("a", "", "b"));
  EXPECT_THAT(wrap("", 10), ElementsAre(""));
}

TEST(Line, WrapNeverLosesOrRepeatsText) {
  std::string text = "  the quick brown fox jumps over the lazy dog ";
  for (std::size_t width = 1; width < 60; ++width) {
    std::string joined;
    for (const std::string& part : wrap(text, width, 1)) {
      EXPECT_LE(columns_of(part), width);
      joined += part;
    }
    std::erase(joined, ' ');
    EXPECT_EQ(joined, "thequickbrownfoxjumpsoverthelazydog");
  }
}

TEST(Ansi, OnlyWhenAskedFor) {
  Line line("a", Attr::critical);
  line.add("b");
  EXPECT_EQ(ansi_text(line, false), "ab");
  EXPECT_EQ(ansi_text(line, true), "\033[1;31ma\033[0mb");
}

}  // namespace
}  // namespace tcpadvisor::watch
