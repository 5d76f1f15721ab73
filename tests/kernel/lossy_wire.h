// SPDX-License-Identifier: Apache-2.0
// A wire between the namespace of the test and one of its own, which loses what it is told to lose.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <thread>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::traffic {

inline constexpr const char* kNearAddress = "10.79.0.1";
inline constexpr const char* kFarAddress = "10.79.0.2";

class LossyWire {
 public:
  LossyWire() = default;
  LossyWire(const LossyWire&) = delete;
  LossyWire& operator=(const LossyWire&) = delete;
  ~LossyWire();

  /// Both ends up, from the namespace of the calling thread. False (with the reason) without /dev/net/tun.
  bool start(std::string& why_not);

  // How many more packets are lost on their way from here; each is counted down.
  std::atomic<int> lose_data{0}, lose_syn{0};
  std::atomic<int> lose_syn_ack{0};  ///< from the far end, too
  /// So many packets with data are sent back to where they come from: the path takes 1,000 bytes, says ICMP.
  std::atomic<int> refuse_data{0};

  /// `work` in the far namespace.
  void at_far_end(const std::function<void()>& work) const;

 private:
  void carry();
  bool loses(std::span<const std::uint8_t> packet, bool from_here);

  os::UniqueFd near_, far_, far_netns_;
  std::atomic<bool> stop_{false};
  std::thread carrier_;
};

}  // namespace tcpadvisor::traffic
