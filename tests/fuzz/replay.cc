// SPDX-License-Identifier: Apache-2.0
// Plays every file of the folders named through the target that this is linked with, and cut and changed forms of each
// (deterministic), where libFuzzer is not there to make them.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/fuzz.h"

namespace {

void play(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

void play_with_changes(const std::string& input) {
  play(input);
  for (std::size_t end = 0; end < input.size(); end += 1 + input.size() / 64) play(input.substr(0, end));
  for (std::size_t at = 0; at < input.size(); at += 1 + input.size() / 256) {
    for (char byte : {'\0', '\xff', '9', '='}) {
      std::string changed = input;
      changed[at] = byte;
      play(changed);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::fprintf(stderr, "%s\n", entry.path().c_str());  // the last one named is the one that aborts
      play_with_changes({std::istreambuf_iterator<char>(file), {}});
      ++files;
    }
  }
  std::printf("%d inputs\n", files);
  return files == 0 ? 1 : 0;
}
