// SPDX-License-Identifier: Apache-2.0
// A rule's article. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "advisor/explain/article.h"
#include "advisor/rules/rule.h"

namespace tcpadvisor::explain {

Article article_of(const Rule& rule, const Policy& policy);

/// One line for each number that the rule compares with: its value under `policy`, and who set it.
std::vector<std::string> thresholds_of(const Rule& rule, const Policy& policy);

/// `word` is one of the words of `list`, which has blanks between them.
bool in_list(std::string_view list, std::string_view word);

}  // namespace tcpadvisor::explain
