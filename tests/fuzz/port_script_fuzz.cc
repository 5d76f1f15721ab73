// SPDX-License-Identifier: Apache-2.0
// A script of `tcpadvisor port run`: parsed, not played.
#include "agent/port/script/script.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  auto script = port::script::parse_script("x.port", fuzz::text(bytes));
  if (script) {
    fuzz::require(script->steps.size() <= port::script::kMaxSteps);
    return;
  }
  fuzz::require(script.error().code == ErrorCode::bad_input);
  fuzz::require(script.error().message.starts_with("x.port:"));
  fuzz::require(script.error().message.find('\n') == std::string::npos);
}
