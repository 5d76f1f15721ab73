// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/web_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml.h>

#include <algorithm>
#include <set>
#include <vector>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"
#include "advisor/base/toml.h"

namespace tcpadvisor::serve {
namespace {

TomlPlace place_of(const yaml_mark_t& mark) {
  return {mark.line + 1, mark.column + 1};
}

/// What the file is made of, one after the other. Every event's text is copied: libyaml frees its own.
struct Event {
  yaml_event_type_t type = YAML_NO_EVENT;
  std::string text;    ///< of a scalar
  bool plain = false;  ///< a scalar without quotes
  TomlPlace at;
};

class Events {
 public:
  Events(std::string_view text, std::string_view origin) : origin_(origin) {
    good_ = yaml_parser_initialize(&parser_) == 1;
    if (!good_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Events() {
    if (good_) yaml_parser_delete(&parser_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  Result<Event> next() {
    yaml_event_t event;
    if (!good_) return fail(ErrorCode::failed, "no memory to read " + std::string(origin_));
    if (yaml_parser_parse(&parser_, &event) == 0) return std::unexpected(no_yaml());
    Event found{.type = event.type, .text = {}, .at = place_of(event.start_mark)};
    bool anchored = event.type == YAML_ALIAS_EVENT;
    if (event.type == YAML_SCALAR_EVENT) {
      const auto& scalar = event.data.scalar;
      found.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
      found.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
      anchored = scalar.anchor != nullptr;
    }
    yaml_event_delete(&event);
    if (anchored) return wrong(found.at, "names (&name, *name) are not taken here: write the value itself");
    return found;
  }

  std::unexpected<Error> wrong(const TomlPlace& at, std::string_view text) const {
    return std::unexpected(at_place(origin_, at, text));
  }

 private:
  Error no_yaml() const {
    // A byte that is no UTF-8 has an offset and no mark.
    const yaml_mark_t& mark = parser_.problem_mark;
    const std::string why = printable(parser_.problem != nullptr ? parser_.problem : "it cannot be read");
    return at_place(origin_, place_of(mark), "this is not YAML: " + why);
  }

  std::string_view origin_;
  yaml_parser_t parser_{};
  bool good_ = false;
};

bool is_nothing(const Event& event) {
  return event.type == YAML_SCALAR_EVENT && event.plain &&
         (event.text.empty() || event.text == "~" || event.text == "null");
}

const std::vector<std::string_view> kSections{"tls_server_config", "basic_auth_users"};
const std::vector<std::string_view> kTlsKeys{"cert_file", "key_file", "min_version"};
/// Of the format, with what they would do.
const std::map<std::string_view, std::string_view> kNotOffered{
    {"http_server_config", "HTTP/2 and headers of one's own are"},
    {"rate_limit", "a limit of requests is"},
    {"client_auth_type", "certificates of clients are"},
    {"client_ca_file", "certificates of clients are"},
    {"client_ca", "certificates of clients are"},
    {"client_allowed_sans", "certificates of clients are"},
    {"max_version", "an upper limit of the version is"},
    {"cipher_suites", "a choice of ciphers is"},
    {"prefer_server_cipher_suites", "a choice of ciphers is"},
    {"curve_preferences", "a choice of curves is"},
    {"cert", "a certificate inside of this file is"},
    {"key", "a key inside of this file is"},
};

class Reader {
 public:
  Reader(std::string_view text, std::string_view origin) : events_(text, origin) {}

  Result<WebConfig> read() {
    while (true) {
      Result<Event> event = events_.next();
      if (!event) return std::unexpected(event.error());
      Status status;
      if (event->type == YAML_STREAM_END_EVENT) return std::move(config_);
      if (event->type == YAML_DOCUMENT_START_EVENT && ++documents_ > 1)
        return events_.wrong(event->at, "a second document begins here: one file has one");
      if (event->type == YAML_STREAM_START_EVENT || event->type == YAML_DOCUMENT_START_EVENT ||
          event->type == YAML_DOCUMENT_END_EVENT || is_nothing(*event))
        continue;
      if (event->type != YAML_MAPPING_START_EVENT)
        return events_.wrong(event->at, "write tls_server_config: or basic_auth_users: here");
      if (Status read = each(kSections, [this](const Event& key) { return section(key); }); !read)
        return std::unexpected(read.error());
    }
  }

 private:
  /// Keys until the mapping's end; `known` empty: any.
  template <typename Take>
  Status each(const std::vector<std::string_view>& known, Take take) {
    std::set<std::string> seen;
    while (true) {
      Result<Event> key = events_.next();
      if (!key) return std::unexpected(key.error());
      if (key->type == YAML_MAPPING_END_EVENT) return {};
      if (key->type != YAML_SCALAR_EVENT) return events_.wrong(key->at, "a name and a colon belong here");
      if (!seen.insert(key->text).second)
        return events_.wrong(key->at, fmt::format("'{}' is there twice", printable(key->text)));
      if (!known.empty() && std::ranges::find(known, key->text) == known.end()) return unknown(*key, known);
      if (Status status = take(*key); !status) return status;
    }
  }

  Status unknown(const Event& key, const std::vector<std::string_view>& known) const {
    if (auto there = kNotOffered.find(key.text); there != kNotOffered.end()) {
      return events_.wrong(
          key.at, fmt::format("{}: {} not offered here; take the line out", printable(key.text), there->second));
    }
    std::string guess = did_you_mean(key.text, known);
    if (guess.empty()) guess = fmt::format("; there are {}", fmt::join(known, ", "));
    return events_.wrong(key.at, fmt::format("unknown key '{}'{}", printable(key.text), guess));
  }

  Status section(const Event& name) {
    Result<Event> begin = events_.next();
    if (!begin) return std::unexpected(begin.error());
    if (is_nothing(*begin)) return {};
    const bool is_tls = name.text == "tls_server_config";
    if (begin->type != YAML_MAPPING_START_EVENT) {
      return events_.wrong(begin->at, name.text + (is_tls ? ": write cert_file: and key_file: below it, indented"
                                                          : ": write NAME: \"BCRYPT-HASH\" below it, indented"));
    }
    if (!is_tls) return each({}, [this](const Event& key) { return user(key); });
    if (Status status = each(kTlsKeys, [this](const Event& key) { return tls(key); }); !status) return status;
    if (config_.cert_file.empty() != config_.key_file.empty()) {
      const bool lacks_key = config_.key_file.empty();
      return events_.wrong(
          name.at, fmt::format("tls_server_config has a {} and no {}: write both", lacks_key ? "cert_file" : "key_file",
                               lacks_key ? "key_file" : "cert_file"));
    }
    config_.tls = !config_.cert_file.empty();
    if (!config_.tls && config_.only_tls13)
      return events_.wrong(name.at, "tls_server_config has no certificate: write cert_file and key_file");
    return {};
  }

  /// A text that follows `key`.
  Result<Event> value(const Event& key) {
    Result<Event> found = events_.next();
    if (!found) return found;
    if (found->type != YAML_SCALAR_EVENT || found->text.empty() || is_nothing(*found) ||
        found->text.find('\0') != std::string::npos)
      return events_.wrong(found->at, printable(key.text) + ": write one text");
    return found;
  }

  Status tls(const Event& key) {
    Result<Event> text = value(key);
    if (!text) return std::unexpected(text.error());
    if (key.text == "cert_file") config_.cert_file = text->text;
    if (key.text == "key_file") config_.key_file = text->text;
    if (key.text != "min_version") return {};
    if (text->text == "TLS10" || text->text == "TLS11")
      return events_.wrong(text->at, "min_version: " + text->text + " is no longer safe: write TLS12 or TLS13");
    if (text->text != "TLS12" && text->text != "TLS13") {
      return events_.wrong(text->at,
                           fmt::format("min_version: '{}' is not known: write TLS12 or TLS13", printable(text->text)));
    }
    config_.only_tls13 = text->text == "TLS13";
    return {};
  }

  Status user(const Event& key) {
    if (key.text.empty() || key.text.find_first_of(std::string_view(":\0", 2)) != std::string::npos)
      return events_.wrong(key.at, fmt::format("'{}' cannot be a user's name: write one without ':', not an empty one",
                                               printable(key.text)));
    Result<Event> hash = value(key);
    if (!hash) return std::unexpected(hash.error());
    if (auto cost = cost_of(hash->text); !cost)
      return events_.wrong(hash->at, fmt::format("user '{}': {}", printable(key.text), cost.error().message));
    config_.users.emplace(key.text, hash->text);
    return {};
  }

  Events events_;
  WebConfig config_;
  int documents_ = 0;
};

}  // namespace

Result<WebConfig> parse_web_config(std::string_view text, std::string_view origin) {
  return Reader(text, origin).read();
}

Result<unsigned> cost_of(std::string_view hash) {
  constexpr std::size_t kHead = 7, kSize = 60;  // "$2y$10$"
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_letter = [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '/';
  };
  const std::string_view kind = hash.substr(0, 4);
  // What is written here may be a password: it is not repeated.
  if (hash.size() != kSize || (kind != "$2a$" && kind != "$2b$" && kind != "$2y$") || !is_digit(hash[4]) ||
      !is_digit(hash[5]) || hash[6] != '$' || !std::ranges::all_of(hash.substr(kHead), is_letter))
    return fail(ErrorCode::bad_input,
                "that is no bcrypt hash: write what htpasswd -nBC 10 NAME prints after the colon");
  const auto cost = static_cast<unsigned>((hash[4] - '0') * 10 + (hash[5] - '0'));
  if (cost < kLeastCost || cost > kMostCost) {
    return fail(ErrorCode::bad_input, fmt::format("the hash costs 2^{} rounds: make one of {} to {}, as with "
                                                  "htpasswd -nBC 10 NAME",
                                                  cost, kLeastCost, kMostCost));
  }
  return cost;
}

}  // namespace tcpadvisor::serve
