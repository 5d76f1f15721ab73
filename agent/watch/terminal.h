// SPDX-License-Identifier: Apache-2.0
// The terminal: ncurses while this lives, and as it was afterwards.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "advisor/base/result.h"
#include "agent/watch/screen.h"

namespace tcpadvisor::watch {

/// Sets the character set from the environment; true if it is UTF-8. Call once, before anything is drawn.
bool use_environment_charset();

class Terminal {
 public:
  /// Takes over stdin and stdout. Fails with bad_input when TERM names no terminal that can show a screen.
  static Result<std::unique_ptr<Terminal>> open(bool colour);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    std::size_t width, height;
  };
  Size size() const;
  void draw(const std::vector<Line>& lines);
  /// The next key that was pressed, nothing if none waits. Keys without a meaning here are swallowed; a resize is a key
  /// press that only asks for a new screen.
  struct Input {
    bool resized = false;
    KeyPress press;
  };
  std::optional<Input> read_key();

 private:
  explicit Terminal(bool colour) : colour_(colour) {}
  bool colour_;
};

}  // namespace tcpadvisor::watch
