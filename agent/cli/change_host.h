// SPDX-License-Identifier: Apache-2.0
// This host as `apply`, `verify` and `rollback` find it, and the little that they may do to it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "advisor/report/kept_report.h"
#include "agent/apply/apply.h"
#include "agent/os/signals.h"

namespace tcpadvisor::cli {

enum class Touch { nothing, settings };

class ChangeHost {
 public:
  /// Looks at the host. With Touch::settings it needs root, and nobody else changes settings until this goes; from then
  /// on this process can write below /proc/sys, /etc/sysctl.d and `state`, and nowhere else. With Touch::nothing it
  /// keeps what it may do: whoever goes on from here gives that up.
  static Result<ChangeHost> open(const std::string& state, Touch touch);

  apply::Doors doors();
  const SettingFiles& setting_files() const { return setting_files_; }
  const Here& here() const { return here_; }

 private:
  ChangeHost() = default;

  std::unique_ptr<apply::HostSettings> settings_;
  std::unique_ptr<apply::Files> files_;
  std::optional<apply::OneAtATime> alone_;
  SettingFiles setting_files_;
  Here here_;
  std::string journal_, who_, boot_id_;
};

/// Gives up everything but reading: for what a stranger may have written.
Status read_only_from_here();

/// True for "y" or "yes". Without a terminal there is nobody to ask: bad_input. A signal is a no.
Result<bool> ask(const std::string& question, os::StopSignals& signals);

}  // namespace tcpadvisor::cli
