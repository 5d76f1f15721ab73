// SPDX-License-Identifier: Apache-2.0
// The stories that users arrive with, played so that each of their questions can be answered by looking.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"
#include "agent/port/scenario/puzzle.h"
#include "agent/port/scenario/scenario.h"
#include "agent/port/scenario/stage.h"

namespace tcpadvisor::port::scenario {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using What = PeerOrder::What;

constexpr CallerId kServer = 1;
constexpr std::uint64_t kAnswer = 1 << 20;
constexpr double kShutsAt = 0.12;  ///< of the hold time

// ---- S1: is the answer sent, or lost? ----

Setup answering_server(Profile profile) {
  Options options;
  options.delay_send = true;
  options.sndbuf = 64 << 10;
  options.recbuf = 128 << 10;
  return {.near = {.sndbuf = 64 << 10, .recbuf = 128 << 10},
          .far = {.recbuf = 128 << 10},
          .accepted = true,
          .options = options,
          .profile = profile,
          .names = {"server"}};
}

void answer_and_shut_down(Stage& stage) {
  stage.send(kServer, kAnswer);
  stage.at(stage.part(kShutsAt), [&stage] {
    stage.shutdown(kServer);
    stage.receive(2);  // only who reads learns that the peer is gone
  });
  // The client leaves at the end, without having read anything.
  Time leaves = stage.hold() - std::min<Time>(seconds(1), stage.hold() / 4);
  stage.at(leaves, [&stage] {
    stage.say("the client closes its side");
    stage.peer({What::shut});
  });
}

// ---- S3: suspended although the driver queue is short ----

constexpr CallerId kSenders = 50;
constexpr std::size_t kCommand = 1'000;

Setup parallel_port() {
  Options options;
  options.parallelism = true;
  return {.options = options, .names = {"parallel"}};
}

void many_senders(Stage& stage) {
  stage.quiet();
  stage.peer({What::drain});
  stage.say(fmt::format("{} senders, each sends {} bytes by Port ! Message as soon as it may", kSenders, kCommand));
  stage.say("another scheduler holds the port's lock 10 ms at a time, then the port gets one turn");
  auto sender = [&stage, data = std::string(kCommand, 'x')](CallerId caller) {
    while (stage.send_quietly(caller, data, {.kind = SendKind::bang}) == Outcome::ok) {
    }
  };
  stage.on_event([sender](std::size_t, const Event& event) {
    if (event.kind == EventKind::answer && event.outcome == Outcome::ok) sender(event.caller);
  });
  stage.port().hold();
  for (CallerId caller = 1; caller <= kSenders; ++caller) sender(caller);
  stage.every(milliseconds(10), [&stage] { stage.port().give_one_turn(); });
}

// ---- S4: the far node is stalled ----

constexpr std::size_t kMessage = 10'000;
constexpr CallerId kMostSenders = 3'000;          ///< of 10 KB: 30 MB of suspended messages
constexpr std::uint64_t kMostControl = 64 << 20;  ///< bytes

Setup far_node() {
  return {.near = {.sndbuf = 4096},
          .far = {.recbuf = 4096},
          .connections = 4,
          .channels = true,
          .names = {"plain", "nosuspend", "spawned", "control"}};
}

void stalled_node(Stage& stage) {
  stage.quiet();
  stage.say("four channels to a node that is stalled, 100 attempts of 10,000 bytes a second on each:");
  stage.say("  plain: one process, Pid ! Message; it is held at the limit of 1 MiB");
  stage.say("  nosuspend: one process, erlang:send(Pid, Message, [nosuspend]); refused at the limit");
  stage.say("  spawned: a process for each message; every one of them is held");
  stage.say("  control: a process that ends with its link for each message; such signals pass the limit");
  stage.every(milliseconds(100), [&stage, data = std::string(kMessage, 'x'), next = CallerId{1}]() mutable {
    for (int i = 0; i < 10; ++i, ++next) {
      (void)stage.channel(0).send(1, Signal::message, {}, data);  // badarg while it is held: it makes no call then
      (void)stage.channel(1).send(1, Signal::message, {.nosuspend = true}, data);
      if (stage.channel(2).state().suspended < kMostSenders)
        (void)stage.channel(2).send(next, Signal::message, {}, data);
      if (stage.channel(3).state().queued < kMostControl) (void)stage.channel(3).send(next, Signal::death, {}, data);
    }
  });
}

const std::vector<Scenario>& all_stories() {
  static const std::vector<Scenario> scenarios{
      {.name = "s1",
       .title = "1 MiB for a client that does not read, then shutdown: was it sent? (OTP 18 and later)",
       .kernel = {"ESTAB both: no FIN, although the server has shut down; timer persist",
                  "our Send-Q and the client's Recv-Q full, more than 100 KB each; the rest is in the driver queue, "
                  "which the kernel cannot see"},
       .finding = "pending-shutdown-data: the client does not read, so many bytes are at risk; no sysctl",
       .setup = answering_server(Profile::otp25),
       .play = answer_and_shut_down},
      {.name = "s1-classic",
       .title = "the same before OTP 18: shutdown waits 5 s, sees no progress, goes ahead and drops the queue",
       .kernel = {"ESTAB both until 5 s after the shutdown, then FIN_WAIT_1 with Send-Q and timer persist; the client "
                  "stays ESTAB",
                  "{empty_out_q,Port} comes after the loss: it says empty, not sent"},
       .finding = "pending-shutdown-data: so many bytes were thrown away; no sysctl",
       .setup = answering_server(Profile::classic),
       .needs = seconds(8),  // the shutdown, 5 s without progress, and the client leaves a second before the end
       .play = answer_and_shut_down},
      {.name = "s2",
       .title = "one byte at a time, marks 2/1, sndbuf 1, recbuf 1: which send blocks?",
       .kernel =
           {"ESTAB both, Recv-Q and Send-Q of a few thousand 1-byte sends: the kernel's smallest buffers are not 1"},
       .finding = "user-queue-watermark: a sender waits at 2 bytes, the peer does not read; no sysctl",
       .setup = puzzle_setup(false),
       .needs = puzzle_needs(false),
       .play = play_puzzle},
      {.name = "s3",
       .title = "50 senders and one port with parallelism: suspended although the driver queue is short",
       .kernel = {"nothing: Send-Q and Recv-Q are short, no window is closed"},
       .finding = "message-queue-holds-senders",
       .setup = parallel_port(),
       .play = many_senders},
      {.name = "s4",
       .title = "messages for a far node that is stalled: what grows?",
       .kernel = {"the same four times: Send-Q and Recv-Q full, timer persist; what differs is in the program"},
       .finding = "user-queue-unbounded for spawned (suspended senders) and control (bytes), naming the peer",
       .setup = far_node(),
       .needs = seconds(3),  // 1 MB a second and channel up to a limit of 1 MiB
       .play = stalled_node},
  };
  return scenarios;
}

}  // namespace

std::span<const Scenario> stories() {
  return all_stories();
}

std::string similar_scenario(std::string_view name) {
  std::vector<std::string_view> names;
  for (std::span<const Scenario> scenarios : {stories(), symptoms()}) {
    for (const Scenario& scenario : scenarios) names.push_back(scenario.name);
  }
  return did_you_mean(name, names);
}

const Scenario* find_scenario(std::string_view name) {
  for (std::span<const Scenario> scenarios : {stories(), symptoms()}) {
    auto found = std::ranges::find(scenarios, name, &Scenario::name);
    if (found != scenarios.end()) return &*found;
  }
  return nullptr;
}

}  // namespace tcpadvisor::port::scenario
