// SPDX-License-Identifier: Apache-2.0
// A script as steps that are ready to run. The language: docs/port-scripts.md. Pure.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "agent/port/script/cursor.h"
#include "agent/port/script/world.h"

namespace tcpadvisor::port::script {

inline constexpr std::size_t kMaxSteps = 10'000;

class Run;
using Action = std::function<Status(Run&)>;

struct Step {
  int line = 0, column = 1;  ///< of its verb
  std::string text{};        ///< without comment, blanks made one
  std::set<TransportKind> only_on{};
  Action action{};
  bool settles = true;                   ///< what it began has to come to rest before the next step
  std::optional<WantedResult> wanted{};  ///< "-> RESULT"
};

struct Script {
  std::string name;  ///< for messages: the file
  std::vector<Step> steps;
  TransportKind transport = TransportKind::fake;
  std::set<TransportKind> transports;  ///< it holds on these: its own and those of `also`
};

/// Fails with bad_input and "NAME:LINE:COLUMN: what, and what would be right".
Result<Script> parse_script(std::string name, std::string_view text);

/// What a parsed script tells about itself on the way: its transport.
struct Header {
  std::optional<TransportKind> transport;
  bool conditional = false;  ///< the step at hand begins with `on`
  std::set<TransportKind> also;
};

/// What a step gives back that "->" can be compared with.
enum class Gives : std::uint8_t { nothing, call, outcome, value };

/// One row per step of the language.
struct StepShape {
  std::string_view verb;
  std::string_view shape;  ///< as a message shows it
  Gives gives = Gives::nothing;
  enum class Scope : std::uint8_t { acts, looks, fake_only } scope = Scope::acts;  ///< looks: changes nothing
  Action (*parse)(Cursor&, Header&);
};
std::span<const StepShape> step_shapes();

}  // namespace tcpadvisor::port::script
