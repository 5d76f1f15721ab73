// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/web_access.h"

#include <memory>
#include <utility>

#include "advisor/base/text.h"
#include "agent/cli/input_file.h"
#include "agent/serve/web_config.h"

namespace tcpadvisor::cli {
namespace {

/// Relative to the file that names it, as Prometheus has it.
std::string beside(const std::string& file, const std::string& path) {
  const std::size_t slash = file.rfind('/');
  return path.starts_with('/') || slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

}  // namespace

Result<serve::AccessPtr> read_access(const std::string& path, std::int64_t now_s) {
  auto access = std::make_shared<serve::Access>();
  if (path.empty()) return access;
  Result<std::string> text = read_input_file(path);
  if (!text) return std::unexpected(text.error());
  auto config = serve::parse_web_config(*text, path);
  if (!config) return std::unexpected(config.error());
  if (config->tls) {
    const std::string certificate = beside(path, config->cert_file), key = beside(path, config->key_file);
    Result<std::string> certificate_text = read_input_file(certificate);
    if (!certificate_text) return std::unexpected(certificate_text.error());
    Result<std::string> key_text = read_input_file(key);
    if (!key_text) return std::unexpected(key_text.error());
    auto tls = serve::make_tls({.certificate = std::move(*certificate_text),
                                .certificate_name = printable(certificate),
                                .key = std::move(*key_text),
                                .key_name = printable(key),
                                .only_tls13 = config->only_tls13},
                               now_s);
    if (!tls) return std::unexpected(tls.error());
    access->tls = std::move(*tls);
  }
  if (!config->users.empty()) access->passwords = std::make_shared<serve::Passwords>(std::move(config->users));
  return access;
}

}  // namespace tcpadvisor::cli
