// SPDX-License-Identifier: Apache-2.0
// Connections that look alike on the screen, and what they add up to. Pure.
#pragma once

#include <span>
#include <string>

#include "advisor/evidence/connections.h"
#include "agent/observe/links.h"
#include "agent/watch/line.h"

namespace tcpadvisor::watch {

using observe::Link;

/// Equal for connections of the same owner, state and remote group whose chains have the same parts. A remote group is
/// the service that they go to, or the network (/24, /64) from which they come.
std::string form_of(const Link& link);

/// Their queues added up, as if they were one connection.
class LinkSum {
 public:
  explicit LinkSum(std::span<const Link* const> links);  ///< at least one, all of the same form
  LinkSum(const LinkSum&) = delete;
  LinkSum& operator=(const LinkSum&) = delete;

  const Link& link() const { return link_; }
  /// "10.0.0.1:443 → 10.0.0.*:*": a part in which they differ is a star.
  std::string ends_text(const Glyphs& g) const;

 private:
  SocketRow near_, far_;
  UserQueue near_driver_, far_driver_;
  Link link_;
  std::string local_, remote_;
};

}  // namespace tcpadvisor::watch
