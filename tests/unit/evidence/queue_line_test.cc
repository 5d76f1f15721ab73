// SPDX-License-Identifier: Apache-2.0
// The text of docs/user-queues.md: what is understood, what is refused and how it is called.
#include "advisor/evidence/queue_line.h"

#include <gmock/gmock.h>

#include <fstream>
#include <random>
#include <sstream>

namespace tcpadvisor::queue_line_test {
namespace {

using ::testing::HasSubstr;

const std::string kWhole =
    "tcpadvisor-queue 1 local=127.0.0.1:40000 remote=127.0.0.1:5000 queued=778763 high=8192 low=4096 busy=1 waiting=1 "
    "suspended=2 waited_ms=1200 mq=17 mq_high=8193 mq_low=4097 mq_busy=0 pending_shutdown=1 accepted=1047552 "
    "bypassed=3 dropped=4 refused=5 name=P ended=0";

TEST(UserQueueText, EveryKeyIsUnderstood) {
  QueueLine line = parse_user_queue(kWhole);
  ASSERT_TRUE(line) << line.error().text;
  EXPECT_EQ(line->connection,
            (ConnectionName{0, Endpoint::v4(127, 0, 0, 1, 40'000), Endpoint::v4(127, 0, 0, 1, 5'000)}));
  UserQueue wanted;
  wanted.queued = 778'763;
  wanted.high = 8'192;
  wanted.low = 4'096;
  wanted.busy = true;
  wanted.waiting = 1;
  wanted.suspended = 2;
  wanted.waited_ms = 1'200;
  wanted.message_queue = 17;
  wanted.message_high = 8'193;
  wanted.message_low = 4'097;
  wanted.message_busy = false;
  wanted.pending_shutdown = true;
  wanted.accepted = 1'047'552;
  wanted.bypassed = 3;
  wanted.dropped = 4;
  wanted.refused = 5;
  wanted.name = "P";
  EXPECT_EQ(line->queue, wanted);
}

TEST(UserQueueText, WhatIsNotSaidIsNotKnown) {
  QueueLine line = parse_user_queue("tcpadvisor-queue 1 cookie=17 queued=0");
  ASSERT_TRUE(line) << line.error().text;
  EXPECT_EQ(line->connection.cookie, 17u);
  EXPECT_FALSE(line->connection.has_addresses());
  EXPECT_EQ(line->queue, UserQueue{});
}

TEST(UserQueueText, AddressesAreWrittenAsSsWritesThem) {
  std::array<std::uint8_t, 16> loopback6{};
  loopback6[15] = 1;
  EXPECT_EQ(parse_endpoint("[::1]:5000").value(), Endpoint::from_bytes(loopback6, 5'000));
  EXPECT_EQ(parse_endpoint("[::ffff:10.0.0.1]:80").value(), Endpoint::v4(10, 0, 0, 1, 80)) << "that is IPv4";
  EXPECT_EQ(parse_endpoint("10.0.0.1:65535")->port, 65'535);
  for (const char* bad : {"",
                          ":",
                          "10.0.0.1",
                          "10.0.0.1:",
                          "10.0.0.1:0",
                          "10.0.0.1:65536",
                          "10.0.0.1:-1",
                          "10.0.0.1:+1",
                          "10.0.0.1:8 0",
                          "10.0.0.256:80",
                          "10.0.0:80",
                          "::1:80",
                          "[::1:80",
                          "::1]:80",
                          "[]:80",
                          "[::1]",
                          "[::1]:",
                          "[fe80::1%lo]:80",
                          "localhost:80",
                          "[:80",
                          "*:80",
                          "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee]:80"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
  EXPECT_FALSE(parse_endpoint(std::string_view("10.0.0.1\0:80", 12)));
}

struct Bad {
  std::string text;
  std::string_view kind;
  std::string names;  ///< what the complaint must hold
};

TEST(UserQueueText, WhatIsWrongIsNamed) {
  const std::string start = "tcpadvisor-queue 1 cookie=1 queued=5 ";
  const std::vector<Bad> table = {
      {"hello", "not a message", "'hello'"},
      {"Tcpadvisor-queue 1 cookie=1 queued=0", "not a message", "does not begin with"},
      {"tcpadvisor-queue", "wrong version", "''"},
      {"tcpadvisor-queue 2 cookie=1 queued=0", "wrong version", "'2'"},
      {"tcpadvisor-queue 01 cookie=1 queued=0", "wrong version", "'01'"},
      {"tcpadvisor-queue 1", "missing key", "cookie="},
      {"tcpadvisor-queue 1 queued=0", "missing key", "local= and remote="},
      {"tcpadvisor-queue 1 local=1.2.3.4:5 queued=0", "missing key", "remote="},
      {"tcpadvisor-queue 1 cookie=1 remote=1.2.3.4:5 queued=0", "missing key", "local="},
      {"tcpadvisor-queue 1 cookie=1", "missing key", "queued="},
      {"tcpadvisor-queue 1 cookie=0 queued=0", "bad value", "cookie='0'"},
      {"tcpadvisor-queue 1 cookie=-1 queued=0", "bad value", "cookie='-1'"},
      {"tcpadvisor-queue 1 cookie=18446744073709551616 queued=0", "bad value", "cookie="},
      {"tcpadvisor-queue 1 local=here remote=1.2.3.4:5 queued=0", "bad value", "local='here'"},
      {"tcpadvisor-queue 1 cookie=1 queued=", "bad value", "queued=''"},
      {"tcpadvisor-queue 1 cookie=1 queued=0x10", "bad value", "queued='0x10'"},
      {"tcpadvisor-queue 1 cookie=1 queued=1.5", "bad value", "queued='1.5'"},
      {"tcpadvisor-queue 1 cookie=1 queued=9007199254740993", "bad value", "not too large"},
      {start + "queued=5", "repeated key", "'queued'"},
      {start + "cookie=1", "repeated key", "'cookie'"},
      {start + "busy=1 busy=1", "repeated key", "'busy'"},
      {start + "busy=2", "bad value", "should be 0 or 1"},
      {start + "busy=true", "bad value", "busy='true'"},
      {start + "ended=yes", "bad value", "ended='yes'"},
      {start + "waiting=4294967296", "bad value", "waiting="},
      {start + "waited_ms=-5", "bad value", "waited_ms='-5'"},
      {start + "colour=red", "unknown key", "'colour'"},
      {start + "busy", "not key=value", "'busy'"},
      {start + "=1", "not key=value", "'=1'"},
      {start + "name=" + std::string(33, 'x'), "bad value", "at most 32"},
      {start + "name=a\x01z", "bad value", "printable"},
      {start + "name=\xff", "bad value", "printable"},
      {start + "name=\x1b[2J", "bad value", "printable"},
      {start + std::string("busy=1\0", 7), "bad value", "busy="},
      {start + "busy=1\r", "bad value", "busy="},
  };
  for (const Bad& bad : table) {
    QueueLine line = parse_user_queue(bad.text);
    ASSERT_FALSE(line) << bad.text;
    EXPECT_EQ(line.error().kind, bad.kind) << bad.text;
    EXPECT_THAT(line.error().text, HasSubstr(bad.names)) << bad.text;
  }
}

TEST(UserQueueText, AComplaintIsOnePrintableLineOfModestLength) {
  for (const std::string& text :
       {std::string(8'000, 'x'), "tcpadvisor-queue 1 " + std::string(8'000, '\x1b'),
        "tcpadvisor-queue 1 cookie=1 queued=" + std::string(8'000, '9'), std::string("tcpadvisor-queue \x1b[2J\a")}) {
    QueueLine line = parse_user_queue(text);
    ASSERT_FALSE(line);
    EXPECT_LT(line.error().text.size(), 200u);
    for (unsigned char c : line.error().text) EXPECT_TRUE(c >= 0x20 && c != 0x7f) << int(c);
  }
}

TEST(UserQueueText, NamesOfOtherAlphabetsHaveThirtyTwoCharacters) {
  std::string name;
  for (int i = 0; i < 32; ++i) name += "é";
  EXPECT_TRUE(parse_user_queue("tcpadvisor-queue 1 cookie=1 queued=0 name=" + name));
  EXPECT_FALSE(parse_user_queue("tcpadvisor-queue 1 cookie=1 queued=0 name=" + name + "é"));
}

TEST(UserQueueText, GoodLinesSurviveBadOnes) {
  auto lines = parse_user_queues(
      "tcpadvisor-queue 1 cookie=1 queued=1\nnonsense\n\n  \ntcpadvisor-queue 1 cookie=2 queued=2\n" + kWhole);
  ASSERT_EQ(lines.size(), 4u) << "empty lines do not count";
  EXPECT_TRUE(lines[0]);
  EXPECT_FALSE(lines[1]);
  EXPECT_EQ(lines[2]->queue.queued, 2u);
  EXPECT_EQ(lines[3]->queue.queued, 778'763u) << "the last line needs no newline";
}

/// Whatever comes in: no crash, and what is believed to be a message obeys the limits.
void expect_sane(std::string_view text) {
  for (const QueueLine& line : parse_user_queues(text)) {
    if (line) {
      EXPECT_TRUE(line->connection.cookie != 0 || line->connection.has_addresses());
      EXPECT_LE(line->queue.queued, kMaxQueueNumber);
      EXPECT_LE(line->queue.name.size(), 4 * kMaxQueueName);
    } else {
      EXPECT_FALSE(line.error().kind.empty());
    }
  }
}

TEST(UserQueueText, DamagedMessagesNeverDoHarm) {
  std::string text = kWhole + "\n" + kWhole;
  for (std::size_t length = 0; length < text.size(); ++length) expect_sane(std::string(text, 0, length));
  for (char& byte : text) {
    char good = byte;
    for (unsigned char bad : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      byte = static_cast<char>(bad);
      expect_sane(text);
    }
    byte = good;
  }
}

TEST(UserQueueText, RandomMessagesNeverDoHarm) {
  std::mt19937 random(20'261'122);  // a fixed seed: a failure can be repeated
  const std::vector<std::string> pieces = {
      "tcpadvisor-queue", " 1", " ",     "\n",   "=",       "local=", "remote=", "127.0.0.1:80", "[::1]:9", "queued=",
      "cookie=",          "7",  "name=", "\xff", "ended=1", "busy=",  "\0"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    std::size_t length = random() % 40;
    for (std::size_t k = 0; k < length; ++k) {
      if (random() % 4 == 0) {
        text += static_cast<char>(random());
      } else {
        text += pieces[random() % pieces.size()];
      }
    }
    expect_sane(text);
  }
}

// ---- the speaker's side ----

TEST(UserQueueText, SaysWhatIsKnownInOneOrder) {
  QueueLine line = parse_user_queue(kWhole);
  ASSERT_TRUE(line) << line.error().text;
  line->queue.ended = true;
  std::string wanted = kWhole;
  wanted.replace(wanted.find(" name=P ended=0"), std::string::npos, " ended=1 name=P\n");
  EXPECT_EQ(user_queue_line(*line), wanted);
  EXPECT_EQ(user_queue_line({.connection = {.cookie = 17, .local = {}, .remote = {}}, .queue = {}}),
            "tcpadvisor-queue 1 cookie=17 queued=0\n");
}

TEST(UserQueueText, WhatIsSaidIsUnderstood) {
  std::mt19937_64 random(20'261'125);
  for (int i = 0; i < 1'000; ++i) {
    std::string text = "tcpadvisor-queue 1 cookie=9 queued=7";
    for (std::string_view key : user_queue_keys()) {
      if (random() % 2 == 0 || text.find(" " + std::string(key) + "=") != std::string::npos) continue;
      QueueLine number = parse_user_queue(text + " " + std::string(key) + "=" + std::to_string(random() % 2'000'000));
      QueueLine flag = parse_user_queue(text + " " + std::string(key) + "=1");
      if (number) text = user_queue_line(*number);
      if (!number && flag) text = user_queue_line(*flag);
      if (text.ends_with('\n')) text.pop_back();
    }
    QueueLine line = parse_user_queue(text);
    ASSERT_TRUE(line) << line.error().text;
    EXPECT_EQ(user_queue_line(*line), text + "\n");
  }
}

TEST(UserQueueText, NothingIsSaidThatIsRefused) {
  UserQueueClaim claim{.connection = {.cookie = 1, .local = {}, .remote = {}}, .queue = {}};
  claim.queue.queued = ~0ull;
  claim.queue.high = ~0ull;
  claim.queue.waiting = ~0u;
  claim.queue.name = "a b\x1b[2J\nqueued=5 " + std::string(100, 'x');
  QueueLine line = parse_user_queue(user_queue_line(claim).substr(0, user_queue_line(claim).size() - 1));
  ASSERT_TRUE(line) << line.error().text;
  EXPECT_EQ(line->queue.queued, kMaxQueueNumber);
  EXPECT_EQ(line->queue.high, kMaxQueueNumber);
  EXPECT_EQ(line->queue.waiting, ~0u);
  EXPECT_EQ(line->queue.name, "a_b?[2J?queued=5_" + std::string(15, 'x'));
}

TEST(UserQueueText, EveryKeyIsDocumented) {
  std::ifstream file(TCPADVISOR_SOURCE_DIR "/docs/user-queues.md");
  std::stringstream text;
  text << file.rdbuf();
  for (std::string_view key : user_queue_keys()) EXPECT_THAT(text.str(), HasSubstr("`" + std::string(key) + "=`"));
}

}  // namespace
}  // namespace tcpadvisor::queue_line_test
