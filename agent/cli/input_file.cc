// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/input_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "advisor/base/text.h"

namespace tcpadvisor::cli {

Result<std::string> read_input_file(const std::string& path) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  errno = 0;
  std::ifstream file(path);
  std::string text(kMaxBytes + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    int error = errno != 0 ? errno : EIO;
    return fail(ErrorCode::bad_input, fmt::format("cannot read {}: {}", printable(path), std::strerror(error)), error);
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxBytes)
    return fail(ErrorCode::bad_input, fmt::format("{} is larger than 1 MiB", printable(path)));
  return text;
}

}  // namespace tcpadvisor::cli
