// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/access.h"

#include <fmt/format.h>

namespace tcpadvisor::serve {

Status check_access(const Endpoint& at, const Access& access) {
  if (at.is_loopback() || (access.tls && access.passwords)) return {};
  const char* missing = access.tls ? "basic_auth_users" : access.passwords ? "tls_server_config" : "both";
  return fail(ErrorCode::bad_input,
              fmt::format("{} is not an address of loopback: that needs TLS and a password, tls_server_config and "
                          "basic_auth_users in the file of --web-config, and {} {} missing; or write for example "
                          "127.0.0.1:9477",
                          at.text(), missing, access.tls || access.passwords ? "is" : "are"));
}

}  // namespace tcpadvisor::serve
