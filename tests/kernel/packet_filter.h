// SPDX-License-Identifier: Apache-2.0
// A rule of the packet filter (nf_tables) in the namespace of the calling thread, without its program.
#pragma once

#include <cstdint>
#include <string>

namespace tcpadvisor::traffic {

enum class Hook : std::uint8_t { input = 1, output = 3 };  ///< as the kernel numbers them

/// From now on one in `modulus` packets that comes by is dropped; 1: all. False (with the reason) where that cannot be.
bool drop_packets(Hook hook, std::uint32_t modulus, std::string& why_not);
/// Takes the rules of all hooks away.
void drop_no_packets();

}  // namespace tcpadvisor::traffic
