// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/web_config.h"

#include <gmock/gmock.h>

#include "agent/serve/access.h"

namespace tcpadvisor::serve::web_config_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kHash = "$2y$10$" + std::string(53, 'a');

std::string error_of(const std::string& text) {
  auto config = parse_web_config(text, "web.yml");
  if (config) return "none";
  EXPECT_EQ(config.error().code, ErrorCode::bad_input);
  EXPECT_EQ(config.error().message.find('\n'), std::string::npos);
  return config.error().message;
}

TEST(WebConfig, takes_what_Prometheus_takes) {
  auto config = parse_web_config(
      "# a comment\ntls_server_config:\n  cert_file: server.crt\n  key_file: 'server.key'\n  min_version: TLS13\n"
      "basic_auth_users:\n  alice: \"" +
          kHash + "\"\n  bob: " + kHash + "\n",
      "web.yml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->tls);
  EXPECT_TRUE(config->only_tls13);
  EXPECT_EQ(config->cert_file, "server.crt");
  EXPECT_EQ(config->key_file, "server.key");
  EXPECT_THAT(config->users, testing::ElementsAre(testing::Pair("alice", kHash), testing::Pair("bob", kHash)));
}

TEST(WebConfig, each_part_may_be_missing) {
  for (const char* text : {"", "# nothing\n", "---\n", "{}", "tls_server_config:\nbasic_auth_users: {}\n"}) {
    auto config = parse_web_config(text, "web.yml");
    ASSERT_TRUE(config) << text << config.error().message;
    EXPECT_FALSE(config->tls);
    EXPECT_TRUE(config->users.empty());
  }
}

TEST(WebConfig, says_where_and_what_would_be_right) {
  EXPECT_EQ(error_of("basic_auth_user: {}\n"),
            "web.yml, line 1, column 1: unknown key 'basic_auth_user'; did you mean 'basic_auth_users'?");
  EXPECT_THAT(error_of("tls_server_config:\n  certfile: x\n"),
              StartsWith("web.yml, line 2, column 3: unknown key 'certfile'"));
  EXPECT_EQ(error_of("tls_server_config:\n  cert_file: x\n"),
            "web.yml, line 1, column 1: tls_server_config has a cert_file and no key_file: write both");
  EXPECT_EQ(error_of("tls_server_config: {min_version: TLS10}\n"),
            "web.yml, line 1, column 34: min_version: TLS10 is no longer safe: write TLS12 or TLS13");
  EXPECT_THAT(error_of("tls_server_config: {min_version: 1.2}\n"), HasSubstr("'1.2' is not known"));
  EXPECT_EQ(error_of("tls_server_config: {cert_file: [a], key_file: b}\n"),
            "web.yml, line 1, column 32: cert_file: write one text");
  EXPECT_THAT(error_of("tls_server_config: yes\n"), HasSubstr("write cert_file: and key_file: below it"));
  EXPECT_THAT(error_of("basic_auth_users: [a]\n"), HasSubstr("write NAME: \"BCRYPT-HASH\" below it"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("write tls_server_config: or basic_auth_users: here"));
  EXPECT_THAT(error_of("tls_server_config: {cert_file: \"x\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(error_of("basic_auth_users: {\xff: x}\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(error_of("--- {}\n--- {}\n"), HasSubstr("line 2, column 1: a second document"));
  EXPECT_THAT(error_of("basic_auth_users: {a: " + kHash + ", a: " + kHash + "}\n"), HasSubstr("'a' is there twice"));
  EXPECT_THAT(error_of("basic_auth_users: {a: &x " + kHash + ", b: *x}\n"), HasSubstr("write the value itself"));
  EXPECT_THAT(error_of("basic_auth_users: {'a:b': " + kHash + "}\n"), HasSubstr("cannot be a user's name"));
}

TEST(WebConfig, what_would_protect_less_than_it_says_is_an_error) {
  EXPECT_EQ(
      error_of("tls_server_config: {client_auth_type: RequireAndVerifyClientCert}\n"),
      "web.yml, line 1, column 21: client_auth_type: certificates of clients are not offered here; take the line out");
  EXPECT_THAT(error_of("rate_limit: {}\n"), HasSubstr("not offered here"));
}

TEST(WebConfig, a_hash_is_bcrypt_and_not_too_dear_and_never_repeated) {
  EXPECT_EQ(cost_of(kHash), 10U);
  EXPECT_EQ(cost_of("$2b$04$" + std::string(53, '/')), 4U);
  EXPECT_THAT(error_of("basic_auth_users:\n  a: secret\n"),
              testing::AllOf(StartsWith("web.yml, line 2, column 6: user 'a': that is no bcrypt hash"),
                             testing::Not(HasSubstr("secret"))));
  EXPECT_THAT(error_of("basic_auth_users: {a: $2y$15$" + std::string(53, 'a') + "}\n"),
              HasSubstr("the hash costs 2^15 rounds: make one of 4 to 14"));
  EXPECT_FALSE(cost_of("$2y$03$" + std::string(53, 'a')));
  EXPECT_FALSE(cost_of("$2y$1a$" + std::string(53, 'a')));
  EXPECT_FALSE(cost_of("$6$rounds=10$" + std::string(47, 'a')));
}

TEST(Access, beyond_loopback_needs_both) {
  const Endpoint here = Endpoint::v4(127, 0, 0, 1, 1), there = Endpoint::v4(0, 0, 0, 0, 9477);
  Access access;
  EXPECT_TRUE(check_access(here, access));
  ASSERT_FALSE(check_access(there, access));
  EXPECT_THAT(check_access(there, access).error().message, HasSubstr("both are missing"));
  access.tls = Tls{};
  EXPECT_THAT(check_access(there, access).error().message, HasSubstr("basic_auth_users is missing"));
  access.passwords = std::make_shared<Passwords>(Passwords::Users{{"a", kHash}});
  EXPECT_TRUE(check_access(there, access));
  access.tls.reset();
  EXPECT_THAT(check_access(there, access).error().message, HasSubstr("tls_server_config is missing"));
}

}  // namespace
}  // namespace tcpadvisor::serve::web_config_test
