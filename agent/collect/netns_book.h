// SPDX-License-Identifier: Apache-2.0
// What a tick read about every namespace, and what an earlier one did, into the Sample. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "agent/collect/coverage.h"
#include "agent/collect/join.h"
#include "agent/collect/netns_reader.h"

namespace tcpadvisor::collect {

class NetnsBook {
 public:
  /// Fills sample.netns, and in `own` what is said about counters, tracked connections, settings and namespaces.
  void describe(const std::vector<NetnsReading>& readings, const Picture& picture, const os::NetnsList& list,
                Sample& sample, OwnFacts& own);

  std::uint64_t not_entered() const { return not_entered_; }  ///< namespaces, at the last tick
  std::uint64_t bad_texts() const { return bad_texts_; }      ///< files that could not be read, since the start

 private:
  std::map<NetnsId, Sysctls> sysctls_;
  std::uint64_t not_entered_ = 0, bad_texts_ = 0;
};

/// What is said about tracked connections before the first tick: by those of our own namespace.
void probe_conntrack(const os::ProcRoot& root, OwnFacts& own);

/// TCP's memory and the sockets of the whole host. After NetnsBook::describe().
void describe_memory(const std::vector<NetnsReading>& readings, const TcpMemory& walked, Sample& sample, OwnFacts& own);

}  // namespace tcpadvisor::collect
