// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/whatif/answer.h"
#include "advisor/whatif/forms.h"
#include "agent/cli/commands.h"
#include "agent/cli/observe_for.h"
#include "agent/cli/output.h"

namespace tcpadvisor::cli {
namespace {

constexpr std::chrono::milliseconds kUsualLength{10'000};

Result<PastSeen> look(const Options& options, os::StopSignals& signals) {
  const WhatifOptions& wanted = options.whatif;
  if (!wanted.from.empty()) return observe_recorded({wanted.from, "", wanted.at, wanted.length}, options.policy);
  auto collector = open_collector(options, {.show_all = true});
  if (!collector) return std::unexpected(collector.error());
  auto seen = observe_for(**collector, options, wanted.length.value_or(kUsualLength), signals);
  if (!seen) return std::unexpected(seen.error());
  return PastSeen{std::move(*seen), ""};
}

}  // namespace

int run_whatif(const Options& options, os::StopSignals& signals) {
  auto looked = look(options, signals);
  if (int code = exit_code_after(signals); code != 0) return code;
  if (!looked) return failed(looked.error());
  const Evidence evidence(looked->observation->window, options.policy);
  const std::vector<whatif::Answer> answers = whatif::answers(evidence, options.whatif.question);
  whatif::Seen seen = whatif::seen_in(evidence.window);
  seen.recorded = looked->origin;
  const std::string text =
      options.whatif.json ? whatif::as_json(seen, answers) : whatif::as_text(seen, answers, text_width());
  Status status = write_stdout(text, &signals);
  if (!status) return failed(status.error());
  return exit_code_after(signals);
}

}  // namespace tcpadvisor::cli
