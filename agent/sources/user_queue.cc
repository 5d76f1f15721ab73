// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/user_queue.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <variant>

#include "advisor/base/text.h"
#include "agent/sources/fields.h"

namespace tcpadvisor::sources {
namespace {

constexpr std::string_view kWord = "tcpadvisor-queue", kVersion = "1";
constexpr std::size_t kQuoted = 60;  // characters of a bad text that a complaint repeats

std::string quoted(std::string_view text) {
  return fmt::format("'{}{}'", printable(text.substr(0, kQuoted)), text.size() > kQuoted ? "..." : "");
}

std::unexpected<Refusal> refuse(std::string_view kind, std::string text) {
  return std::unexpected(Refusal{kind, std::move(text)});
}

using Bytes = std::optional<std::uint64_t> UserQueue::*;
using Count = std::optional<std::uint32_t> UserQueue::*;
using Flag = std::optional<bool> UserQueue::*;
struct Key {
  std::string_view name;
  std::variant<Bytes, Count, Flag> member;
};
constexpr std::array kKeys = {
    Key{"high", &UserQueue::high},
    Key{"low", &UserQueue::low},
    Key{"busy", &UserQueue::busy},
    Key{"waiting", &UserQueue::waiting},
    Key{"suspended", &UserQueue::suspended},
    Key{"waited_ms", &UserQueue::waited_ms},
    Key{"mq", &UserQueue::message_queue},
    Key{"mq_high", &UserQueue::message_high},
    Key{"mq_low", &UserQueue::message_low},
    Key{"mq_busy", &UserQueue::message_busy},
    Key{"pending_shutdown", &UserQueue::pending_shutdown},
    Key{"accepted", &UserQueue::accepted},
    Key{"bypassed", &UserQueue::bypassed},
    Key{"dropped", &UserQueue::dropped},
    Key{"refused", &UserQueue::refused},
};

std::optional<std::uint64_t> bounded(std::string_view text, std::uint64_t most) {
  auto value = number<std::uint64_t>(text);
  return value && *value <= most ? value : std::nullopt;
}

/// False when the text is not such a value.
bool assign(UserQueue& queue, Bytes member, std::string_view text) {
  queue.*member = bounded(text, kMaxQueueNumber);
  return (queue.*member).has_value();
}
bool assign(UserQueue& queue, Count member, std::string_view text) {
  if (auto value = bounded(text, std::numeric_limits<std::uint32_t>::max())) {
    queue.*member = static_cast<std::uint32_t>(*value);
  }
  return (queue.*member).has_value();
}
bool assign(UserQueue& queue, Flag member, std::string_view text) {
  if (text == "0" || text == "1") queue.*member = text == "1";
  return (queue.*member).has_value();
}

std::string_view wanted_for(const Key& key) {
  return std::holds_alternative<Flag>(key.member) ? "0 or 1" : "a decimal number that is not too large";
}

bool assign_name(UserQueue& queue, std::string_view text) {
  auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  queue.name = text;
  return printable(text) == text &&
         static_cast<std::size_t>(std::ranges::count_if(text, starts_character)) <= kMaxQueueName;
}

/// Keys seen so far, to find the one that comes twice.
class Line {
 public:
  std::expected<void, Refusal> add(std::string_view word) {
    std::size_t equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return refuse("not key=value", fmt::format("{} is not key=value", quoted(word)));
    }
    std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
    if (std::ranges::find(seen_, key) != seen_.end()) {
      return refuse("repeated key", fmt::format("the key {} comes twice", quoted(key)));
    }
    seen_.push_back(key);
    return take(key, value);
  }

  QueueLine finish() const {
    bool local = claim_.connection.local.port != 0, remote = claim_.connection.remote.port != 0;
    if (local != remote || (!local && claim_.connection.cookie == 0)) {
      return refuse("missing key", "a connection is named by cookie=, or by local= and remote=");
    }
    if (std::ranges::find(seen_, "queued") == seen_.end()) return refuse("missing key", "queued= is missing");
    return claim_;
  }

