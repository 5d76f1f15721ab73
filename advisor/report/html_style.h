// SPDX-License-Identifier: Apache-2.0
// How a report looks in a browser and on paper: the one style sheet of html.cc. Pure.
#pragma once

#include <string_view>

namespace tcpadvisor {

std::string_view html_style();

}  // namespace tcpadvisor
