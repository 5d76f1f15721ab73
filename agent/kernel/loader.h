// SPDX-License-Identifier: Apache-2.0
// Finds, for each fact, the best source that really loads and attaches, and keeps the winners loaded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/kernel/facts.h"
#include "agent/kernel/kernel_types.h"
#include "agent/kernel/object.h"

namespace tcpadvisor::kernel {

/// The outcome: our object with its programs attached, and what was tried for each fact.
struct Loaded {
  std::optional<Object> object;               ///< nothing if no fact needs a program
  std::vector<FactCoverage> coverage;         ///< in the order of facts()
  std::map<FactId, const Candidate*> in_use;  ///< absent if there is no source
  bool in_hash = false;                       ///< per-socket state is in the bounded hash, not in socket storage
};

Loaded load_all(const TracerOptions& options, const KernelTypes& types);

/// What would make a refused source work, as far as the error and our own capabilities tell.
enum class Step { loading, attaching };
std::string cure_for(HookKind kind, Step failed, const Error& error, bool have_bpf_capabilities);

}  // namespace tcpadvisor::kernel
