// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/line.h"

#include <gtest/gtest.h>

#include "agent/watch/ansi.h"

namespace tcpadvisor::watch::line_test {
namespace {

const Glyphs& utf8() {
  return glyphs(true);
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

TEST(Ansi, OnlyWhenAskedFor) {
  Line line("a", Attr::critical);
  line.add("b");
  EXPECT_EQ(ansi_text(line, false), "ab");
  EXPECT_EQ(ansi_text(line, true), "\033[1;31ma\033[0mb");
}

}  // namespace
}  // namespace tcpadvisor::watch::line_test
