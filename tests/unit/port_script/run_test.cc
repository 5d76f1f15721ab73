// SPDX-License-Identifier: Apache-2.0
// What a run does beyond the cases of tests/port/cases: errors on the way, bounds, what a failure looks like.
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/unit/port_script/play.h"

namespace tcpadvisor::port::script::run_test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Run, AFailureNamesWhatWasFound) {
  Played played = play("transport fake\nport P\nsend 3 from A to P\nexpect P q=3\nexpect P q=4 busy=no\nwait 1s\n");
  ASSERT_EQ(played.result.failures.size(), 1U);
  EXPECT_EQ(played.trouble(), "line 5: expect P q=4 busy=no: P has q=3 busy=no");
  EXPECT_EQ(played.result.steps, 5U) << "it ends there";
  EXPECT_THAT(played.transcript, HasSubstr("^^^ does not hold: P has q=3 busy=no"));
}

TEST(Run, KeepGoingShowsEveryFailure) {
  Played played = play("port P\nexpect P q=4\nexpect P mq=4\nexpect P q=0\n", {.keep_going = true, .stop = {}});
  EXPECT_EQ(played.result.failures.size(), 2U);
  EXPECT_EQ(played.result.steps, 4U);
}

struct Expected {
  const char* text;
  const char* trouble;
};
void PrintTo(const Expected& one, std::ostream* out) {
  *out << one.text;
}
class Failing : public testing::TestWithParam<Expected> {};
TEST_P(Failing, IsExplained) {
  EXPECT_THAT(play(GetParam().text).trouble(), HasSubstr(GetParam().trouble)) << GetParam().text;
}
INSTANTIATE_TEST_SUITE_P(
    Table, Failing,
    testing::Values(
        Expected{"port P\nsend 1 from A to P -> waiting", "the result is ok"},
        Expected{"port P high=1\nsend 1 from F to P\nsend 1 from A,B to P -> waiting", "the result of B is suspended"},
        Expected{"port P\nset P high=3 -> {error,einval}", "the result is ok"},
        Expected{"port P\nsubscribe A to P -> 2+3", "the result is 0"},
        Expected{"port P\nget P high -> 8193", "the result is 8192"},
        Expected{"port P\nsend 1 from A to P\nexpect A waiting", "A is ok"},
        Expected{"port P\nsend 1 from A to P repeat=3\nexpect A ok count=2", "A is ok count=3"},
        Expected{"port P\nsend 1 from A to P\nexpect A at=1ms", "A is ok at=0ms"},
        Expected{"port P\nsend 1 from A to P\nexpect A true after=0ms", "A is ok after=0ms"},
        Expected{"port P\nsend 1 from A to P\nexpect A empty_out_q=1", "A is ok empty_out_q=0"},
        Expected{"port P\nexit A\nsend 1 from B,C to P\nexpect order B A", "A has no answer"},
        Expected{"port P\nsend 1 from B,C to P\nexpect order C B", "the order is B C"},
        Expected{"port P\nexpect peer P got=1 end=fin", "peer P has got=0 end=none"},
        Expected{"port P\nwait until P q=1 within 3s", "P has q=0"},
        Expected{"port P\nsend 1 from A to P\nwait until A waiting", "A is ok"},
        Expected{"listener L\nexpect L high=1", "L has high=8192"},
        Expected{"transport fake capacity=10M\nport P\nsend 1 from A to P until q<0", "more than 1,000,000 calls"},
        Expected{"port P high=9\nsend 1 from A to P until q>100", "A is waiting before that is so"},
        Expected{"port P\nport_close P\nsend 1 from A to P until q>0", "a call returned {error,closed} before"}));

