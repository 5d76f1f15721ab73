// SPDX-License-Identifier: Apache-2.0
// A web-config file, and what a stranger sends as Authorization.
#include "agent/serve/passwords.h"
#include "agent/serve/web_config.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  const std::string_view text = fuzz::text(bytes);
  if (auto given = serve::parse_authorization(text)) fuzz::require(given->user.find(':') == std::string::npos);
  auto config = serve::parse_web_config(text, "a.yml");
  if (!config) {
    fuzz::require(config.error().code == ErrorCode::bad_input);
    fuzz::require(config.error().message.starts_with("a.yml, line "));
    fuzz::require(config.error().message.find('\n') == std::string::npos);
    return;
  }
  fuzz::require(config->tls == !config->cert_file.empty() && config->tls == !config->key_file.empty());
  for (const auto& [name, hash] : config->users)
    fuzz::require(!name.empty() && name.find(':') == std::string::npos && serve::cost_of(hash).has_value());
}
