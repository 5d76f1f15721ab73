// SPDX-License-Identifier: Apache-2.0
// The table of facts: for each one the ways to obtain it, best first. bpf/README.md is the same table in words.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/kernel/tracer.h"
#include "bpf/abi.h"

namespace tcpadvisor::kernel {

enum class HookKind { fentry, kprobe, tp_btf, iterator, passive };

/// Some kernels changed the arguments of a function without changing its name; a program for the wrong form would load
/// and read nonsense. `function` must have exactly `arguments` parameters in the running kernel's BTF.
struct Arity {
  std::string_view function;
  int arguments = 0;
};

/// One way to obtain a fact. `programs` all load and attach, or the candidate fails. A passive candidate has no program
/// of its own: it reads what the named other fact delivers; a hook without programs is one of that fact's.
struct Candidate {
  std::string_view source;
  HookKind kind = HookKind::passive;
  std::vector<std::string_view> programs;
  bool exact = true;
  std::string_view remark;
  Arity arity;
  std::optional<FactId> needs_fact;  ///< the fact that must be in use; for a hook, by a hook
};

struct Fact {
  FactId id;
  std::optional<abi::ta_hook> hook;  ///< where the programs count what they cost; nothing for iterators
  bool per_call = false;             ///< switched by Calls
  std::vector<Candidate> candidates;
};

const std::vector<Fact>& facts();
SourceKind kind_of(const Fact& fact, const Candidate& candidate);

/// Whether the user's choice of hooks lets us try this candidate. Iterators and passive ways are not hooks.
/// The state tracepoint has no fentry or kprobe form, so it stays whatever kind is forced; `none` takes it away too.
bool allowed(const Fact& fact, const Candidate& candidate, const TracerOptions& options);
/// Why it is not tried, for doctor.
std::string why_not_tried(const Fact& fact, const Candidate& candidate, const TracerOptions& options);

}  // namespace tcpadvisor::kernel
