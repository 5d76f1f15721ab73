// SPDX-License-Identifier: Apache-2.0
// Writes a recording: one file, one transaction a tick, so that whatever ends us costs the tick under way at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor::store {

struct RecorderOptions {
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  ///< of the file
  std::size_t chain_ticks = 60;                      ///< from one whole tick to the next
  std::string tool_version;
  std::uint64_t interval_ms = 1'000;
  bool anonymized = false;  ///< only noted down
};
inline constexpr std::uint64_t kLeastBytes = 1 << 20;  ///< less than this is refused

class Recorder {
 public:
  /// `path` must not exist yet: nothing is ever written over.
  static Result<std::unique_ptr<Recorder>> create(const std::string& path, const RecorderOptions& options);
  virtual ~Recorder() = default;

  /// Stored when it returns. Older ticks make room when the file would become too large: every second of them goes,
  /// and is counted.
  virtual Status add(const Sample& sample) = 0;

  virtual std::uint64_t bytes() const = 0;    ///< of the file
  virtual std::uint64_t ticks() const = 0;    ///< that were added
  virtual std::uint64_t thinned() const = 0;  ///< of these, that had to make room
};

}  // namespace tcpadvisor::store
