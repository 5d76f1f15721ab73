// SPDX-License-Identifier: Apache-2.0
// Files that must survive a crash: whole or as before, and on the disk when the call returns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::apply {

class Files {
 public:
  virtual ~Files() = default;
  /// Nothing if there is no such file. A link, a device or more than 16 MiB is an error.
  virtual Result<std::optional<std::string>> read(const std::string& path) = 0;
  /// By way of a file beside it (temporary_beside), of which a crash may leave something.
  virtual Status replace(const std::string& path, std::string_view text) = 0;
  virtual Status remove(const std::string& path) = 0;  ///< no error if it is gone
  virtual Status append(const std::string& path, std::string_view text) = 0;
};

std::unique_ptr<Files> real_files();

/// "/etc/sysctl.d/.99-tcpadvisor.conf.new": no name that sysctl.d(5) reads.
std::string temporary_beside(const std::string& path);

/// Only one may change settings, or take changes back. The directory is made if it is not there. Held until it goes.
class OneAtATime {
 public:
  static Result<OneAtATime> take(const std::string& directory);

 private:
  explicit OneAtATime(os::UniqueFd file) : file_(std::move(file)) {}
  os::UniqueFd file_;
};

}  // namespace tcpadvisor::apply
