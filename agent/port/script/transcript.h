// SPDX-License-Identifier: Apache-2.0
// What a run shows of itself: one line or one JSON object per step. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/channel.h"
#include "agent/port/port.h"

namespace tcpadvisor::port::script {

struct CallerRecord {
  std::string name;
  std::string now;  ///< "waiting", "ok", …
  std::uint64_t calls = 0;
  std::map<Outcome, std::uint64_t> returned;
};

/// The first and the last of what may be as many sentences as there are calls. The same one again is counted.
class Reasons {
 public:
  static constexpr std::size_t kFirst = 12, kLast = 8;

  void add(std::string_view text);
  bool empty() const { return first_.empty(); }
  /// "and N more" stands where some are left out.
  std::vector<std::string> lines() const;

 private:
  struct Sentence {
    std::string text;
    std::uint64_t times = 1;
  };
  std::vector<Sentence> first_;
  std::deque<Sentence> last_;
  std::uint64_t left_out_ = 0;
};

struct StepRecord {
  int line = 0;
  std::string step{};
  Time at{};                            ///< when the step was over, since the start
  std::vector<CallerRecord> callers{};  ///< who called in it
  std::string result{};                 ///< of a step that is no caller's
  std::vector<std::string> events{};    ///< in their order
  Reasons reasons{};                    ///< the same, if they were asked for
  std::map<std::string, PortState> ports{};
  std::map<std::string, ChannelState> channels{};
  std::string shown{};    ///< the one that the step is about; empty: whatever changed
  std::string failure{};  ///< what was found instead of what was expected
};

class Transcript {
 public:
  virtual ~Transcript() = default;
  virtual void add(const StepRecord& record) = 0;
};

using Write = std::function<void(std::string_view)>;

/// Aligned lines for people. Remembers the last ones, for the message of an expectation that does not hold.
class TextTranscript final : public Transcript {
 public:
  static constexpr std::size_t kShownBefore = 5;

  /// No `write`: it only remembers.
  explicit TextTranscript(Write write) : write_(std::move(write)) {}
  void add(const StepRecord& record) override;
  /// The last steps, the newest at the end.
  std::string last_steps() const;
  static std::string head();

 private:
  Write write_;
  bool begun_ = false;
  std::deque<std::string> last_;
  std::map<std::string, std::string> shown_;  ///< port -> its columns as they were last shown
};

class JsonTranscript final : public Transcript {
 public:
  explicit JsonTranscript(Write write) : write_(std::move(write)) {}
  void add(const StepRecord& record) override;

 private:
  Write write_;
};

/// "ok x6, waiting"
std::string result_text(const StepRecord& record);

}  // namespace tcpadvisor::port::script
