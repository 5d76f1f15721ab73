// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/passwords.h"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "agent/serve/web_config.h"

namespace tcpadvisor::serve {
namespace {

/// As long as it takes, wherever they differ.
bool equal_to_the_end(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/// RFC 4648, 4, with its padding.
bool decode_base64(std::string_view text, std::string& bytes) {
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (char c : text) {
    const int value = value_of(c);
    if (value < 0) return false;
    held = held << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 0xff);
  }
  return true;
}

}  // namespace

Passwords::Passwords(Users users, Hash hash) : users_(std::move(users)), hash_(std::move(hash)) {
  cost_ = kLeastCost;
  for (const auto& [name, known] : users_) cost_ = std::max(cost_, cost_of(known).value_or(kLeastCost));
  nobodys_ = fmt::format("$2b${:02}${:.<53}", cost_, "");
}

bool Passwords::check(const Credentials& given) const {
  const auto found = users_.find(given.user);
  const bool is_known = found != users_.end();
  const std::string& wanted = is_known ? found->second : nobodys_;
  // crypt() would read only what stands before a zero.
  const bool is_text = given.password.find('\0') == std::string::npos;
  std::string made = hash_(given.password, wanted);
  const bool is_same = equal_to_the_end(made, wanted);
  OPENSSL_cleanse(made.data(), made.size());
  return is_same && is_known && is_text;
}

std::size_t Passwords::most_waiting() const {
  constexpr std::size_t kRounds = 1 << 16, kMost = 64;
  return std::min(kMost, kRounds >> cost_);
}

std::string Passwords::bcrypt(const std::string& password, const std::string& setting) {
  auto space = std::make_unique<crypt_data>();  // 32 KB
  const char* made = crypt_r(password.c_str(), setting.c_str(), space.get());
  std::string hash = made != nullptr ? made : "";
  OPENSSL_cleanse(space.get(), sizeof *space);
  return hash;
}

Result<Credentials> parse_authorization(std::string_view header) {
  constexpr std::string_view kBasic = "basic ";
  const auto no = [] { return fail(ErrorCode::bad_input, "no basic authentication"); };
  const bool is_basic = header.size() >= kBasic.size() &&
                        std::ranges::equal(header.substr(0, kBasic.size()), kBasic, [](char given, char wanted) {
                          return given == wanted || (given >= 'A' && given <= 'Z' && given - 'A' + 'a' == wanted);
                        });
  if (!is_basic) return no();
  header.remove_prefix(kBasic.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  while (header.ends_with(' ')) header.remove_suffix(1);
  std::string both;
  if (!decode_base64(header, both)) return no();
  const std::size_t colon = both.find(':');
  if (colon == std::string::npos) return no();
  return Credentials{both.substr(0, colon), both.substr(colon + 1)};
}

}  // namespace tcpadvisor::serve
