// SPDX-License-Identifier: Apache-2.0
// A configuration or policy file: TOML that a person wrote, or something else by mistake.
#include "advisor/base/toml.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  auto sections = parse_toml(fuzz::text(bytes), "a.toml");
  if (!sections) {
    fuzz::require(sections.error().code == ErrorCode::bad_input);
    fuzz::require(sections.error().message.starts_with("a.toml, line "));
    fuzz::require(sections.error().message.find('\n') == std::string::npos);
    return;
  }
  for (const TomlSection& section : *sections) {
    for (const TomlEntry& entry : section.entries) {
      fuzz::require(entry.key_at.line > 0 && entry.value_at.column > 0);
      fuzz::require(entry.kind == TomlKind::list || entry.values.size() == 1);
    }
  }
}
