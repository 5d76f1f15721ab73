// SPDX-License-Identifier: Apache-2.0
// A policy file: TOML that a person wrote, or something else by mistake.
#include "advisor/rules/policy.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  auto policy = Policy::parse(fuzz::text(bytes), "policy.toml");
  if (policy) {
    fuzz::require(policy->windows > 0 && policy->min_count > 0);
    fuzz::require(policy->window.count() > 0 && policy->age.count() > 0);
    return;
  }
  fuzz::require(policy.error().code == ErrorCode::bad_input);
  fuzz::require(policy.error().message.starts_with("policy.toml"));
  fuzz::require(policy.error().message.find('\n') == std::string::npos);
}
