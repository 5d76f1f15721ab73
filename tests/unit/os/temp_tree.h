// SPDX-License-Identifier: Apache-2.0
// A directory tree made for one test, removed afterwards; stands in for / in ProcRoot.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "agent/os/proc_root.h"

namespace tcpadvisor::os {

class TempTree {
 public:
  TempTree() {
    std::string name = (std::filesystem::temp_directory_path() / "tcpadvisor-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempTree() { std::filesystem::remove_all(path_); }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  TempTree& file(std::string_view absolute, std::string_view text) {
    std::filesystem::path full = place(absolute);
    std::ofstream(full, std::ios::binary) << text;
    return *this;
  }
  TempTree& link(std::string_view absolute, std::string_view target) {
    std::filesystem::create_symlink(target, place(absolute));
    return *this;
  }
  TempTree& remove(std::string_view absolute) {
    std::filesystem::remove_all(path_ + std::string(absolute));
    return *this;
  }
  ProcRoot root() const { return ProcRoot(path_); }
  const std::string& path() const { return path_; }

 private:
  std::filesystem::path place(std::string_view absolute) {
    std::filesystem::path full = path_ + std::string(absolute);
    std::filesystem::create_directories(full.parent_path());
    return full;
  }
  std::string path_;
};

}  // namespace tcpadvisor::os
