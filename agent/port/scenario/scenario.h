// SPDX-License-Identifier: Apache-2.0
// The scenarios by name: what each one sets up, does, and makes the kernel show.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/options.h"
#include "agent/port/socket_transport.h"
#include "agent/port/terms.h"

namespace tcpadvisor::port::scenario {

class Stage;

struct Setup {
  SocketWishes near{}, far{};  ///< the driver's end, the peer's end
  /// The driver has the accepted socket and its options are the listener's; else it is the one that connects.
  bool accepted = false;
  Options options{};
  Profile profile = Profile::otp25;
  std::size_t connections = 1;
  bool channels = false;      ///< distribution channels instead of ports
  bool unix_sockets = false;  ///< instead of TCP; sock_diag and agents do not see those
  std::vector<std::string> names{};
};

struct Scenario {
  std::string_view name, title;
  std::vector<std::string_view> kernel;  ///< what ss, the counters and the timers should show
  std::string_view finding;              ///< what tcpadvisor should say
  Setup setup{};
  std::chrono::milliseconds needs{2'000};  ///< the shortest hold in which its story comes to its end
  /// Makes the calls, or starts timers that make them. Everything on the stage ends with it.
  void (*play)(Stage& stage) = nullptr;
};

/// S1 to S4.
std::span<const Scenario> stories();
/// One for each symptom that a port driver can cause in the kernel.
std::span<const Scenario> symptoms();
/// By name; nothing if there is none.
const Scenario* find_scenario(std::string_view name);
/// "; did you mean 's1'?", or "".
std::string similar_scenario(std::string_view name);

}  // namespace tcpadvisor::port::scenario
