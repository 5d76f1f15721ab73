// SPDX-License-Identifier: Apache-2.0
// What a report says against what is true: nothing here touches the machine.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::truth {

enum class Severity : std::uint8_t { info, warning, critical };
enum class Who : std::uint8_t { culprit, peer, anybody };

/// A finding that has to be there.
struct Want {
  std::string_view id;
  Who who = Who::culprit;              ///< whose process it names
  Severity least = Severity::warning;  ///< at least as loud
};

struct Said {
  std::string id, title;
  Severity severity = Severity::info;
  pid_t pid = 0;
};
/// The findings of `report --format json`; nothing if that is not what it is.
std::vector<Said> findings_in(const nlohmann::json& report);

/// A Want with its process: 0 if any will do.
struct Awaited {
  std::string_view id;
  pid_t pid = 0;
  Severity least = Severity::warning;
};

struct Expectation {
  std::vector<Awaited> wanted;
  std::vector<std::string_view> beside;  ///< allowed at any severity
  std::vector<std::string_view> never;   ///< false at any severity; everything else is false from warning on
};

struct Judged {
  std::size_t right = 0;              ///< wanted and said
  std::vector<std::string> missed;    ///< wanted and not said
  std::vector<std::string> too_much;  ///< said and neither wanted nor allowed
};
Judged judge(const Expectation& expected, const std::vector<Said>& said);

/// What limits a bulk flow. The last one is what a report says that blames nothing.
enum class Class : std::uint8_t { application, sender_buffer, receiver_window, congestion, path, peer, none };
inline constexpr std::array<std::string_view, 7> kClassNames = {
    "application", "sender buffer", "receiver window", "congestion", "path", "peer", "none"};

/// What these findings blame for one flow: the loudest first, then as they are sorted.
Class blamed(const std::vector<Said>& said);

struct Totals {
  std::size_t right = 0, missed = 0, too_much = 0;
  double precision() const { return ratio(right, too_much); }
  double recall() const { return ratio(right, missed); }

 private:
  static double ratio(std::size_t good, std::size_t bad) {
    return good + bad == 0 ? 1 : static_cast<double>(good) / static_cast<double>(good + bad);
  }
};

using Matrix = std::array<std::array<std::size_t, kClassNames.size()>, kClassNames.size()>;  ///< [truth][said]
/// Nothing beside the diagonal, and, if `full`, something in each cell of it.
bool is_diagonal(const Matrix& matrix, bool full);
std::string matrix_text(const Matrix& matrix);

}  // namespace tcpadvisor::truth
