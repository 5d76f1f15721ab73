// SPDX-License-Identifier: Apache-2.0
// Articles as text, Markdown and JSON, and the list of what there is. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/explain/article.h"

namespace tcpadvisor::explain {

std::string as_text(const std::vector<Article>& articles, std::size_t width);
std::string as_json(const std::vector<Article>& articles);  ///< an array, one line

/// Names and titles, by kind and group.
std::string list_as_text(const std::vector<Article>& articles, std::size_t width);

/// docs/rules.md: all of them, rules in full and the rest in tables.
std::string catalogue(const std::vector<Article>& articles);
/// These articles, one below the other.
std::string as_markdown(const std::vector<Article>& articles);

}  // namespace tcpadvisor::explain
