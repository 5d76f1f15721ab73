// SPDX-License-Identifier: Apache-2.0
// The entries of a hash that BPF programs fill.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>
#include <vector>

namespace tcpadvisor::kernel {

inline constexpr std::uint32_t kAtATime =
    256;  // entries of a hash: most are all but empty, and a bucket never holds so many

/// `take(key, value)` for each entry of a hash; false if it cannot be read. It may be changed meanwhile.
template <typename Key, typename Value, typename Take>
bool each_entry(int map_fd, Take take) {
  std::vector<Key> keys(kAtATime);
  std::vector<Value> values(kAtATime);
  std::uint32_t position = 0, count = kAtATime;
  bool first = true;
  while (true) {
    int result = bpf_map_lookup_batch(map_fd, first ? nullptr : &position, &position, keys.data(), values.data(),
                                      &count, nullptr);
    int why = result == 0 ? 0 : errno;
    if (why != 0 && why != ENOENT) return false;  // ENOENT: that was the end
    for (std::uint32_t i = 0; i < count; ++i) take(keys[i], values[i]);
    if (why == ENOENT || count == 0) return true;
    count = kAtATime;
    first = false;
  }
}

inline bool is_over(std::uint64_t now_ns, std::uint64_t last_ns, std::uint64_t after_ns) {
  return now_ns > last_ns && now_ns - last_ns > after_ns;
}

}  // namespace tcpadvisor::kernel
