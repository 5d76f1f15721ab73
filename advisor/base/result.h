// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or an Error that names the object, the reason and the way out.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace tcpadvisor {

/// What kind of failure this is. `unsupported` (the kernel or host lacks it) is never mixed up with `failed`.
enum class ErrorCode {
  failed,       ///< it should have worked and did not
  unsupported,  ///< this kernel or host does not offer it
  denied,       ///< offered, but not to us: a capability, a mount or a mode is missing
  bad_input,    ///< what the user or a file gave us is wrong; exit code 2
  not_found,    ///< the object is not there (any more)
};

struct Error {
  ErrorCode code = ErrorCode::failed;
  std::string message;  ///< one line: what, where, and what would be right
  int sys_errno = 0;    ///< errno when the kernel said it, else 0
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message, int sys_errno = 0) {
  return std::unexpected(Error{code, std::move(message), sys_errno});
}

}  // namespace tcpadvisor
