// SPDX-License-Identifier: Apache-2.0
// The trees and bytes below tests/fixtures, and ways to damage them.
#pragma once

#include <cstddef>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "agent/os/proc_root.h"

namespace tcpadvisor::fixture {

inline std::string path(const std::string& name) {
  return std::string(TCPADVISOR_SOURCE_DIR "/tests/fixtures/") + name;
}
inline os::ProcRoot root(const std::string& name) {
  return os::ProcRoot(path(name));
}

inline std::string text(const std::string& name) {
  std::ifstream file(path(name), std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

/// Each line of hex digits as bytes.
inline std::vector<std::vector<std::byte>> messages(const std::string& name) {
  std::vector<std::vector<std::byte>> all;
  std::istringstream lines(text(name));
  for (std::string line; std::getline(lines, line);) {
    auto& message = all.emplace_back();
    for (std::size_t at = 0; at + 1 < line.size(); at += 2) {
      message.push_back(static_cast<std::byte>(std::stoi(line.substr(at, 2), nullptr, 16)));
    }
  }
  return all;
}

/// Calls `use` with every shorter beginning, and with every byte changed in a few ways. The bytes lie in a buffer of
/// exactly their size, so that a sanitizer sees a read beyond it.
template <typename Use>
void damage(std::span<const std::byte> bytes, Use use) {
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    std::vector<std::byte> shorter(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    use(std::span<const std::byte>(shorter));
  }
  std::vector<std::byte> changed(bytes.begin(), bytes.end());
  for (std::size_t at = 0; at < changed.size(); ++at) {
    for (unsigned value : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu}) {
      changed[at] = static_cast<std::byte>(value);
      use(std::span<const std::byte>(changed));
    }
    changed[at] = bytes[at];
  }
}

/// The same for text.
template <typename Use>
void damage_text(const std::string& text, Use use) {
  damage(std::as_bytes(std::span(text)), [&](std::span<const std::byte> bytes) {
    use(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  });
}

}  // namespace tcpadvisor::fixture
