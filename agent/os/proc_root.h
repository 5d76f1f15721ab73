// SPDX-License-Identifier: Apache-2.0
// Reading /proc, /sys and /run below a root path, so that a tree of fixtures can stand in for a host.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"

namespace tcpadvisor::os {

class ProcRoot {
 public:
  /// "" is the real host; a fixture tree holds proc/, sys/ and run/.
  explicit ProcRoot(std::string root = "") : root_(std::move(root)) {}

  std::string path(std::string_view absolute) const { return root_ + std::string(absolute); }
  bool is_real() const { return root_.empty(); }

  /// The whole file. Errors name the file; ENOENT and ESRCH are not_found, EACCES and EPERM are denied.
  /// Files above `max_bytes` are an error: everything read this way is small.
  Result<std::string> read(std::string_view absolute, std::size_t max_bytes = 4u << 20) const;
  /// Calls `line` for each line (without the newline; numbers start at 1) of a file of any size. A non-ok Status stops.
  Status for_each_line(std::string_view absolute,
                       const std::function<Status(std::string_view line, std::size_t number)>& line) const;
  Result<std::string> read_link(std::string_view absolute) const;
  /// Inode number of what the path leads to.
  Result<std::uint64_t> inode(std::string_view absolute) const;
  /// The path leads to a regular file, over any links. Opening another kind of file could wait for ever.
  bool is_file(std::string_view absolute) const;
  /// Names in a directory, without "." and "..", sorted.
  Result<std::vector<std::string>> list(std::string_view absolute) const;
  /// How many names a directory holds, but not more than `most`: it looks at no more.
  Result<std::size_t> count(std::string_view absolute, std::size_t most) const;
  /// The numeric names below /proc, ascending.
  Result<std::vector<std::uint32_t>> pids() const;

 private:
  std::string root_;
};

/// The code that fits an errno: not_found, denied or failed.
ErrorCode code_of(int sys_errno);
/// "cannot read /proc/1/ns/net: Permission denied"
std::unexpected<Error> fail_errno(std::string_view what, int sys_errno);

}  // namespace tcpadvisor::os