class WrongOnTheWay : public testing::TestWithParam<Expected> {};
TEST_P(WrongOnTheWay, IsAScriptErrorWithItsPlace) {
  Played played = play(GetParam().text);
  ASSERT_TRUE(played.result.error) << GetParam().text;
  EXPECT_EQ(played.result.error->code, ErrorCode::bad_input);
  EXPECT_THAT(played.result.error->message, testing::MatchesRegex("t:[0-9]+:[0-9]+: [^\n]+"));
  EXPECT_THAT(played.result.error->message, HasSubstr(GetParam().trouble));
}
INSTANTIATE_TEST_SUITE_P(
    Table, WrongOnTheWay,
    testing::Values(Expected{"port P high=1\nsend 1 from F to P\nsend 1 from A to P\nsend 1 from A to P",
                             "t:4:1: caller A is waiting: its last call has not returned"},
                    Expected{"port P\nreceive 1 from P by A\nclose P by A", "t:3:1: caller A is waiting"},
                    Expected{"exit A\nport P\nsend 1 from A to P", "t:3:1: caller A has exited"},
                    Expected{"exit A\nexit A", "has exited already"},
                    Expected{"port P\nsend -1 from A to P", "less than nothing"},
                    Expected{"port P\nsend 17M from A to P", "at most 16 MiB"},
                    Expected{"port P\nsend 1 from A to P repeat=0", "repeat is from 1"},
                    Expected{"port P\nsend 1 from A to P repeat=1000001", "repeat is from 1"},
                    Expected{"port P high=2147483647\nsend 16M from A to P repeat=5",
                             "more than 64 MiB would be in the queues of P"},
                    Expected{"port P\nreceive 0 from P by A", "1 byte to 16 MiB"},
                    Expected{"port P\npeer P sends 17M", "at most 16 MiB"},
                    Expected{"port P send_timeout=-1", "Erlang takes no port"},
                    Expected{"listener L mq_high=0", "Erlang takes no listener"},
                    Expected{"transport fake capacity=3 writable_at=4", "never be writable"},
                    Expected{"on tcp let Q = 3\nport P high=Q", "'Q' has no value on this transport"},
                    Expected{"on tcp port P\nsend 1 from A to P", "P was not made on this transport"},
                    Expected{"probe K with 0", "1 byte to 16 MiB"},
                    Expected{"channel D\nconnect D", "connected already"},
                    Expected{"channel D connected=no\npeer D reads 1", "channel D has no peer: 'connect D' makes one"},
                    Expected{"port P\nlet Q = send_timeout of P", "not a number"},
                    Expected{"let Q = 9223372036854775807\nlet R = Q*Q", "too large"}));

TEST(Run, AtMostSixteenSendersToOnePort) {
  std::string text = "port P high=1000000\n";
  for (int i = 1; i <= 17; ++i) text += "send 1 from A" + std::to_string(i) + " to P\n";
  EXPECT_THAT(play(text).trouble(), HasSubstr("t:18:1: at most 16 callers send to one port or channel: A17"));
}

TEST(Run, RepeatIsALoopOfOneProcess) {
  Played played = play(
      "port P high=2 low=1\nsend 1 from A to P repeat=5\nexpect A waiting calls=2\nexpect A ok count=1\n"
      "kernel P takes 3\nwait 1ms\nexpect A waiting calls=5\nexpect A ok count=4\nkernel P takes 9\nexpect A ok "
      "calls=5 count=5\n");
  EXPECT_EQ(played.trouble(), "");
}

TEST(Run, ReceivesWhatThePeerSent) {
  EXPECT_EQ(play("port P packet=2\npeer P sends 5\nreceive any from P by A -> ok\nexpect A bytes=5\n"
                 "receive any from P by A timeout=300ms -> waiting\nwait 300ms\nexpect A {error,timeout} after=300ms\n"
                 "peer P sends 700\nreceive any from P by A -> ok\nexpect A bytes=700\n")
                .trouble(),
            "");
  EXPECT_EQ(play("port P owner=O active=true\npeer P sends 5\nexpect O tcp=1\npeer P shuts\nexpect O tcp_closed=1\n")
                .trouble(),
            "");
  EXPECT_EQ(
      play("port P\npeer P sends 9\nreceive 4 from P by A\nexpect A ok bytes=4\nreceive 9 from P by B -> waiting\n"
           "receive 1 from P by C -> {error,ealready}\npeer P sends 4\nexpect B ok bytes=9\n")
          .trouble(),
      "");
}

TEST(Run, PeersMayCloseWithBytesUnread) {
  EXPECT_EQ(play("transport fake capacity=5\nport P\nsend 20 from A to P\nexpect P q=15\npeer P closes\n"
                 "expect P q=0 open=no dropped=15\nsend 1 from A to P -> {error,closed}\n")
                .trouble(),
            "");
  EXPECT_EQ(play("transport fake capacity=5\nport P\npeer P closes\nsend 3 from A to P -> ok\nwait 1ms\n"
                 "send 3 from A to P -> {error,closed}\n")
                .trouble(),
            "");
}

TEST(Run, DrainsAtItsRate) {
  EXPECT_EQ(
      play("transport fake capacity=100\nport P high=1000000\nsend 1000 from A to P\npeer P drains 1000 per second\n"
           "wait 500ms\nexpect peer P got=500\npeer P stalls\nwait 1s\nexpect peer P got=500\npeer P drains\n"
           "wait until P q=0\nwait 1s\nexpect peer P got=1000\n")
          .trouble(),
      "");
}

TEST(Run, StopsWhenToldTo) {
  int asked = 0;
  Played played = play("port P\nwait 1ms\nwait 1ms\n", {.keep_going = false, .stop = [&]() -> std::optional<Error> {
                                                          if (++asked < 3) return std::nullopt;
                                                          return Error{ErrorCode::failed, "time is up", 0};
                                                        }});
  ASSERT_TRUE(played.result.error);
  EXPECT_THAT(played.result.error->message, HasSubstr("time is up"));
  EXPECT_LT(played.result.steps, 3U);
}

