// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/gate.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace tcpadvisor::serve::gate_test {
namespace {

const std::string kHash4 = "$2b$04$" + std::string(53, 'a'), kHash14 = "$2b$14$" + std::string(53, 'b');

/// The right password is the hash's last letter, and each hash may have to wait until it is let through.
struct Fake {
  std::mutex mutex;
  std::condition_variable wake;
  bool closed = false;
  std::vector<std::string> settings;
  PasswordsPtr passwords(Passwords::Users users) {
    return std::make_shared<Passwords>(std::move(users), [this](const std::string& given, const std::string& setting) {
      std::unique_lock lock(mutex);
      settings.push_back(setting);
      wake.wait(lock, [this] { return !closed; });
      return given == std::string(1, setting.back()) ? setting : "*0";
    });
  }
  void open() {
    std::lock_guard lock(mutex);
    closed = false;
    wake.notify_all();
  }
  std::size_t count() {
    std::lock_guard lock(mutex);
    return settings.size();
  }
};

struct Told {
  std::mutex mutex;
  std::condition_variable wake;
  int times = 0, seen = 0;
  std::function<void()> teller() {
    return [this] {
      std::lock_guard lock(mutex);
      ++times;
      wake.notify_all();
    };
  }
  void wait() {
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return times > seen; });
    ++seen;
  }
};

constexpr std::string_view kRight = "Basic YTph", kWrong = "Basic YTp4";  // a:a, a:x

TEST(Authorization, is_read_or_not) {
  auto both = parse_authorization("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->user, "Aladdin");
  EXPECT_EQ(both->password, "open sesame");
  EXPECT_EQ(parse_authorization("bAsIc  YTpiOmM= ")->password, "b:c");
  EXPECT_EQ(parse_authorization("Basic Og==")->user, "");
  for (const char* text : {"", "Basic", "Basic ", "Bearer YTph", "Basic YTp", "Basic YT*h",
                           "Basic YWI=", "Basic ====", "Basic YTph YTph", "Basic YT=h"})
    EXPECT_FALSE(parse_authorization(text)) << text;
}

TEST(Passwords, each_question_costs_one_hash_of_the_dearest_kind_or_its_own) {
  Fake fake;
  auto passwords = fake.passwords({{"a", kHash4}, {"b", kHash14}});
  EXPECT_TRUE(passwords->check({"a", "a"}));
  EXPECT_FALSE(passwords->check({"a", "x"}));
  EXPECT_FALSE(passwords->check({"nobody", "."}));  // what the hash of nobody ends with
  EXPECT_FALSE(passwords->check({"", ""}));
  ASSERT_EQ(fake.settings.size(), 4U);
  EXPECT_THAT(fake.settings[2], testing::StartsWith("$2b$14$"));
  EXPECT_EQ(fake.settings[2].size(), 60U);
}

TEST(Passwords, libcrypt_knows_the_hashes_of_htpasswd) {
  // htpasswd -nbBC 4 alice secret
  const std::string hash = Passwords::bcrypt("secret", "$2y$04$abcdefghijklmnopqrstuu");
  ASSERT_EQ(hash.size(), 60U);
  const Passwords passwords(Passwords::Users{{"alice", hash}});
  EXPECT_TRUE(passwords.check({"alice", "secret"}));
  EXPECT_FALSE(passwords.check({"alice", "Secret"}));
  EXPECT_FALSE(passwords.check({"alice", std::string("secret\0more", 11)}));
  EXPECT_FALSE(passwords.check({"bob", "secret"}));
  EXPECT_EQ(passwords.most_waiting(), 64U);
  EXPECT_EQ(Passwords(Passwords::Users{{"a", kHash14}}).most_waiting(), 4U);
}

class GateOf : public testing::Test {
 protected:
  Entry after(std::string_view authorization, const PasswordsPtr& passwords) {
    int who = 0;
    const Entry entry = gate_.enter(&who, authorization, passwords);
    if (entry != Entry::waits) return entry;
    told_.wait();
    auto told = gate_.take(passwords);
    EXPECT_EQ(told.size(), 1U);
    EXPECT_EQ(told.front().first, &who);
    return told.front().second;
  }
  exported::AgentNumbers numbers_;
  Fake fake_;
  Told told_;
  Gate gate_{numbers_, told_.teller()};
};

TEST_F(GateOf, without_users_everybody_enters_and_with_them_nobody_without_a_password) {
  EXPECT_EQ(gate_.enter(this, std::nullopt, nullptr), Entry::open);
  auto passwords = fake_.passwords({{"a", kHash4}});
  EXPECT_EQ(gate_.enter(this, std::nullopt, passwords), Entry::refused);
  EXPECT_EQ(gate_.enter(this, "Bearer x", passwords), Entry::refused);
  EXPECT_EQ(fake_.count(), 0U);
}

TEST_F(GateOf, a_right_password_is_hashed_once_and_a_wrong_one_each_time) {
  auto passwords = fake_.passwords({{"a", kHash4}});
  EXPECT_EQ(after(kRight, passwords), Entry::open);
  EXPECT_EQ(after(kRight, passwords), Entry::open);
  EXPECT_EQ(fake_.count(), 1U);
  EXPECT_EQ(after(kWrong, passwords), Entry::refused);
  EXPECT_EQ(after(kWrong, passwords), Entry::refused);
  EXPECT_EQ(fake_.count(), 3U);
  EXPECT_EQ(numbers_.http.logins.known, 1U);
  EXPECT_EQ(numbers_.http.logins.checked, 1U);
  EXPECT_EQ(numbers_.http.logins.refused, 2U);
}

TEST_F(GateOf, other_users_than_before_have_to_be_asked_again) {
  auto before = fake_.passwords({{"a", kHash4}}), now = fake_.passwords({{"a", kHash14}});
  EXPECT_EQ(after(kRight, before), Entry::open);
  EXPECT_EQ(after(kRight, now), Entry::refused);
  int who = 0;
  EXPECT_EQ(gate_.enter(&who, kRight, before), Entry::waits);
  told_.wait();
  EXPECT_THAT(gate_.take(now), testing::ElementsAre(testing::Pair(&who, Entry::busy)));
}

TEST_F(GateOf, the_queue_has_an_end_and_who_is_known_does_not_stand_in_it) {
  auto passwords = fake_.passwords({{"a", kHash4}, {"b", kHash14}});
  ASSERT_EQ(after(kRight, passwords), Entry::open);
  fake_.closed = true;
  int who = 0;
  std::size_t waits = 0;
  while (gate_.enter(&who, kWrong, passwords) == Entry::waits) ++waits;
  EXPECT_GE(waits, 4U);
  EXPECT_LE(waits, 5U);  // one may be at the hash already
  EXPECT_EQ(numbers_.http.logins.busy, 1U);
  EXPECT_EQ(gate_.enter(&who, kRight, passwords), Entry::open);
  fake_.open();
}

TEST_F(GateOf, who_left_is_not_told) {
  auto passwords = fake_.passwords({{"a", kHash4}});
  fake_.closed = true;
  int who = 0;
  ASSERT_EQ(gate_.enter(&who, kRight, passwords), Entry::waits);
  EXPECT_TRUE(gate_.forget(&who));
  EXPECT_FALSE(gate_.forget(&who));
  fake_.open();
  told_.wait();
  EXPECT_TRUE(gate_.take(passwords).empty());
}

}  // namespace
}  // namespace tcpadvisor::serve::gate_test
