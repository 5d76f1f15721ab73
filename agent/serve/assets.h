// SPDX-License-Identifier: Apache-2.0
// The files of the live page (agent/serve/page, third_party/uplot), as they were when this program was built. Pure.
#pragma once

#include <string_view>

namespace tcpadvisor::serve {

struct Asset {
  std::string_view name;  ///< below /page/
  std::string_view media_type;
  std::string_view bytes;
};

/// Null: there is none of that name.
const Asset* asset_named(std::string_view name);
/// The page itself, with marks where home.cc puts what it knows: {{host}}, {{about}}, {{findings}}, {{links}}.
std::string_view home_template();

}  // namespace tcpadvisor::serve
