// SPDX-License-Identifier: Apache-2.0
// One function per command. Each returns the exit code; what went wrong is on stderr by then.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/options.h"
#include "agent/os/signals.h"

namespace tcpadvisor::cli {

int run_watch(const Options& options, os::StopSignals& signals);
int run_report(const Options& options, os::StopSignals& signals);
int run_record(const Options& options, os::StopSignals& signals);
int run_apply(const Options& options, os::StopSignals& signals);
int run_rollback(const Options& options, os::StopSignals& signals);
int run_verify(const Options& options, os::StopSignals& signals);
int run_doctor(const Options& options);
int run_explain(const Options& options);
int run_whatif(const Options& options, os::StopSignals& signals);
int run_knobs(const Options& options);
int run_serve(const Options& options, os::StopSignals& signals);
int run_metrics(const Options& options);
int run_port_list(const Options& options);
int run_port_script(const Options& options, os::StopSignals& signals);
int run_port_scenario(const Options& options, os::StopSignals& signals);
int run_port_serve(const Options& options, os::StopSignals& signals);
int run_port_drive(const Options& options, os::StopSignals& signals);

struct CollectorNeeds {
  bool show_all = false;  ///< rows for every socket
  std::string output{};   ///< the file that will be written; empty: none
  bool silent = false;    ///< a screen is shown: no lines on stderr
};
/// The collector as the options want it. Afterwards the caller has no privileges, and can write only its output.
Result<std::unique_ptr<collect::Collector>> open_collector(const Options& options, CollectorNeeds needs);

/// 128 + the signal that ended us, or 0.
int exit_code_after(os::StopSignals& signals);

}  // namespace tcpadvisor::cli
