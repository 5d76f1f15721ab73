// SPDX-License-Identifier: Apache-2.0
// What this host has of a state, an option, a call or a setting at this moment. Pure.
#pragma once

#include <optional>

#include "advisor/evidence/window.h"
#include "advisor/explain/article.h"

namespace tcpadvisor::explain {

/// True: a look at the host adds something to this article.
bool has_numbers(const Article& article);
/// The part "Here, now", in numbers of the latest sample; nothing where no source shows any. The window is not empty.
std::optional<Part> here(const Article& article, const Window& window);

}  // namespace tcpadvisor::explain
