// SPDX-License-Identifier: Apache-2.0
// Who may ask, and how: what a web-config file has come to.
#pragma once

#include <memory>
#include <optional>

#include "advisor/base/result.h"
#include "advisor/evidence/address.h"
#include "agent/serve/passwords.h"
#include "agent/serve/tls.h"

namespace tcpadvisor::serve {

struct Access {
  std::optional<Tls> tls;                      ///< nothing: plain HTTP
  std::shared_ptr<const Passwords> passwords;  ///< null: everybody may ask
};
using AccessPtr = std::shared_ptr<const Access>;  ///< never null where it is handed over

/// bad_input unless `at` is of loopback, or both are there: what the agent knows is not for everybody on the way.
Status check_access(const Endpoint& at, const Access& access);

}  // namespace tcpadvisor::serve
