// SPDX-License-Identifier: Apache-2.0
// The only place where text from outside (names of processes, cgroups, hosts, peers) becomes a part of a format with a
// syntax of its own. Control characters and what turns or hides text become '?' in all of them. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tcpadvisor {

/// Text of HTML, also within a quoted attribute.
std::string html_text(std::string_view text);

/// Text of GitHub's Markdown, also in a table: nothing in it is markup, a link, a mention or HTML. For the middle of a
/// line; at its beginning `#`, `-` and the like would still begin a block.
std::string markdown_text(std::string_view text);

/// A code span. In a table a `|` ends the cell even there, so such a text is escaped instead.
std::string markdown_code(std::string_view text);
std::string markdown_code_in_table(std::string_view text);

/// One line of a comment or of a value in a sysctl.d fragment.
std::string sysctl_text(std::string_view text);

/// A whole JSON document: what a reader's terminal would obey or hide is written as \uXXXX. It means the same.
std::string json_for_eyes(std::string_view document);

}  // namespace tcpadvisor
