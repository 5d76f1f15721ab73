// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/columns.h"

#include <gmock/gmock.h>

#include "advisor/base/columns_table.h"
#include "advisor/base/text.h"

namespace tcpadvisor::columns_test {
namespace {

using testing::ElementsAre;

constexpr const char* kAccent = "e\u0301";                   // one column in two code points
constexpr const char* kFamily = "👩\u200d👧";                // joined by a character without a width
constexpr std::string_view kInvalid = "a\xff\xc3(\xe2\x82";  // five bytes that begin nothing, or are cut off

TEST(Columns, are_not_bytes_or_code_points) {
  EXPECT_EQ(columns_of(""), 0u);
  EXPECT_EQ(columns_of("abc"), 3u);
  EXPECT_EQ(columns_of("a→b"), 3u);
  EXPECT_EQ(columns_of("naïve"), 5u);
  EXPECT_EQ(columns_of("日本"), 4u);
  EXPECT_EQ(columns_of("ﾊﾝｶｸ"), 4u) << "half width";
  EXPECT_EQ(columns_of("ＡＢ"), 4u) << "full width";
  EXPECT_EQ(columns_of("한"), 2u);
  EXPECT_EQ(columns_of("\u1112\u1161\u11ab"), 2u) << "the same, spelled";
  EXPECT_EQ(columns_of(kAccent), 1u);
  EXPECT_EQ(columns_of("🙂"), 2u);
  EXPECT_EQ(columns_of(kFamily), 4u);
  EXPECT_EQ(columns_of("\U00020000"), 2u);
  EXPECT_EQ(columns_of("\u00ad\u200b"), 1u) << "a soft hyphen is shown, a zero width space is not";
}

TEST(Columns, of_invalid_text_are_its_bytes) {
  EXPECT_EQ(columns_of(kInvalid), kInvalid.size());
  EXPECT_EQ(columns_of(printable(kInvalid)), kInvalid.size()) << "as when it is shown";
  EXPECT_EQ(columns_of("\t\x01"), 2u);
}

TEST(Columns, table_is_in_order) {
  char32_t last = 0;
  for (const CodePointRange& range : kNoColumn) {
    EXPECT_LT(last, range.first);
    EXPECT_LE(range.first, range.last);
    last = range.last;
  }
  last = 0;
  for (const CodePointRange& range : kTwoColumns) {
    EXPECT_LT(last, range.first);
    EXPECT_LE(range.first, range.last);
    last = range.last;
  }
}

TEST(Columns, cut_never_divides_a_character) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdef", 4), "abc…");
  EXPECT_EQ(cut("abcdef", 4, "~"), "abc~");
  EXPECT_EQ(cut("日本語", 4), "日…");
  EXPECT_EQ(cut("日本語", 5), "日本…");
  EXPECT_EQ(cut("abc", 0), "");
  EXPECT_EQ(beginning_of(std::string(kAccent) + "x", 1), kAccent);
  EXPECT_EQ(end_of(std::string("x") + kAccent + "y", 1), "y") << "an accent without its letter would go elsewhere";
  EXPECT_EQ(end_of("日本", 3), "本");
  EXPECT_EQ(cut_middle("0123456789", 7), "012…789");
  EXPECT_EQ(cut_middle("0123456789", 10), "0123456789");
  EXPECT_EQ(cut_middle("0123456789", 1), "…");
  EXPECT_EQ(cut_middle("日本語日本語", 7), "日…語");
}

TEST(Columns, fill_up_to_a_width) {
  EXPECT_EQ(fill_right("日", 4), "日  ");
  EXPECT_EQ(fill_left(kAccent, 3), std::string("  ") + kAccent);
  EXPECT_EQ(fill_right("abcde", 4), "abcde");
}

TEST(Wrap, breaks_at_blanks) {
  EXPECT_THAT(wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap("one two three", 7, 2), ElementsAre("one two", "  three"));
  EXPECT_THAT(wrap("one two three", 6, 2), ElementsAre("one", "  two", "  thre", "  e"));
  EXPECT_THAT(wrap("a\n\nb", 10), ElementsAre("a", "", "b"));
  EXPECT_THAT(wrap("", 10), ElementsAre(""));
  EXPECT_THAT(wrap("日本 語日 x", 5), ElementsAre("日本", "語日", "x"));
}

TEST(Wrap, breaks_long_words_or_leaves_them_whole) {
  EXPECT_THAT(wrap("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(wrap("日本語", 4), ElementsAre("日本", "語"));
  EXPECT_THAT(wrap("a /sys/fs/cgroup b", 6, 0, LongWords::whole), ElementsAre("a", "/sys/fs/cgroup", "b"));
}

TEST(Wrap, never_loses_or_repeats_text) {
  std::string text = "  the quick brown 日本語 fox jumps over the lazy 🙂 dog ";
  for (LongWords long_words : {LongWords::broken, LongWords::whole}) {
    for (std::size_t width = 2; width < 60; ++width) {
      std::string joined;
      for (const std::string& part : wrap(text, width, 1, long_words)) {
        EXPECT_TRUE(columns_of(part) <= width || long_words == LongWords::whole) << part;
        joined += part;
      }
      std::erase(joined, ' ');
      EXPECT_EQ(joined, "thequickbrown日本語foxjumpsoverthelazy🙂dog") << width;
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::columns_test
