// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/play.h"

#include <fmt/format.h>

#include "advisor/base/text.h"
#include "agent/os/private_netns.h"
#include "agent/os/proc_root.h"
#include "agent/port/scenario/puzzle.h"

namespace tcpadvisor::port::scenario {
namespace {

void tell_scenario(const Scenario& scenario, bool private_netns, const Tell& tell) {
  Told heading{.kind = Told::Kind::heading, .lines = {}, .json = {}};
  heading.lines.push_back(fmt::format("{}: {}", scenario.name, scenario.title));
  nlohmann::json kernel = nlohmann::json::array();
  std::string_view lead = "the kernel should show:   ";
  for (std::string_view line : scenario.kernel) {
    heading.lines.push_back(fmt::format("{}{}", lead, line));
    lead = "                          ";
    kernel.push_back(line);
  }
  heading.lines.push_back(fmt::format("tcpadvisor should say:    {}", scenario.finding));
  auto netns = os::ProcRoot().inode("/proc/self/ns/net");
  if (netns) {
    heading.lines.push_back(
        fmt::format("network namespace:        {} ({})", *netns, private_netns ? "private" : "own"));
  }
  heading.json = {{"kind", "scenario"},      {"name", scenario.name},       {"title", scenario.title},
                  {"kernel", kernel},        {"finding", scenario.finding}, {"netns", netns.value_or(0)},
                  {"private", private_netns}};
  tell(heading);
}

}  // namespace

Status play(const Scenario& scenario, const PlayOptions& options, os::StopSignals& signals, const Tell& tell) {
  using Transport = PlayOptions::Transport;
  bool is_puzzle = scenario.play == play_puzzle;
  if (options.transport != Transport::tcp && !is_puzzle) {
    return fail(ErrorCode::bad_input,
                fmt::format("--transport: only s2 has others than tcp; {} shows TCP in the kernel", scenario.name));
  }
  if (options.transport == Transport::fake) {
    play_puzzle_on_fake(tell);
    return {};
  }
  auto needs = options.transport == Transport::unix_sockets ? puzzle_needs(true) : scenario.needs;
  if (options.hold < needs) {
    return fail(ErrorCode::bad_input, fmt::format("--hold: {} is too short for the story of {}: it takes {}",
                                                  human_duration(options.hold), scenario.name, human_duration(needs)));
  }
  if (options.private_netns) {
    if (Status status = os::enter_private_netns(); !status) {
      return fail(status.error().code, status.error().message + "; --netns own plays in the namespace you are in",
                  status.error().sys_errno);
    }
  }
  tell_scenario(scenario, options.private_netns, tell);
  Setup setup = options.transport == Transport::unix_sockets ? puzzle_setup(true) : scenario.setup;
  auto stage = Stage::build(setup, options.hold, tell);
  if (!stage) return std::unexpected(stage.error());
  return (*stage)->run(scenario, signals);
}

}  // namespace tcpadvisor::port::scenario
