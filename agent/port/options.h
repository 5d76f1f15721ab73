// SPDX-License-Identifier: Apache-2.0
// The options of a port as inet_drv keeps them: defaults, clamping, order of application, inheritance. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "agent/port/terms.h"

namespace tcpadvisor::port {

struct Linger {
  bool on = false;
  int seconds = 0;
  bool operator==(const Linger&) const = default;
};

/// Passive, {active,once}, {active,true}, or {active,N} with a budget of messages.
struct Active {
  enum class Mode : std::uint8_t { off, once, on, count } mode = Mode::off;
  int count = 0;
  bool operator==(const Active&) const = default;
};

/// Bytes unless said otherwise.
struct Options {
  std::int32_t high = 8192, low = 4096;                   ///< high_watermark, low_watermark: of the driver queue
  std::int64_t mq_high = 8192, mq_low = 4096;             ///< high_msgq_watermark, low_msgq_watermark
  bool delay_send = false;                                ///< queue first, write in the next turn
  std::optional<std::chrono::milliseconds> send_timeout;  ///< nothing: infinity
  bool send_timeout_close = false;
  bool exit_on_close = true;
  bool show_econnreset = false;
  Linger linger;
  Active active;
  int packet = 0;              ///< length of the header in front of each send: 0, 1, 2 or 4
  std::int32_t buffer = 1460;  ///< user read buffer; a larger recbuf raises it until it is set itself
  bool buffer_set = false;
  std::optional<std::int32_t> sndbuf, recbuf;  ///< as asked for; the kernel clamps
  bool nodelay = false;
  bool parallelism = false;
  bool operator==(const Options&) const = default;
};

/// The value of one option as it was written. What has the wrong type is kept, because Erlang checks types before it
/// applies anything.
struct OptionSetting {
  std::string name;   ///< Erlang's name or its short form: high, low, mq_high, mq_low
  std::string value;  ///< "8192", "true", "infinity", "once", "true/2" for linger {true,2}
};

/// "high_watermark" for "high" and so on; fails with bad_input if there is no such option.
Result<std::string_view> option_name(std::string_view name);
/// What may be written for it, in words: "true or false". Fails with bad_input if there is no such option.
Result<std::string_view> option_values(std::string_view name);
/// All names, the short forms first; for help and messages.
std::span<const std::string_view> option_names();

/// Applies a list as prim_inet does: the types of all are checked first, then the last one is applied first. An error
/// (einval) stops it; what was applied before stays.
Outcome apply(Options& options, std::span<const OptionSetting> settings);
/// As `getopts` shows it: "8192", "infinity", "{true,0}". Fails with bad_input if there is no such option.
Result<std::string> option_text(const Options& options, std::string_view name);

/// What an accepted port takes over from its listener at the time of the accept; the rest has its default.
Options inherited(const Options& listener);

}  // namespace tcpadvisor::port
