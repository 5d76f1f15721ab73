// SPDX-License-Identifier: Apache-2.0
// What this host lets us see: each fact, its source, the better ones that failed and their cure. Pure.
#pragma once

#include <string>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/os/privileges.h"

namespace tcpadvisor::exported {

struct Checkup {
  std::string host, kernel;
  std::string privileges;                       ///< "root", or the capabilities held
  std::string kept;                             ///< of those, after everything is attached; empty: all
  std::vector<os::ThreadPrivileges> threads{};  ///< at work
  std::string writes{};                         ///< where they can write; empty: no limits of ours
  std::vector<FactCoverage> facts;
};

/// Lines of at most `width` columns.
std::string doctor_text(const Checkup& checkup, std::size_t width);
/// The facts alone, as doctor_json() has them; one line, without its end.
std::string coverage_json(const std::vector<FactCoverage>& facts);
/// One line, without its end.
std::string doctor_json(const Checkup& checkup);

}  // namespace tcpadvisor::exported
