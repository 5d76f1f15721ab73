// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/queue_line.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kWord = "tcpadvisor-queue", kVersion = "1";
constexpr std::size_t kQuoted = 60;  // characters of a bad text that a complaint repeats

std::string quoted(std::string_view text) {
  return fmt::format("'{}{}'", printable(text.substr(0, kQuoted)), text.size() > kQuoted ? "..." : "");
}

std::unexpected<Refusal> refuse(std::string_view kind, std::string text) {
  return std::unexpected(Refusal{kind, std::move(text)});
}

std::optional<std::uint64_t> bounded(std::string_view text, std::uint64_t most) {
  auto value = number<std::uint64_t>(text);
  return value && *value <= most ? value : std::nullopt;
}

/// Whether `text` is a value of the key, which then is in the claim.
using Read = bool (*)(UserQueueClaim& claim, std::string_view text);
/// The value as text; nothing when there is nothing to say.
using Write = std::optional<std::string> (*)(const UserQueueClaim& claim);
struct Key {
  std::string_view name;
  std::string_view wanted;  ///< what its value should be
  Read read;
  Write write;
};

// ---- numbers and flags that may be unknown ----

template <typename T>
constexpr std::uint64_t kMost = std::is_same_v<T, std::uint64_t> ? kMaxQueueNumber : std::numeric_limits<T>::max();

template <auto Member>
using ValueOf = typename std::remove_cvref_t<decltype(std::declval<UserQueue>().*Member)>::value_type;

template <auto Member>
bool read_optional(UserQueueClaim& claim, std::string_view text) {
  auto value = bounded(text, kMost<ValueOf<Member>>);
  if constexpr (std::is_same_v<ValueOf<Member>, bool>) {
    if (text.size() != 1) value.reset();  // "01" is not a flag
  }
  if (value) claim.queue.*Member = static_cast<ValueOf<Member>>(*value);
  return value.has_value();
}

template <auto Member>
std::optional<std::string> write_optional(const UserQueueClaim& claim) {
  const auto& value = claim.queue.*Member;
  if (!value) return std::nullopt;
  return fmt::to_string(std::min<std::uint64_t>(*value, kMost<ValueOf<Member>>));
}

template <auto Member>
constexpr Key optional_key(std::string_view name) {
  bool flag = std::is_same_v<ValueOf<Member>, bool>;
  return {name, flag ? "0 or 1" : "a decimal number that is not too large", &read_optional<Member>,
          &write_optional<Member>};
}

// ---- the others ----

template <Endpoint ConnectionName::* End>
bool read_end(UserQueueClaim& claim, std::string_view text) {
  auto parsed = parse_endpoint(text);
  if (parsed) claim.connection.*End = *parsed;
  return parsed.has_value();
}
template <Endpoint ConnectionName::* End>
std::optional<std::string> write_end(const UserQueueClaim& claim) {
  const Endpoint& end = claim.connection.*End;
  return end.port != 0 ? std::optional(end.text()) : std::nullopt;
}
template <Endpoint ConnectionName::* End>
constexpr Key end_key(std::string_view name) {
  return {name, "an address such as 10.0.0.1:80 or [::1]:80", &read_end<End>, &write_end<End>};
}

bool read_cookie(UserQueueClaim& claim, std::string_view text) {
  claim.connection.cookie = number<std::uint64_t>(text).value_or(0);
  return claim.connection.cookie != 0;
}
std::optional<std::string> write_cookie(const UserQueueClaim& claim) {
  return claim.connection.cookie != 0 ? std::optional(fmt::to_string(claim.connection.cookie)) : std::nullopt;
}

bool read_queued(UserQueueClaim& claim, std::string_view text) {
  auto queued = bounded(text, kMaxQueueNumber);
  claim.queue.queued = queued.value_or(0);
  return queued.has_value();
}
std::optional<std::string> write_queued(const UserQueueClaim& claim) {
  return fmt::to_string(std::min(claim.queue.queued, kMaxQueueNumber));
}

bool read_ended(UserQueueClaim& claim, std::string_view text) {
  claim.queue.ended = text == "1";
  return text == "0" || text == "1";
}
std::optional<std::string> write_ended(const UserQueueClaim& claim) {
  return claim.queue.ended ? std::optional<std::string>("1") : std::nullopt;
}

bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}
bool read_name(UserQueueClaim& claim, std::string_view text) {
  claim.queue.name = text;
  return printable(text) == text &&
         static_cast<std::size_t>(std::ranges::count_if(text, starts_character)) <= kMaxQueueName;
}
std::optional<std::string> write_name(const UserQueueClaim& claim) {
  std::string name;
  std::size_t characters = 0;
  for (char c : printable(claim.queue.name)) {
    if (starts_character(c) && ++characters > kMaxQueueName) break;
    name += c == ' ' ? '_' : c;  // a blank would end it
  }
  return name.empty() ? std::nullopt : std::optional(std::move(name));
}

/// In the order in which they are said.
constexpr std::array kKeys = {
    end_key<&ConnectionName::local>("local"),
    end_key<&ConnectionName::remote>("remote"),
    Key{"cookie", "a decimal number above 0, as SO_COOKIE gives it", read_cookie, write_cookie},
    Key{"queued", "a decimal number of bytes that is not too large", read_queued, write_queued},
    optional_key<&UserQueue::high>("high"),
    optional_key<&UserQueue::low>("low"),
    optional_key<&UserQueue::busy>("busy"),
    optional_key<&UserQueue::waiting>("waiting"),
    optional_key<&UserQueue::suspended>("suspended"),
    optional_key<&UserQueue::waited_ms>("waited_ms"),
    optional_key<&UserQueue::message_queue>("mq"),
    optional_key<&UserQueue::message_high>("mq_high"),
    optional_key<&UserQueue::message_low>("mq_low"),
    optional_key<&UserQueue::message_busy>("mq_busy"),
    optional_key<&UserQueue::pending_shutdown>("pending_shutdown"),
    optional_key<&UserQueue::accepted>("accepted"),
    optional_key<&UserQueue::bypassed>("bypassed"),
    optional_key<&UserQueue::dropped>("dropped"),
    optional_key<&UserQueue::refused>("refused"),
    Key{"ended", "0 or 1", read_ended, write_ended},
    Key{"name", "at most 32 printable characters", read_name, write_name},
};
static_assert(kMaxQueueName == 32, "the table says so");

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
    auto known = std::ranges::find(kKeys, key, &Key::name);
    if (known == kKeys.end()) return refuse("unknown key", fmt::format("the key {} is not known", quoted(key)));
    if (known->read(claim_, value)) return {};
    return refuse("bad value", fmt::format("{}={} should be {}", key, quoted(value), known->wanted));
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

std::string user_queue_line(const UserQueueClaim& claim) {
  std::string line = fmt::format("{} {}", kWord, kVersion);
  for (const Key& key : kKeys) {
    if (auto value = key.write(claim)) fmt::format_to(std::back_inserter(line), " {}={}", key.name, *value);
  }
  return line += '\n';
}

std::vector<std::string_view> user_queue_keys() {
  std::vector<std::string_view> names;
  std::ranges::transform(kKeys, std::back_inserter(names), &Key::name);
  return names;
}

std::vector<QueueLine> parse_user_queues(std::string_view datagram) {
  std::vector<QueueLine> lines;
  while (auto line = next_line(datagram)) {
    if (!trimmed(*line).empty()) lines.push_back(parse_user_queue(*line));
  }
  return lines;
}

}  // namespace tcpadvisor
