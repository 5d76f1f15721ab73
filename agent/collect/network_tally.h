// SPDX-License-Identifier: Apache-2.0
// Connections of each process by the network of their peers: counted in user space as bpf/networks.h counts them in the
// kernel, and kept to a list that nobody else can make long. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/os/descriptor.h"

namespace tcpadvisor::collect {

class NetworkTally {
 public:
  /// `holders` are the row's, by process; `accepted`: something listens at its local port.
  void add(const SocketRow& row, bool accepted, std::span<const os::Descriptor> holders);
  std::vector<NetworkTotals> take();
  /// Sockets that are in no network for want of room, once for each holder.
  std::uint64_t uncounted() const { return uncounted_; }

 private:
  using Key = std::tuple<Pid, NetnsId, Endpoint, bool, bool>;  ///< network and port; accepted; elsewhere
  struct HashOfKey {
    std::size_t operator()(const Key& key) const;
  };
  static constexpr std::size_t kMost = 16'384, kMostNamed = 12'288;

  NetworkTotals* find(Pid pid, const SocketRow& row, bool accepted);

  std::unordered_map<Key, std::size_t, HashOfKey> places_;
  std::vector<NetworkTotals> all_;
  std::uint64_t uncounted_ = 0;
};

/// Of so many the list has at most: with the most sockets, with the most memory that is kept at rest, and processes'
/// other networks in one each.
inline constexpr std::size_t kMostSocketNetworks = 64, kMostRestingNetworks = 32, kMostElsewhere = 64;
/// Keeps these, most sockets first; the last one has all that is in no other.
void keep_largest(std::vector<NetworkTotals>& networks);

}  // namespace tcpadvisor::collect
