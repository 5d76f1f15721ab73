// SPDX-License-Identifier: Apache-2.0
// Which finding is the same finding in the next report.
#pragma once

#include <cstdint>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Sets Finding::instance from what survives a restart of the process: rule, topic, kind of scope, namespace name,
/// program name, cgroup, listening port or peer. Findings that are equal in all of that (two processes of one program)
/// are told apart in order of pid.
void set_instances(const Connections& connections, std::vector<Finding>& findings);

/// What a finding is about, the process included: the same from one look to the next, not after a restart.
std::uint64_t subject_of(const Connections& connections, const Finding& finding);

}  // namespace tcpadvisor
