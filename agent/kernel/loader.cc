// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/loader.h"

#include <fmt/format.h>
#include <linux/btf.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "agent/kernel/hook_trial.h"
#include "agent/kernel/privileges.h"

namespace tcpadvisor::kernel {
namespace {

using ChoiceOf = std::map<FactId, const Candidate*>;

/// Tries candidates until a set stands in which every object loads and every program attaches.
class Planner {
 public:
  Planner(const TracerOptions& options, const KernelTypes& types) : options_(options), types_(types), trial_(types) {
    if (auto sections = Object::sections()) sections_ = std::move(*sections);
    have_bpf_ = have_bpf_capabilities();
    for (const Fact& fact : facts()) {
      FactCoverage& line = coverage_.emplace_back();
      line.fact = fact.id;
      for (const Candidate& candidate : fact.candidates) {
        Attempt& attempt = line.attempts.emplace_back();
        attempt.source = candidate.source;
        attempt.kind = kind_of(fact, candidate);
      }
    }
  }

  Loaded run() {
    // Each round either stands or refuses at least one more candidate, so it ends.
    while (true) {
      ChoiceOf choice = choose();
      Loaded result;
      result.in_hash = no_storage_ || uses_kprobes(choice);
      if (load(choice, result)) {
        finish(choice, result);
        return result;
      }
    }
  }

 private:
  /// What is known without loading the real programs.
  Status granted(const Candidate& candidate) {
    auto unsupported = [](std::string why) { return fail(ErrorCode::unsupported, std::move(why)); };
    if (candidate.arity.arguments != 0) {
      auto arguments = types_.arguments_of(candidate.arity.function);
      if (!arguments) return unsupported(fmt::format("this kernel has no {}", candidate.arity.function));
      if (*arguments != candidate.arity.arguments) {
        return unsupported(fmt::format("{} has {} arguments here, not {}", candidate.arity.function, *arguments,
                                       candidate.arity.arguments));
      }
    }
    if (!tried_.insert(&candidate).second) return {};
    for (std::string_view program : candidate.programs) {
      auto section = sections_.find(program);
      if (section == sections_.end()) continue;
      if (Status asked = trial_.ask(section->second); !asked) return asked;
    }
    return {};
  }

  ChoiceOf choose() {
    ChoiceOf choice;
    for (std::size_t i = 0; i < facts().size(); ++i) {
      const Fact& fact = facts()[i];
      for (std::size_t k = 0; k < fact.candidates.size(); ++k) {
        const Candidate& candidate = fact.candidates[k];
        if (refused_.contains(&candidate)) continue;
        if (!allowed(fact, candidate, options_)) {
          pass_over(candidate, why_not_tried(fact, candidate, options_));
          continue;
        }
        if (Status asked = granted(candidate); !asked) {
          // A kprobe is asked for by attaching it, the others by loading a program for them.
          refuse(candidate, candidate.kind == HookKind::kprobe ? Step::attaching : Step::loading, asked.error());
          continue;
        }
        auto needed = candidate.needs_fact ? choice.find(*candidate.needs_fact) : choice.end();
        bool hook_needs_hook =
            candidate.kind != HookKind::passive && needed != choice.end() && needed->second->kind == HookKind::passive;
        if (candidate.needs_fact && (needed == choice.end() || hook_needs_hook)) {
          pass_over(candidate, fmt::format("needs {}", name_of(*candidate.needs_fact)));
          continue;
        }
        choice[fact.id] = &candidate;
        break;
      }
    }
    return choice;
  }

  static bool uses_kprobes(const ChoiceOf& choice) {
    return std::ranges::any_of(choice, [](const auto& entry) { return entry.second->kind == HookKind::kprobe; });
  }

  /// Loads and attaches all; on failure refuses every candidate that is to blame and returns false.
  bool load(const ChoiceOf& choice, Loaded& result) {
    std::vector<const Candidate*> candidates;
    for (const Fact& fact : facts()) {
      auto at = choice.find(fact.id);
      if (at != choice.end() && !at->second->programs.empty()) candidates.push_back(at->second);
    }
    if (candidates.empty()) return true;
    auto object = load_object(candidates, result.in_hash);
    if (!object) {
      blame_one_by_one(candidates, result.in_hash, object.error());
      return false;
    }
    bool all_attached = true;
    for (const Candidate* candidate : candidates) {
      for (std::string_view program : candidate->programs) {
        Status attached = object->attach(program);
        if (attached) continue;
        refuse(*candidate, Step::attaching, attached.error());
        all_attached = false;
        break;
      }
    }
    if (all_attached) result.object = std::move(*object);
    return all_attached;
  }