 private:
  std::expected<void, Refusal> take(std::string_view key, std::string_view value) {
    auto unless = [&](bool good, std::string_view wanted) -> std::expected<void, Refusal> {
      if (good) return {};
      return refuse("bad value", fmt::format("{}={} should be {}", key, quoted(value), wanted));
    };
    auto address = [&](Endpoint& into) {
      auto parsed = parse_endpoint(value);
      if (parsed) into = *parsed;
      return unless(parsed.has_value(), "an address such as 10.0.0.1:80 or [::1]:80");
    };
    if (key == "local") return address(claim_.connection.local);
    if (key == "remote") return address(claim_.connection.remote);
    if (key == "cookie") {
      auto cookie = number<std::uint64_t>(value);
      claim_.connection.cookie = cookie.value_or(0);
      return unless(claim_.connection.cookie != 0, "a decimal number above 0, as SO_COOKIE gives it");
    }
    if (key == "queued") {
      auto queued = bounded(value, kMaxQueueNumber);
      claim_.queue.queued = queued.value_or(0);
      return unless(queued.has_value(), "a decimal number of bytes that is not too large");
    }
    if (key == "ended") {
      claim_.queue.ended = value == "1";
      return unless(value == "0" || value == "1", "0 or 1");
    }
    if (key == "name") {
      return unless(assign_name(claim_.queue, value), fmt::format("at most {} printable characters", kMaxQueueName));
    }
    auto known = std::ranges::find(kKeys, key, &Key::name);
    if (known == kKeys.end()) return refuse("unknown key", fmt::format("the key {} is not known", quoted(key)));
    return unless(std::visit([&](auto member) { return assign(claim_.queue, member, value); }, known->member),
                  wanted_for(*known));
  }

  UserQueueClaim claim_;
  std::vector<std::string_view> seen_;
};

}  // namespace

std::string ConnectionName::text() const {
  return has_addresses() ? fmt::format("{} > {}", local.text(), remote.text()) : fmt::format("cookie {}", cookie);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  auto bad = [&] {
    return fail(ErrorCode::bad_input,
                fmt::format("{} is not an address such as 10.0.0.1:80 or [::1]:80", quoted(text)));
  };
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  auto port = number<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  bool v6 = host.starts_with('[') && host.ends_with(']');
  if (v6) host = host.substr(1, host.size() - 2);
  std::array<char, INET6_ADDRSTRLEN + 1> name{};
  std::array<std::uint8_t, 16> ip{};
  if (!port || *port == 0 || host.size() >= name.size()) return bad();
  std::ranges::copy(host, name.begin());
  if (std::strlen(name.data()) != host.size() || inet_pton(v6 ? AF_INET6 : AF_INET, name.data(), ip.data()) != 1) {
    return bad();
  }
  return Endpoint::from_bytes(std::span(ip).first(v6 ? 16 : 4), *port);
}

QueueLine parse_user_queue(std::string_view line) {
  std::string_view rest = line;
  if (next_word(rest) != kWord) {
    return refuse("not a message", fmt::format("{} does not begin with '{} {}'", quoted(line), kWord, kVersion));
  }
  std::string_view version = next_word(rest);
  if (version != kVersion) {
    return refuse("wrong version", fmt::format("version {} is not known, only {}", quoted(version), kVersion));
  }
  Line parsed;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (auto added = parsed.add(word); !added) return std::unexpected(added.error());
  }
  return parsed.finish();
}

std::vector<QueueLine> parse_user_queues(std::string_view datagram) {
  std::vector<QueueLine> lines;
  while (auto line = next_line(datagram)) {
    if (!trimmed(*line).empty()) lines.push_back(parse_user_queue(*line));
  }
  return lines;
}

}  // namespace tcpadvisor::sources
