// SPDX-License-Identifier: Apache-2.0
// One fuzz target a file: `TCPADVISOR_FUZZ(bytes) { … }` gets a span of bytes, decodes them, and requires what must
// hold whatever they were. libFuzzer drives it (./dev fuzz); replay.cc plays the corpus through it in every ordinary
// build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

namespace tcpadvisor::fuzz {

using Bytes = std::span<const std::uint8_t>;

inline std::string_view text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Ends the process where it stands, so that the fuzzer keeps the input.
inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace tcpadvisor::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#define TCPADVISOR_FUZZ(bytes)                                                        \
  static void one_input(tcpadvisor::fuzz::Bytes bytes);                               \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    one_input({data, size});                                                          \
    return 0;                                                                         \
  }                                                                                   \
  static void one_input(tcpadvisor::fuzz::Bytes bytes)
