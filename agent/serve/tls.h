// SPDX-License-Identifier: Apache-2.0
// A certificate and its key as what TLS connections are made with. Reads no files and no clock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "advisor/base/result.h"

struct ssl_ctx_st;

namespace tcpadvisor::serve {

struct TlsFiles {
  std::string certificate, certificate_name;  ///< PEM, with what is between it and a root; the file's name for errors
  std::string key, key_name;                  ///< PEM, without a passphrase
  bool only_tls13 = false;                    ///< else 1.2 too
};

struct Tls {
  std::shared_ptr<ssl_ctx_st> context;
  std::int64_t ends_s = 0;  ///< unix time: the certificate's last second
};

/// Errors are bad_input, one line that names the file: not PEM, a key that is another's, a certificate whose time is
/// over or has not come at `now_s` (unix time), a key too weak for OpenSSL.
Result<Tls> make_tls(const TlsFiles& files, std::int64_t now_s);

}  // namespace tcpadvisor::serve
