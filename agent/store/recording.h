// SPDX-License-Identifier: Apache-2.0
// Reads a recording, which may come from anybody: damaged, cut off, made to do harm. Work and memory are bounded by the
// bytes of the file; what could be read is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "advisor/base/result.h"
#include "agent/observe/history.h"

namespace tcpadvisor::store {

struct About {
  std::string host, kernel, tool_version;  ///< printable
  std::uint64_t interval_ms = 0;
  std::uint64_t thinned = 0;  ///< ticks that had to make room for others
  bool anonymized = false;
  std::string damage;  ///< one line: what of the file could not be read; empty: nothing
};

class Recording : public observe::History {
 public:
  /// bad_input says in one line what is wrong with the file: not there, not a recording, newer than this program,
  /// empty.
  static Result<std::unique_ptr<Recording>> open(const std::string& path);

  /// A file that open() would have something to say about, not one of another kind. False where it cannot be read.
  static bool begins_like_one(const std::string& path);

  virtual const About& about() const = 0;
};

}  // namespace tcpadvisor::store
