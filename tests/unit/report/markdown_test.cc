// SPDX-License-Identifier: Apache-2.0
// The Markdown form as GitHub's own renderer reads it (cmark-gfm).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "advisor/base/text.h"
#include "advisor/report/escape.h"
#include "tests/unit/report/situations.h"

namespace tcpadvisor::markdown_test {
namespace {

using situation::rendered;
using situation::Situation;
using situation::situations;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// What the renderer makes of a document, as XML. Empty if there is no renderer.
std::string parsed(const std::string& markdown) {
  const auto base = std::filesystem::path(testing::TempDir()) / fmt::format("tcpadvisor-{}", getpid());
  const std::string from = base.string() + ".md", to = base.string() + ".xml";
  std::ofstream(from) << markdown;
  const std::string command = fmt::format(
      "cmark-gfm --unsafe -e table -e autolink -e strikethrough -e tasklist -t xml '{}' >'{}' 2>/dev/null", from, to);
  std::string out;
  if (std::system(command.c_str()) == 0) {
    std::ifstream file(to);
    std::ostringstream text;
    text << file.rdbuf();
    out = text.str();
  }
  std::filesystem::remove(from);
  std::filesystem::remove(to);
  return out;
}

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

/// The text that a reader sees in each <NAME>.
std::vector<std::string> texts_in(const std::string& xml, const std::string& name) {
  std::vector<std::string> out;
  const std::string begin = "<" + name, end = "</" + name + ">";
  for (std::size_t at = xml.find(begin); at != std::string::npos; at = xml.find(begin, at + 1)) {
    const std::string inside = xml.substr(at, xml.find(end, at) - at);
    static const std::regex leaf("<(?:text|code) xml:space=\"preserve\">([^<]*)<");
    std::string text;
    for (std::sregex_iterator it(inside.begin(), inside.end(), leaf), last; it != last; ++it) text += (*it)[1];
    for (const auto& [entity, c] : {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}})
      text = std::regex_replace(text, std::regex(entity), c);
    out.push_back(text);
  }
  return out;
}

TEST(ReportMarkdown, is_tables_lists_and_headings_and_no_html_whatever_the_names_are) {
  if (parsed("x").empty()) GTEST_SKIP() << "cmark-gfm is not installed";
  for (const Situation& one : situations()) {
    SCOPED_TRACE(one.name);
    const Window window = one.window();
    const Report report = situation::report_of(window);
    const std::string xml = parsed(rendered("md", window));
    for (const char* foreign : {"<html_inline", "<html_block", "<link", "<image", "<emph", "<strikethrough",
                                "<block_quote", "<code_block", "<thematic_break", "tasklist"})
      EXPECT_THAT(xml, Not(HasSubstr(foreign)));
    EXPECT_EQ(count_of(xml, "<heading level=\"1\""), 1u);

    const Verdict& verdict = report.verdict;
    std::size_t tables = 3 + (verdict.findings.empty() ? 0 : 1);  // host, resources, endings
    for (const Finding& finding : verdict.findings) tables += finding.recommendation.change ? 2 : 1;
    for (bool filled : {!verdict.not_listed.empty(), !verdict.checked_and_fine.empty(), !verdict.not_assessed.empty(),
                        !verdict.not_recommended.empty()})
      tables += filled ? 1 : 0;
    EXPECT_EQ(count_of(xml, "<table>"), tables);

    const std::vector<std::string> cells = texts_in(xml, "table_cell"), headings = texts_in(xml, "heading");
    for (std::size_t i = 0; i < verdict.findings.size(); ++i) {
      const std::string title = printable(verdict.findings[i].title);
      EXPECT_THAT(cells, Contains(title));
      EXPECT_THAT(headings, Contains(testing::EndsWith(": " + title)));
    }
    for (const CheckedAndFine& fine : verdict.checked_and_fine) EXPECT_THAT(cells, Contains(printable(fine.value)));
  }
}

TEST(ReportMarkdown, any_text_comes_out_as_it_went_in) {
  if (parsed("x").empty()) GTEST_SKIP() << "cmark-gfm is not installed";
  for (const std::string& text :
       {std::string("a|b"), std::string("a\\|b"), std::string("``a`"), std::string("\\"), std::string("*_*__x__"),
        std::string("snake_case_name _x_"), std::string("[a](b) ![c](d) <e@f.g> <h:i>"),
        std::string("http://x.y www.z.w"), std::string("&amp; &#64; ~~x~~ $x$ #1 @you @a/b"), std::string("- x"),
        std::string("ends\\")}) {
    const std::string xml = parsed(fmt::format("| t | c |\n| --- | --- |\n| {} | {} |\n| x | y |\n",
                                               markdown_text(text), markdown_code_in_table(text)));
    const std::vector<std::string> cells = texts_in(xml, "table_cell");
    ASSERT_EQ(cells.size(), 6u) << xml;
    EXPECT_EQ(cells[2], text);
    EXPECT_EQ(cells[3], text);
    EXPECT_EQ(cells[5], "y");
    const std::vector<std::string> lines =
        texts_in(parsed("x " + markdown_text(text) + " " + markdown_code(text)), "paragraph");
    EXPECT_EQ(lines, std::vector<std::string>{fmt::format("x {} {}", text, text)});
  }
}

}  // namespace
}  // namespace tcpadvisor::markdown_test
