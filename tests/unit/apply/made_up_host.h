// SPDX-License-Identifier: Apache-2.0
// Settings and files in memory, where any write may fail, or be the last thing this program does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/apply/apply.h"

namespace tcpadvisor::apply::made_up {

struct Died {};  ///< thrown where a real host would go on without us

enum class Fault { none, fails, dies_before, dies_after };

/// Which of the writes from now on is struck, counted from 0.
struct Strike {
  Fault fault = Fault::none;
  int at = -1;
  bool lasts = false;  ///< with `fails`: so does each one after it
};

class Host final : public HostSettings, public Files {
 public:
  std::map<std::pair<std::uint64_t, std::string>, std::string> values;
  std::map<std::string, std::string> files;
  int writes = 0;

  void strike(Strike strike) {
    strike_ = strike;
    writes = 0;
  }

  Result<std::string> read(std::uint64_t netns_id, std::string_view knob) override {
    auto found = values.find({netns_id, std::string(knob)});
    if (found == values.end()) return fail(ErrorCode::not_found, "there is no such namespace here");
    return found->second;
  }
  Status write(std::uint64_t netns_id, std::string_view knob, std::string_view value) override {
    return change([&] { values.at({netns_id, std::string(knob)}) = value; }, [] {});
  }

  Result<std::optional<std::string>> read(const std::string& path) override {
    auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  }
  Status replace(const std::string& path, std::string_view text) override {
    return change(
        [&] {
          files.erase(temporary_beside(path));
          files[path] = text;
        },
        [&] { files[temporary_beside(path)] = text.substr(0, text.size() / 2); });
  }
  Status remove(const std::string& path) override {
    if (!files.contains(path)) return {};
    return change([&] { files.erase(path); }, [] {});
  }
  Status append(const std::string& path, std::string_view text) override {
    return change([&] { files[path] += text; }, [&] { files[path] += text.substr(0, text.size() / 2); });
  }

 private:
  /// `half`: what a death in the middle leaves.
  template <typename Whole, typename Half>
  Status change(Whole whole, Half half) {
    const int number = writes++;
    const bool struck = number == strike_.at || (strike_.lasts && strike_.at >= 0 && number > strike_.at);
    if (struck && strike_.fault == Fault::fails) return fail(ErrorCode::failed, "no space left");
    if (struck && strike_.fault == Fault::dies_before) {
      half();
      throw Died();
    }
    whole();
    if (struck && strike_.fault == Fault::dies_after) throw Died();
    return {};
  }

  Strike strike_;
};

}  // namespace tcpadvisor::apply::made_up
