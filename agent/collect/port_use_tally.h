// SPDX-License-Identifier: Apache-2.0
// Local ports in use towards each destination, counted in user space as bpf/port_use.h counts them in the kernel. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "agent/kernel/tracer.h"

namespace tcpadvisor::collect {

class PortUseTally {
 public:
  explicit PortUseTally(kernel::PortRange ports) : ports_(ports) {}

  /// A socket of a port on which we listen needs no port of its own: those are not for add().
  void add(const SocketRow& row);
  std::vector<PortUse> most() const;  ///< kernel::kMaxPortUse of them, most first
  std::uint64_t uncounted() const { return uncounted_; }

 private:
  struct Ports {
    std::uint64_t used = 0, timewait = 0;
  };
  static constexpr std::size_t kMaxDestinations = 65'536;

  kernel::PortRange ports_;
  std::map<std::pair<Endpoint, Endpoint>, Ports> towards_;  ///< source without port, destination
  std::uint64_t uncounted_ = 0;
};

/// Keeps the `most` that have used the largest part of their namespace's range; `range_of` gives that range.
void keep_fullest(std::vector<PortUse>& uses, const std::map<NetnsId, kernel::PortRange>& range_of, std::size_t most);

}  // namespace tcpadvisor::collect