std::vector<std::string> reasons_of(std::string_view script) {
  std::istringstream lines(play(script, {.explain = true, .stop = {}}).transcript);
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) {
    if (auto bar = line.find(" | "); line.find_first_not_of(' ') == bar + 1) out.push_back(line.substr(bar + 3));
  }
  return out;
}

TEST(Explain, SaysWhyEachCallWaitsAndGoesOn) {
  EXPECT_THAT(
      reasons_of("transport fake capacity=5 writable_at=3\nport P high=2 low=1\nsend 1 from A to P until wait\n"
                 "send 1 from B to P\nsend 1 from C to P nosuspend\npeer P reads 3\n"),
      testing::ElementsAre("A at P: the queue is empty, and the kernel takes all of its 1 byte (x5)",
                           "A at P: the kernel takes 0 of its 1 byte, q 1: what goes into an empty queue makes "
                           "nobody wait",
                           "A at P: waits for its reply: q 2 ≥ high 2 after its 1 byte, which is queued",
                           "B at P: is suspended before its bytes (1) are queued: the port is busy until q 2 is 1 "
                           "or less",
                           "C at P: is refused, as it asked for (nosuspend): the port is busy until q 2 is 1 or less",
                           "P: the kernel takes 2 of 2 in the queue: q 0", "A at P: gets its reply: q 0 ≤ low 1",
                           "P: not busy any more: who was suspended tries again",
                           "B at P: the queue is empty, and the kernel takes all of its 1 byte"));
}

TEST(Explain, SaysWhatIsThrownAwayAtTheEnd) {
  EXPECT_THAT(reasons_of("transport fake\nport P active=true\nsend 7 from A to P\npeer P resets\nsend 7 from A to P\n"),
              testing::IsSupersetOf({"P: 7 bytes in the queue are thrown away", "A at P: the port is gone"}));
}

TEST(Explain, KeepsTheFirstAndTheLastOfVeryMany) {
  Reasons reasons;
  for (int i = 0; i < 1'000; ++i) reasons.add("sentence " + std::to_string(i / 2));
  const std::vector<std::string> lines = reasons.lines();
  ASSERT_EQ(lines.size(), Reasons::kFirst + 1 + Reasons::kLast);
  EXPECT_EQ(lines.front(), "sentence 0 (x2)");
  EXPECT_EQ(lines[Reasons::kFirst], "… and 960 more …");
  EXPECT_EQ(lines.back(), "sentence 499 (x2)");
}

TEST(Transcript, JsonIsOneObjectPerStep) {
  auto script = parse_script("t", "port P high=1\nsend 1 from F to P\nsend 1 from A,B to P -> waiting\n");
  ASSERT_TRUE(script);
  auto world = fake_world();
  std::vector<nlohmann::json> objects;
  JsonTranscript transcript([&](std::string_view line) { objects.push_back(nlohmann::json::parse(line)); });
  run_script(*script, *world, {}, transcript);
  ASSERT_EQ(objects.size(), 3U);
  EXPECT_EQ(objects[1]["caller"], "F");
  EXPECT_EQ(objects[1]["result"], "ok");
  EXPECT_EQ(objects[1]["line"], 2);
  const auto& last = objects[2];
  EXPECT_EQ(last["result"], "A waiting, B suspended");
  EXPECT_EQ(last["callers"]["B"]["now"], "suspended");
  EXPECT_EQ(last["events"], (nlohmann::json{"B suspended", "B busy_port"}));
  EXPECT_EQ(last["ports"]["P"]["q"], 2);
  EXPECT_EQ(last["ports"]["P"]["busy"], true);
  EXPECT_THAT(last["failure"].get<std::string>(), HasSubstr("suspended"));
}

TEST(Transcript, TheLastStepsExplainAFailure) {
  auto script =
      parse_script("t", "wait 1ms\nwait 2ms\nwait 3ms\nwait 4ms\nwait 5ms\nwait 6ms\nwait 7ms\nport P\nexpect P q=1\n");
  ASSERT_TRUE(script);
  auto world = fake_world();
  TextTranscript transcript({});
  run_script(*script, *world, {}, transcript);
  EXPECT_THAT(transcript.last_steps(), Not(HasSubstr("wait 3ms")));
  EXPECT_THAT(transcript.last_steps(), HasSubstr("wait 4ms"));
  EXPECT_THAT(transcript.last_steps(), HasSubstr("does not hold: P has q=0"));
}

TEST(Run, aProbeOfALargeKernelTakesNoTime) {
  auto played = play(
      "transport fake capacity=1000000000000000 writable_at=900000000000000\n"
      "probe K R with 1\n");
  EXPECT_EQ(played.trouble(), "");
}

}  // namespace
}  // namespace tcpadvisor::port::script::run_test
