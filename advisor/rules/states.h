// SPDX-License-Identifier: Apache-2.0
// Which rules look at which sockets: for every TCP state, what waits in the queues, and who holds it. A combination
// that no rule looks at must say why it needs none, so that "fine" leaves out nothing by oversight.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// What waits: received and not read, sent and not acknowledged.
enum class Waits : std::uint8_t { nothing, unread, unsent, both };
inline constexpr Waits kAllWaits[] = {Waits::nothing, Waits::unread, Waits::unsent, Waits::both};
inline constexpr Holder kAllHolders[] = {Holder::unknown, Holder::process,       Holder::unaccepted, Holder::orphan,
                                         Holder::kernel,  Holder::no_descriptor, Holder::outside};

struct SocketForm {
  TcpState state = TcpState::established;
  Waits waits = Waits::nothing;
  Holder holder = Holder::process;
};

/// A part of all forms, and the rules that look at it.
struct Watched {
  std::span<const TcpState> states;
  std::span<const Waits> waits;
  std::span<const Holder> holders;
  std::span<const std::string_view> rules;  ///< ids; empty: none is needed, for the reason
  std::string_view reason = "";             ///< why there is no such socket, or why it needs nobody
  bool has(const SocketForm& form) const;
};

std::span<const Watched> watched();
/// The rules that look at sockets of this form, each once.
std::vector<std::string_view> rules_for(const SocketForm& form);
/// Why no rule needs to; empty if one does, or if nobody has thought of it.
std::string_view why_no_rule(const SocketForm& form);

}  // namespace tcpadvisor
