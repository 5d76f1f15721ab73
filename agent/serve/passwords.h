// SPDX-License-Identifier: Apache-2.0
// Users and what a password costs: bcrypt by libcrypt, once for everybody, also for names that there are none of.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "advisor/base/result.h"

namespace tcpadvisor::serve {

/// As HTTP's basic authentication has them.
struct Credentials {
  std::string user, password;
};

class Passwords {
 public:
  using Users =
      std::map<std::string, std::string, std::less<>>;  ///< name -> bcrypt hash, of a cost that cost_of() takes
  /// The hash of `password` made as `setting` says; "" or "*…" where that fails.
  using Hash = std::function<std::string(const std::string& password, const std::string& setting)>;
  explicit Passwords(Users users, Hash hash = bcrypt);

  /// One hash, whoever asks: of an unknown user as dear as the dearest of those known. Slow, and of any thread.
  bool check(const Credentials& given) const;
  /// How many may wait for that: what takes about four seconds on a usual machine.
  std::size_t most_waiting() const;

  /// crypt_r(3).
  static std::string bcrypt(const std::string& password, const std::string& setting);

 private:
  Users users_;
  Hash hash_;
  unsigned cost_ = 0;    ///< of the dearest
  std::string nobodys_;  ///< a hash of that cost
};

/// "Basic dXNlcjpwYXNz" -> user, pass. Nothing for what is no such header (RFC 7617).
Result<Credentials> parse_authorization(std::string_view header);

}  // namespace tcpadvisor::serve
