// SPDX-License-Identifier: Apache-2.0
// Drawings as inline SVG: pure functions of what pictures.h holds. Colours are classes of html_style.h; each has a
// title and a description for those who cannot see it.
#pragma once

#include <string>
#include <string_view>

#include "advisor/report/pictures.h"

namespace tcpadvisor {

/// `id`: unique in its document, of [a-z0-9-].
std::string svg_course(const Course& course, std::string_view id);
std::string svg_chain(const Chain& chain, std::string_view id);

}  // namespace tcpadvisor
