// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/libbpf_error.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "advisor/base/text.h"

namespace tcpadvisor::kernel {
namespace {

/// What libbpf said first at warning level on this thread: the reason behind an errno.
thread_local std::string first_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view text(line);
  if (text.starts_with("libbpf: ")) text.remove_prefix(8);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  for (std::string_view repeats_errno :
       {"probe_loading", "failed to load object", "program load failed", "PROG LOAD LOG", "permission error"}) {
    if (text.find(repeats_errno) != std::string_view::npos) return 0;
  }
  if (first_warning.empty()) first_warning = printable(text.substr(0, text.find('\n')));
  return 0;
}

ErrorCode code_for(int error) {
  if (error == EPERM || error == EACCES) return ErrorCode::denied;
  if (error == ENOENT || error == EINVAL || error == ESRCH || error == EOPNOTSUPP || error == ENOTSUP ||
      error == ENOSYS)
    return ErrorCode::unsupported;
  return ErrorCode::failed;
}

}  // namespace

void listen_to_libbpf() {
  libbpf_set_print(keep_warning);
  first_warning.clear();
}

Error libbpf_error(std::string_view doing, int error) {
  std::string message =
      doing.empty() ? std::string(std::strerror(error)) : fmt::format("{}: {}", doing, std::strerror(error));
  if (!first_warning.empty()) message += fmt::format(" ({})", first_warning);
  return {code_for(error), message, error};
}

}  // namespace tcpadvisor::kernel
