// SPDX-License-Identifier: Apache-2.0
// Who answers for sockets, for every rule that names a holder: a process that we see, who used last what no process has
// a descriptor of, or somebody outside our pid namespace.
#pragma once

#include <span>
#include <string>

#include "advisor/evidence/sample.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Names in the scope who holds `rows`, sockets of one process or without one that we see. Leaves its kind, if that is
/// the listener's, and where it is.
void name_holder(Scope& scope, std::span<const SocketRow* const> rows);

/// Who used these sockets last, where that was seen, most frequent first: "web[77]", "web[77] (20), api[8] (3)". Empty
/// if nobody was.
std::string last_users_text(std::span<const SocketRow* const> rows);

/// "nginx[812]", "nginx[812]+3" where several share a listener or a fault; else "broker[12], which has no descriptor
/// left,", "nginx, outside this container,", "a process that we cannot see".
std::string process_text(const Scope& scope);

/// Why the scope has no pid, to go with the confidence: begins with "; ", empty if it has one.
std::string why_no_pid(const Scope& scope);

/// For rules that judge processes: who holds some of the sockets cannot be judged, being outside our pid namespace.
/// Empty where all are inside.
std::string holders_outside(const Sample& sample);

/// Of a finding about sockets without a process that we see: what that means, and whom its advice is for.
void fit_to_holder(Finding& finding);

}  // namespace tcpadvisor