  Result<Object> load_object(const std::vector<const Candidate*>& candidates, bool in_hash) const {
    std::vector<std::string_view> programs;
    for (const Candidate* candidate : candidates)
      programs.insert(programs.end(), candidate->programs.begin(), candidate->programs.end());
    abi::ta_config config = {};
    config.in_hash = in_hash;
    config.max_rows = options_.max_rows;
    config.max_tw_rows = 64;
    config.read_ahead = types_.id_of("bpf_rdonly_cast", BTF_KIND_FUNC).has_value();
    auto object = Object::load(programs, config, options_.max_flows);
    if (object || config.read_ahead == 0) return object;
    config.read_ahead = 0;  // only makes a walk faster: no reason to be without it
    return Object::load(programs, config, options_.max_flows);
  }

  void blame_one_by_one(const std::vector<const Candidate*>& candidates, bool in_hash, const Error& all) {
    bool found = false;
    for (const Candidate* candidate : candidates) {
      Error error = all;
      if (candidates.size() > 1) {
        auto alone = load_object({candidate}, in_hash);
        if (alone) continue;
        error = alone.error();
      }
      found = true;
      // Kernels before 5.11 have no socket storage for tracing programs: the hash does it, with a bound.
      bool storage_may_be_missing =
          !in_hash && (candidate->kind == HookKind::tp_btf || candidate->kind == HookKind::iterator);
      if (storage_may_be_missing && error.code != ErrorCode::denied && !no_storage_) {
        no_storage_ = true;
        return;
      }
      refuse(*candidate, Step::loading, error);
    }
    if (!found) {  // each alone loads, together they do not: give up the last one
      refuse(*candidates.back(), Step::loading, all);
    }
  }

  Attempt& attempt(const Candidate& candidate) {
    for (std::size_t i = 0; i < facts().size(); ++i) {
      for (std::size_t k = 0; k < facts()[i].candidates.size(); ++k) {
        if (&facts()[i].candidates[k] == &candidate) return coverage_[i].attempts[k];
      }
    }
    std::unreachable();
  }

  void pass_over(const Candidate& candidate, std::string why) {
    refused_.insert(&candidate);
    Attempt& line = attempt(candidate);
    line.outcome = AttemptOutcome::not_tried;
    line.why_not = std::move(why);
  }

  void refuse(const Candidate& candidate, Step failed, const Error& error) {
    refused_.insert(&candidate);
    Attempt& line = attempt(candidate);
    line.why_not = error.message;
    line.sys_errno = error.sys_errno;
    if (error.sys_errno != 0) line.cure = cure_for(candidate.kind, failed, error, have_bpf_);
  }

  void finish(const ChoiceOf& choice, Loaded& result) {
    for (std::size_t i = 0; i < facts().size(); ++i) {
      auto at = choice.find(facts()[i].id);
      FactCoverage& line = coverage_[i];
      if (at == choice.end()) {
        line.exact = false;
        continue;
      }
      const Candidate& candidate = *at->second;
      line.in_use = candidate.source;
      line.exact = candidate.exact;
      line.remark = candidate.remark;
      line.kind = kind_of(facts()[i], candidate);
      attempt(candidate).outcome = AttemptOutcome::works;
      result.in_use[facts()[i].id] = &candidate;
      // What lies behind the winner was not needed; doctor lists only what is better.
      line.attempts.resize(static_cast<std::size_t>(at->second - facts()[i].candidates.data()) + 1);
    }
    result.coverage = coverage_;
  }

  const TracerOptions& options_;
  const KernelTypes& types_;
  HookTrial trial_;
  std::map<std::string, std::string, std::less<>> sections_;  ///< of the programs
  std::set<const Candidate*> tried_;                          ///< whose hooks the trial has asked for
  bool have_bpf_ = false;
  bool no_storage_ = false;
  std::set<const Candidate*> refused_;
  std::vector<FactCoverage> coverage_;
};

}  // namespace

std::string cure_for(HookKind kind, Step failed, const Error& error, bool have_bpf_capabilities) {
  bool denied = error.sys_errno == EPERM || error.sys_errno == EACCES;
  if (denied && !have_bpf_capabilities) return "run as root, or with CAP_BPF and CAP_PERFMON";
  if (denied && kind == HookKind::fentry)
    return "boot without kernel lockdown (it, or a security module, forbids trampolines)";
  if (denied) return "kernel lockdown or a security module forbids it";
  if (failed == Step::attaching && kind == HookKind::kprobe)
    return "a kernel with CONFIG_KPROBES and CONFIG_KPROBE_EVENTS";
  return "a newer kernel: this one refuses the program";
}

Loaded load_all(const TracerOptions& options, const KernelTypes& types) {
  return Planner(options, types).run();
}

}  // namespace tcpadvisor::kernel
