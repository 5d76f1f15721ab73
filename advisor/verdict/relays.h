// SPDX-License-Identifier: Apache-2.0
// Programs that pass on what they get: who waits for whom through them, and who owes the next step in the end.
//
// A holder waits for the one that holds the other ends of connections which it has shut down (FIN_WAIT_2, and the other
// end is in CLOSE_WAIT), or in which its data is stuck (the other end has not read). It is a relay if it also holds
// about as many connections on another side that cannot end or go on before: their peers have closed, or have sent what
// it does not read.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "advisor/evidence/connections.h"

namespace tcpadvisor {

/// Each holder is looked at once, and each of its rows.
class Relays {
 public:
  explicit Relays(const Connections& connections) : connections_(connections) {}

  /// Who owes the next step to `holder`, over any number of relays on this host; nothing if no relay is between them.
  std::optional<Group> owes(const Group& holder);
  /// It is a relay, and those that it waits for are not on this host.
  bool waits_elsewhere(const Group& holder);

 private:
  struct Stand {
    bool relay = false, waits = false;
    std::optional<Group> next;   ///< whom it waits for, on this host
    bool resolved = false;       ///< `end` is known
    std::optional<Group> end;    ///< of the chain
    bool through_relay = false;  ///< one is on the way to it, the holder itself included
  };
  Stand& stand(const Group& holder);
  Stand look(const Group& holder) const;

  const Connections& connections_;
  std::map<Group, Stand> known_;
};

}  // namespace tcpadvisor
