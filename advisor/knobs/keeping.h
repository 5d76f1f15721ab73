// SPDX-License-Identifier: Apache-2.0
// Where a new value of a setting must be written so that it stays, and wins over what is written now. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

struct Keeping {
  enum class Where : std::uint8_t {
    file,       ///< a fragment of its own
    line,       ///< no plain name sorts after the file that sets it now: there
    tuned,      ///< in a profile of tuned, which comes last
    pod,        ///< in the pod's description
    container,  ///< by what starts the container
    other,      ///< by what makes the namespace, or starts the container: which of both is not known
  };
  Where where = Where::file;
  std::string file = "/etc/sysctl.d/99-tcpadvisor.conf";  ///< `file` and `line`: which
  std::uint32_t line = 0;
  std::optional<SettingLine> over;         ///< the line that would win without it
  std::optional<SettingLine> sysctl_conf;  ///< a line of /etc/sysctl.conf that `sysctl --system` puts over it
  std::string tuned_profile;

  /// For knob `knob` of that namespace; a setting of the whole host is kept by the host, wherever it is read.
  static Keeping of(const Sample& sample, NetnsId netns, std::string_view knob);
};

/// "/etc/sysctl.d/99-zz-tcpadvisor.conf": sorts after `file`, which may be in any directory, or "" if it is none that
/// sorts. A file that we have advised before stays the one. Empty if there is no plain name after it.
std::string fragment_after(std::string_view file);

/// The line that stands after a boot; null if no file names the knob.
const SettingLine* line_at_boot(const SettingFiles& files, std::string_view knob);

/// What Kubernetes thinks of a sysctl in a pod: "a safe one there", "a safe one there since 1.32", or what the kubelet
/// has to be told. https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
std::string kubernetes_on(std::string_view knob);

}  // namespace tcpadvisor
