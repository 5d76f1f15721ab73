// SPDX-License-Identifier: Apache-2.0
// One finding as a card of the HTML form: what was measured, drawn and as numbers, what it means, what to do. Pure.
#pragma once

#include <string>
#include <string_view>

#include "advisor/report/report.h"

namespace tcpadvisor {

/// `pictures` may be null.
std::string html_card(const Finding& finding, const Pictures* pictures);

/// A finding's place in the document, for links: "f-" and its instance.
std::string html_anchor(std::string_view instance);
/// A rounded word with a colour of its own; the word says it too.
std::string html_word(std::string_view word);

}  // namespace tcpadvisor
