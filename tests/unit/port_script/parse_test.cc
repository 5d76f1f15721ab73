// SPDX-License-Identifier: Apache-2.0
// Scripts that are wrong: each message has the place, and what would be right.
#include <fstream>
#include <sstream>

#include "tests/unit/port_script/play.h"

namespace tcpadvisor::port::script::parse_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Wrong {
  const char* text;
  const char* place;    ///< "LINE:COLUMN: "
  const char* message;  ///< part of it
};
void PrintTo(const Wrong& one, std::ostream* out) {
  *out << one.text;
}
class WrongScript : public testing::TestWithParam<Wrong> {};

TEST_P(WrongScript, SaysWhereAndWhatWouldBeRight) {
  std::string error = parse_error(GetParam().text);
  EXPECT_THAT(error, StartsWith(GetParam().place)) << GetParam().text;
  EXPECT_THAT(error, HasSubstr(GetParam().message)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Steps, WrongScript,
    testing::Values(
        Wrong{"", "1:1: ", "no step"}, Wrong{"# only this\n\n", "2:1: ", "no step"},
        Wrong{"sned 1 from A to P", "1:1: ", "did you mean 'send'?"},
        Wrong{"\xEF\xBB\xBFsned 1 from A to P", "1:1: ", "did you mean 'send'?"},
        Wrong{"\xFF\xFEp", "1:1: ", "this is UTF-16: save the script as UTF-8"},
        Wrong{"wait 99999999h", "1:6: ", "'99999999h' is too large: a time is at most 365 days"},
        Wrong{"wait 99999999999999999999999h", "1:6: ", "is too large"}, Wrong{"wait h", "1:6: ", "'h' is not a time"},
        Wrong{"wait 5x", "1:6: ", "'5x' is not a time"}, Wrong{"frobnicate", "1:1: ", "the steps are on, transport,"},
        Wrong{"port", "1:5: ", "a name for the port is missing: port P"}, Wrong{"port 1", "1:6: ", "'1' is not a name"},
        Wrong{"port peer", "1:6: ", "a word of the language"},
        Wrong{"port P\nport P", "2:6: ", "'P' is a port already (line 1)"},
        Wrong{"port P hihg=1", "1:8: ", "did you mean 'high'?"}, Wrong{"port P high", "1:8: ", "too much here"},
        Wrong{"port P high=", "1:13: ", "the value of 'high' is missing"},
        Wrong{"port P high>1", "1:8: ", "set with '='"}, Wrong{"port P high=1x", "1:14: ", "not a number"},
        Wrong{"port P high=X", "1:13: ", "no value 'X'"}, Wrong{"port P active=maybe", "1:15: ", "no value 'maybe'"},
        Wrong{"port P\nport Q owner=P", "2:14: ", "'P' is a port (line 1), not a caller"},
        Wrong{"transport pipe", "1:11: ", "write one of fake, unix, tcp"},
        Wrong{"transport unix capacity=1", "1:16: ", "only 'transport fake' has settings"},
        Wrong{"transport fake size=1", "1:16: ", "write one of capacity, writable_at"},
        Wrong{"transport fake\ntransport tcp", "2:11: ", "one transport only"},
        Wrong{"also ether", "1:6: ", "write one of fake, unix, tcp"}, Wrong{"also", "1:5: ", "a transport"},
        Wrong{"on fake", "1:8: ", "a step is missing"}, Wrong{"on port P", "1:4: ", "fake, unix, tcp"},
        Wrong{"profile otp26", "1:9: ", "did you mean 'otp25'?"},
        Wrong{"listener L\naccept P from M", "2:15: ", "no listener 'M'"},
        Wrong{"listener L\naccept P to L", "2:10: ", "'to' stands where 'from' should"},
        Wrong{"port P\nsend", "2:5: ", "how many bytes"}, Wrong{"port P\nsend x from A to P", "2:6: ", "no value 'x'"},
        Wrong{"port P\nsend 1 frm A to P", "2:8: ", "'frm' stands where 'from' should"},
        Wrong{"port P\nsend 1 from A", "2:14: ", "'to' is missing"},
        Wrong{"port P\nsend 1 from A,A to P", "2:15: ", "'A' is named twice"},
        Wrong{"port P\nsend 1 from A,,B to P", "2:15: ", "not the name of a caller"},
        Wrong{"port P\nsend 1 from P to P", "2:13: ", "'P' is a port (line 1), not a caller"},
        Wrong{"port Port1\nsend 1 from A to Port2", "2:18: ", "did you mean 'Port1'?"},
        Wrong{"port P\nsend 1 from A to P nosupend", "2:20: ", "too much here"},
        Wrong{"port P\nsend 1 from A to P kind=call", "2:25: ", "write one of send, command, bang, send_nosuspend"},
        Wrong{"port P\nsend 1 from A to P force", "2:20: ", "kind=command only"},
        Wrong{"port P\nsend 1 from A to P until", "2:25: ", "after 'until'"},
        Wrong{"port P\nsend 1 from A to P until w>0", "2:26: ", "write one of q, mq"},
        Wrong{"port P\nsend 1 from A,B to P until wait", "2:22: ", "for one caller"},
        Wrong{"port P\nsend 1 from A to P repeat=2 until wait", "2:29: ", "exclude each other"},
        Wrong{"port P\nsend 1 from A to P until wait repeat=2", "2:31: ", "exclude each other"},
        Wrong{"channel D limit=3", "1:11: ", "write one of busy_limit, high, low, peer_recbuf, connected"},
        Wrong{"channel D connected=maybe", "1:21: ", "write connected=yes or connected=no"},
        Wrong{"channel D\nsend 1 from A to D kind=bang",
              "2:25: ", "write one of message, send_nosuspend, control, death"},
        Wrong{"channel D\nsend 1 from A to D force", "2:20: ", "kind=command only"},
        Wrong{"channel D\nsend 1 from A to D until mq>0", "2:26: ", "write one of q, driver_q"},
        Wrong{"channel D\nclose D by A", "2:7: ", "'D' is a channel (line 1), not a port"},
        Wrong{"port P\nconnect P", "2:9: ", "'P' is a port (line 1), not a channel"},
        Wrong{"channel D\nexpect D high=3", "2:10: ", "write one of q, driver_q"},
        Wrong{"channel D\nset D high=3", "2:5: ", "'D' is a channel (line 1), not a port"},
        Wrong{"port P\nreceive 1 from P", "2:17: ", "'by' is missing"},
        Wrong{"port P\nreceive 1 from P by A timeout=3", "2:31: ", "not a time"},
        Wrong{"port P\nset P", "2:6: ", "OPTION=VALUE is missing"},
        Wrong{"port P\nset P packet=4", "2:7: ", "given when the port is made"},
        Wrong{"port P\nget P", "2:6: ", "what to read"}, Wrong{"port P\nget P size", "2:7: ", "is not known here"},
        Wrong{"listener L\nget L q", "2:7: ", "is not known here"},
        Wrong{"port P\nget P q mq -> 1", "2:12: ", "'->' is for one key"},
        Wrong{"port P\nsubscribe A P", "2:13: ", "'P' stands where 'to' should"},
        Wrong{"port P\nshutdown P all by A", "2:12: ", "write one of read, write, both"},
        Wrong{"port P\nclose P", "2:8: ", "'by' is missing"}, Wrong{"kill A", "1:6: ", "no port 'A'"},
        Wrong{"port P\npeer P eats 3", "2:8: ", "write one of reads, drains"},
        Wrong{"port P\npeer P drains 3", "2:16: ", "'per' is missing"},
        Wrong{"port P\npeer P stalls now", "2:15: ", "too much here"},
        Wrong{"also tcp\nport P\nkernel P takes 3", "3:1: ", "write 'on fake kernel …'"},
        Wrong{"transport unix\nport P\non fake,tcp kernel P takes 3", "3:13: ", "fake transport only"},
        Wrong{"wait 3", "1:6: ", "write a number and ms, s, m or h"}, Wrong{"wait -1s", "1:6: ", "not a time"},
        Wrong{"port P\nwait until P q=0 within 3", "2:25: ", "not a time"},
        Wrong{"let Q 3", "1:7: ", "'3' stands where '=' should"}, Wrong{"let Q = q of P", "1:14: ", "no port 'P'"},
        Wrong{"port P\nlet P = 3", "2:5: ", "'P' is a port already"}, Wrong{"probe K with", "1:13: ", "how many bytes"},
        Wrong{"probe K with 1 high=2", "1:16: ", "sndbuf, peer_recbuf, nodelay"}));

INSTANTIATE_TEST_SUITE_P(
    Expectations, WrongScript,
    testing::Values(Wrong{"expect", "1:7: ", "what is expected is missing"},
                    Wrong{"expect A ok", "1:8: ", "no caller or port 'A'"},
                    Wrong{"port P\nexpect P", "2:9: ", "KEY=VALUE is missing"},
                    Wrong{"port P\nexpect P ok", "2:10: ", "'ok' is not KEY=VALUE"},
                    Wrong{"port P\nexpect P q = 3", "2:10: ", "'q' and '=' belong together: write for example q=3"},
                    Wrong{"port P\nexpect P q= 3", "2:12: ", "blanks around '=' are not allowed"},
                    Wrong{"port P\nexpect P busy=true", "2:15: ", "write busy=yes or busy=no"},
                    Wrong{"port P\nexpect P busy>no", "2:15: ", "write busy=yes or busy=no"},
                    Wrong{"port P\nexpect P exit_on_close>true", "2:10: ", "compared with '=' only"},
                    Wrong{"port P\nexpect P qq=3", "2:10: ", "did you mean 'q'?"},
                    Wrong{"port P\nexit A\nexpect A oK", "3:10: ", "write one of ok, true, false"},
                    Wrong{"port P\nexit A\nexpect A", "3:9: ", "a result (ok, waiting, …) or KEY=VALUE is missing"},
                    Wrong{"port P\nexit A\nexpect A ok waits=yes", "3:13: ", "is not known here"},
                    Wrong{"port P\nexit A\nexpect A after>3s", "3:10: ", "compared with '=' only"},
                    Wrong{"port P\nexpect peer P end=now", "2:19: ", "write one of none, fin, reset"},
                    Wrong{"port P\nexpect peer A got=1", "2:13: ", "no port 'A'"},
                    Wrong{"exit A\nexpect order A", "2:15: ", "two callers at least"},
                    Wrong{"let Q = 1\nexpect Q q=1", "2:8: ", "'Q' is a value"},
                    Wrong{"port P\nsend 1 from A to P -> maybe", "2:23: ", "write one of ok, true, false"},
                    Wrong{"port P\nsend 1 from A to P -> {error,foo}", "2:23: ", "write one of ok, true, false"},
                    Wrong{"port P\nsend 1 from A to P ->", "2:22: ", "the result after '->' is missing"},
                    Wrong{"port P\nsend 1 from A to P -> ok ok", "2:26: ", "too much here"},
                    Wrong{"port P\nkill P -> ok", "2:8: ", "'kill' has no result"},
                    Wrong{"port P\nsend 1 from A to P ->ok", "2:22: ", "a blank belongs behind '->'"}));

TEST(WrongScript, TooLongOrTooMuch) {
  EXPECT_THAT(parse_error("port P\n" + std::string(1'001, 'x')),
              StartsWith("2:1001: this line has more than 1,000 bytes"));
  std::string many;
  for (int i = 0; i <= 10'000; ++i) many += "wait 1ms\n";
  EXPECT_THAT(parse_error(many), StartsWith("10001:1: a script has at most 10,000 steps"));
}

TEST(WrongScript, ShowsNothingThatMovesTheTerminal) {
  EXPECT_THAT(parse_error("\x1b[31mport P"), StartsWith("1:1: there is no step '?[31mport'"));
  EXPECT_THAT(parse_error("port \xff\xfe"), HasSubstr("is not a name"));
}

TEST(Script, MayBeginWithAByteOrderMark) {
  auto script = parse_script("t", "\xEF\xBB\xBFport P\n");
  ASSERT_TRUE(script) << script.error().message;
  EXPECT_EQ(script->steps.front().text, "port P");
}

TEST(Script, KnowsItsTransports) {
  using enum TransportKind;
  auto plain = parse_script("t", "port P");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->transport, fake);
  EXPECT_EQ(plain->transports, std::set{fake});
  auto more = parse_script("t", "transport unix\nalso tcp\non fake transport fake capacity=3\nalso fake\nport P");
  ASSERT_TRUE(more) << more.error().message;
  EXPECT_EQ(more->transport, unix);
  EXPECT_EQ(more->transports, (std::set{fake, unix, tcp}));
}

TEST(Script, IsDocumentedStepByStep) {
  std::ifstream file(std::string(TCPADVISOR_SOURCE_DIR) + "/docs/port-scripts.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const StepShape& shape : step_shapes())
    EXPECT_THAT(text.str(), HasSubstr("`" + std::string(shape.verb))) << shape.verb;
  for (std::string_view key : all_port_keys()) EXPECT_THAT(text.str(), HasSubstr(std::string(key))) << key;
  for (const Key& key : caller_keys())
    EXPECT_THAT(text.str(), HasSubstr("`" + std::string(key.name) + "`")) << key.name;
}

}  // namespace
}  // namespace tcpadvisor::port::script::parse_test
