// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/tls.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <climits>
#include <ctime>
#include <optional>

#include "advisor/base/text.h"

namespace tcpadvisor::serve {
namespace {

template <auto Free>
struct FreeBy {
  template <typename T>
  void operator()(T* one) const {
    Free(one);
  }
};
using BioPtr = std::unique_ptr<BIO, FreeBy<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, FreeBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;

/// What OpenSSL says was wrong; its queue is empty then.
std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(error);
  ERR_clear_error();
  return printable(text != nullptr ? text : "no reason is given");
}

std::unexpected<Error> wrong(std::string text) {
  ERR_clear_error();
  return fail(ErrorCode::bad_input, std::move(text));
}

BioPtr bio_of(const std::string& text) {
  return BioPtr(text.size() > INT_MAX ? nullptr : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Instead of asking the terminal.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::optional<std::int64_t> unix_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

std::string date(std::int64_t unix_s) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(unix_s)));
}

/// Its last second.
Result<std::int64_t> check_dates(const X509& certificate, const std::string& name, std::int64_t now_s) {
  const auto begins = unix_time(X509_get0_notBefore(&certificate)), ends = unix_time(X509_get0_notAfter(&certificate));
  if (!begins || !ends) return wrong(name + ": the certificate has no dates that can be read");
  if (*ends < now_s) return wrong(fmt::format("{}: the certificate expired on {}: renew it", name, date(*ends)));
  if (*begins > now_s) {
    return wrong(fmt::format("{}: the certificate is valid only from {} on: wait, or look at this host's clock", name,
                             date(*begins)));
  }
  return *ends;
}

Result<KeyPtr> read_key(const TlsFiles& files) {
  bool asked = false;
  BioPtr bio = bio_of(files.key);
  KeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &asked) : nullptr);
  if (key) return key;
  if (asked) return wrong(files.key_name + ": the key needs a passphrase, which nobody can give: write one without");
  return wrong(
      fmt::format("{}: there is no private key in PEM form (-----BEGIN PRIVATE KEY-----) in it", files.key_name));
}

/// What stands behind the certificate in its file.
Status add_chain(SSL_CTX* context, BIO* bio, const std::string& name) {
  while (true) {
    X509Ptr next(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
    if (!next) {
      const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      if (!is_end) return wrong(fmt::format("{}: a certificate after the first cannot be read: {}", name, reason()));
      ERR_clear_error();
      return {};
    }
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1)
      return wrong(fmt::format("{}: a certificate after the first is not taken: {}", name, reason()));
  }
}

}  // namespace

Result<Tls> make_tls(const TlsFiles& files, std::int64_t now_s) {
  ERR_clear_error();
  BioPtr bio = bio_of(files.certificate);
  X509Ptr certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!certificate) {
    return wrong(fmt::format("{}: there is no certificate in PEM form (-----BEGIN CERTIFICATE-----) in it",
                             files.certificate_name));
  }
  Result<std::int64_t> ends = check_dates(*certificate, files.certificate_name, now_s);
  if (!ends) return std::unexpected(ends.error());
  Result<KeyPtr> key = read_key(files);
  if (!key) return std::unexpected(key.error());
  if (X509_check_private_key(certificate.get(), key->get()) != 1)
    return wrong(fmt::format("{} is not the key of the certificate {}", files.key_name, files.certificate_name));

  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return fail(ErrorCode::failed, "cannot begin with TLS: " + reason());
  SSL_CTX_set_min_proto_version(context.get(), files.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // A client may not make us work again and again, and one that leaves without a word is no error.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (SSL_CTX_use_certificate(context.get(), certificate.get()) != 1)
    return wrong(fmt::format("{}: OpenSSL does not take the certificate: {}", files.certificate_name, reason()));
  if (SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1)
    return wrong(fmt::format("{}: OpenSSL does not take the key: {}", files.key_name, reason()));
  if (Status chain = add_chain(context.get(), bio.get(), files.certificate_name); !chain)
    return std::unexpected(chain.error());
  return Tls{std::move(context), *ends};
}

}  // namespace tcpadvisor::serve
