// SPDX-License-Identifier: Apache-2.0
#include "agent/port/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <ranges>
#include <utility>

namespace tcpadvisor::port {
namespace {

constexpr std::int64_t kInfiniteMs = 4'294'967'295;  ///< the driver's own word for infinity

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

/// The driver keeps a signed 32-bit number and takes a negative one for 0.
std::int32_t mark(std::int64_t value) {
  return std::max(0, static_cast<std::int32_t>(static_cast<std::uint32_t>(value)));
}

std::optional<Linger> parse_linger(std::string_view text) {
  std::size_t slash = text.find('/');
  auto on = boolean(text.substr(0, slash));
  auto seconds = slash == std::string_view::npos ? std::optional<std::int64_t>(0) : integer(text.substr(slash + 1));
  if (!on || !seconds || *seconds < 0 || *seconds > std::numeric_limits<int>::max()) return std::nullopt;
  return Linger{*on, static_cast<int>(*seconds)};
}

/// One option: how its value is checked, applied and shown. `type_ok` is the check that Erlang makes before it applies
/// any option of a list; `set` answers false for a value out of range.
struct Known {
  std::string_view name, short_name;
  std::string_view values;  ///< what may be written, in words
  bool (*type_ok)(std::string_view);
  bool (*set)(Options&, std::string_view);
  std::string (*show)(const Options&);
};

bool is_integer(std::string_view text) {
  return integer(text).has_value();
}
bool is_boolean(std::string_view text) {
  return boolean(text).has_value();
}

template <bool Options::* Member>
constexpr Known flag(std::string_view name) {
  return {name,
          name,
          "true or false",
          is_boolean,
          [](Options& o, std::string_view text) {
            o.*Member = *boolean(text);
            return true;
          },
          [](const Options& o) { return std::string(o.*Member ? "true" : "false"); }};
}

template <std::optional<std::int32_t> Options::* Member>
constexpr Known kernel_buffer(std::string_view name) {
  return {name,
          name,
          "a whole number of bytes",
          is_integer,
          [](Options& o, std::string_view text) {
            o.*Member = mark(*integer(text));
            if (&(o.*Member) == &o.recbuf && !o.buffer_set) o.buffer = std::max(o.buffer, *o.recbuf);
            return true;
          },
          [](const Options& o) { return o.*Member ? fmt::to_string(*(o.*Member)) : std::string("kernel"); }};
}

bool set_active(Options& o, std::string_view text) {
  using Mode = Active::Mode;
  if (auto on = boolean(text)) {
    o.active = {*on ? Mode::on : Mode::off, 0};
    return true;
  }
  if (text == "once") {
    o.active = {Mode::once, 0};
    return true;
  }
  auto in_range = [](std::int64_t count) { return count >= -32'768 && count <= 32'767; };
  std::int64_t more = *integer(text);
  std::int64_t sum = more + (in_range(more) && o.active.mode == Mode::count ? o.active.count : 0);
  if (!in_range(more) || !in_range(sum)) return false;
  o.active = sum > 0 ? Active{Mode::count, static_cast<int>(sum)} : Active{};
  return true;
}

std::string show_active(const Options& o) {
  switch (o.active.mode) {
    case Active::Mode::off:
      return "false";
    case Active::Mode::once:
      return "once";
    case Active::Mode::on:
      return "true";
    case Active::Mode::count:
      break;
  }
  return fmt::to_string(o.active.count);
}

constexpr std::array kKnown{
    Known{"high_watermark", "high", "a whole number of bytes", is_integer,
          [](Options& o, std::string_view text) {
            o.high = mark(*integer(text));
            o.low = std::min(o.low, o.high);
            return true;
          },
          [](const Options& o) { return fmt::to_string(o.high); }},
    Known{"low_watermark", "low", "a whole number of bytes", is_integer,
          [](Options& o, std::string_view text) {
            o.low = mark(*integer(text));
            o.high = std::max(o.high, o.low);
            return true;
          },
          [](const Options& o) { return fmt::to_string(o.low); }},
    Known{"high_msgq_watermark", "mq_high", "a whole number of bytes, at least 1", is_integer,
          [](Options& o, std::string_view text) {
            if (*integer(text) < 1) return false;  // OTP also refuses 0 and -1, but takes -2 for a huge number
            o.mq_high = *integer(text);
            o.mq_low = std::min(o.mq_low, o.mq_high);
            return true;
          },
          [](const Options& o) { return fmt::to_string(o.mq_high); }},
    Known{"low_msgq_watermark", "mq_low", "a whole number of bytes, at least 1", is_integer,
          [](Options& o, std::string_view text) {
            if (*integer(text) < 1) return false;
            o.mq_low = *integer(text);
            o.mq_high = std::max(o.mq_high, o.mq_low);
            return true;
          },
          [](const Options& o) { return fmt::to_string(o.mq_low); }},
    Known{"send_timeout", "send_timeout", "milliseconds, or infinity",
          [](std::string_view text) { return text == "infinity" || integer(text).value_or(-1) >= 0; },
          [](Options& o, std::string_view text) {
            auto ms = integer(text);
            o.send_timeout = ms && *ms < kInfiniteMs ? std::optional(std::chrono::milliseconds(*ms)) : std::nullopt;
            return true;
          },
          [](const Options& o) {
            return o.send_timeout ? fmt::to_string(o.send_timeout->count()) : std::string("infinity");
          }},
    Known{"linger", "linger", "true/SECONDS or false",
          [](std::string_view text) { return parse_linger(text).has_value(); },
          [](Options& o, std::string_view text) {
            o.linger = *parse_linger(text);
            return true;
          },
          [](const Options& o) { return fmt::format("{}/{}", o.linger.on, o.linger.seconds); }},
    Known{
        "packet", "packet", "raw, 0, 1, 2 or 4",
        [](std::string_view text) { return text == "raw" || text == "0" || text == "1" || text == "2" || text == "4"; },
        [](Options& o, std::string_view text) {
          o.packet = text == "raw" ? 0 : static_cast<int>(*integer(text));
          return true;
        },
        [](const Options& o) { return fmt::to_string(o.packet); }},
    Known{"active", "active", "true, false, once, or a count from -32768 to 32767",
          [](std::string_view text) { return is_boolean(text) || text == "once" || is_integer(text); }, set_active,
          show_active},
    Known{"buffer", "buffer", "a whole number of bytes", is_integer,
          [](Options& o, std::string_view text) {
            o.buffer = std::max(1, mark(*integer(text)));
            o.buffer_set = true;
            return true;
          },
          [](const Options& o) { return fmt::to_string(o.buffer); }},
    kernel_buffer<&Options::sndbuf>("sndbuf"),
    kernel_buffer<&Options::recbuf>("recbuf"),
    flag<&Options::delay_send>("delay_send"),
    flag<&Options::send_timeout_close>("send_timeout_close"),
    flag<&Options::exit_on_close>("exit_on_close"),
    flag<&Options::show_econnreset>("show_econnreset"),
    flag<&Options::nodelay>("nodelay"),
    flag<&Options::parallelism>("parallelism"),
};

constexpr auto kNames = [] {
  std::array<std::string_view, kKnown.size()> names{};
  std::ranges::transform(kKnown, names.begin(), &Known::short_name);
  return names;
}();

const Known* find(std::string_view name) {
  auto at = std::ranges::find_if(kKnown, [&](const Known& k) { return name == k.name || name == k.short_name; });
  return at == kKnown.end() ? nullptr : &*at;
}

std::unexpected<Error> no_such_option(std::string_view name) {
  return fail(ErrorCode::bad_input,
              fmt::format("there is no option '{}'; the options are {}", name, fmt::join(kNames, ", ")));
}

}  // namespace

Result<std::string_view> option_name(std::string_view name) {
  const Known* known = find(name);
  if (known == nullptr) return no_such_option(name);
  return known->name;
}

Result<std::string_view> option_values(std::string_view name) {
  const Known* known = find(name);
  if (known == nullptr) return no_such_option(name);
  return known->values;
}

std::span<const std::string_view> option_names() {
  return kNames;
}

Outcome apply(Options& options, std::span<const OptionSetting> settings) {
  for (const OptionSetting& setting : settings) {
    const Known* known = find(setting.name);
    if (known == nullptr || !known->type_ok(setting.value)) return Outcome::einval;
  }
  for (const OptionSetting& setting : settings | std::views::reverse) {
    if (!find(setting.name)->set(options, setting.value)) return Outcome::einval;
  }
  return Outcome::ok;
}

Result<std::string> option_text(const Options& options, std::string_view name) {
  const Known* known = find(name);
  if (known == nullptr) return no_such_option(name);
  return known->show(options);
}

Options inherited(const Options& listener) {
  // The driver copies most of these, prim_inet the rest; of the listener's own there is only what no port can use.
  Options accepted = listener;
  accepted.sndbuf = accepted.recbuf = std::nullopt;  // the kernel hands its buffers on by itself
  accepted.parallelism = Options{}.parallelism;      // belongs to the opened port, not to the socket
  return accepted;
}

}  // namespace tcpadvisor::port
