// SPDX-License-Identifier: Apache-2.0
// What a port driver can make the kernel show, one scenario for each symptom.
#include <sys/socket.h>

#include <memory>

#include "agent/port/scenario/scenario.h"
#include "agent/port/scenario/stage.h"

namespace tcpadvisor::port::scenario {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using What = PeerOrder::What;

constexpr CallerId kOwner = 1;
constexpr std::uint64_t kFill = 200'000;
constexpr std::size_t kBuildUp = 12;                   ///< more than the lab policy's ten sockets
constexpr double kOwnerShutsAt = 0.12, kEndsAt = 0.4;  ///< of the hold time
constexpr std::uint64_t kTinySends = 2'000;
constexpr SocketWishes kSmall{.sndbuf = 4096, .recbuf = 4096};

Setup small_buffers(Options options = {}, Profile profile = Profile::otp25) {
  return {.near = {.sndbuf = 4096}, .far = {.recbuf = 4096}, .options = options, .profile = profile};
}

Options with(void (*change)(Options&)) {
  Options options;
  change(options);
  return options;
}

/// The first send goes in whole, whatever its size; what the two kernels do not take waits in the driver queue.
void fill(Stage& stage) {
  stage.send(kOwner, kFill);
}

void blocked_send(Stage& stage) {
  fill(stage);
  stage.send(2, 1'000);
  stage.at(milliseconds(100), [&stage] {
    stage.send(3, 1'000);
    stage.send(4, 1'000);
  });
}

void slow_reader(Stage& stage) {
  stage.peer({What::pace, 5'000, 100});
  // One sender that sends as soon as it may: the reader's pace bounds it.
  stage.quiet();
  auto more = [&stage] {
    while (stage.send_quietly(kOwner, std::string(10'000, 'x')) == Outcome::ok) {
    }
  };
  stage.on_event([more](std::size_t, const Event& event) {
    if (event.kind == EventKind::answer && event.outcome == Outcome::ok) more();
  });
  more();
}

void passive_no_recv(Stage& stage) {
  stage.say("the peer sends as much as the kernels take; the port's owner does not call recv");
  stage.peer({What::write, kFill});
}

void shutdown_pending(Stage& stage) {
  fill(stage);
  stage.at(stage.part(kOwnerShutsAt), [&stage] { stage.shutdown(kOwner); });
}

void half_close_idle(Stage& stage) {
  stage.say("the owners shut their ports down; the queues are empty, so each FIN goes out at once");
  for (std::size_t i = 0; i < stage.connections(); ++i) (void)stage.port(i).shutdown(kOwner, SHUT_WR);
}

void close_wait_ignored(Stage& stage) {
  stage.say("the peer closes; the owners of the ports do not call recv, so nobody notices");
  stage.peer({What::close});
}

void close_unread(Stage& stage) {
  stage.peer({What::write, 1'000});
  stage.say("the peer sends 1,000 bytes that nobody reads");
  stage.at(stage.part(kEndsAt), [&stage] { stage.close(kOwner); });
}

void linger0(Stage& stage) {
  fill(stage);
  stage.at(stage.part(kEndsAt), [&stage] { stage.close(kOwner); });
}

void peer_rst(Stage& stage) {
  blocked_send(stage);
  stage.at(stage.part(kEndsAt), [&stage] {
    stage.say("the peer closes without having read");
    stage.peer({What::close});
  });
}

void send_timeout_close(Stage& stage) {
  fill(stage);
  stage.at(stage.part(kEndsAt), [&stage] {
    stage.subscribe(2);
    stage.send(kOwner, 1'000);
  });
  stage.at(stage.part(kEndsAt) + seconds(1), [&stage] { stage.send(kOwner, 1'000); });
}

void port_kill(Stage& stage) {
  fill(stage);
  stage.at(stage.part(kEndsAt), [&stage] {
    stage.say("exit(Port, kill)");
    stage.port().kill();
  });
}

void owner_exit(Stage& stage) {
  fill(stage);
  stage.at(stage.part(kEndsAt), [&stage] {
    stage.say("the owner of the port exits");
    stage.port().port_close();
  });
}

void tiny(Stage& stage, const SendOptions& options) {
  stage.quiet();
  stage.peer({What::drain});
  stage.every(seconds(1), [&stage, options] {
    for (std::uint64_t i = 0; i < kTinySends; ++i) stage.send_quietly(kOwner, "x", options);
  });
}
void tiny_sends(Stage& stage) {
  tiny(stage, {});
}
void tiny_bangs(Stage& stage) {
  tiny(stage, {.kind = SendKind::bang});
}

void steady_stream(Stage& stage) {
  stage.quiet();
  stage.peer({What::drain});
  auto more = [&stage, data = std::string(64 << 10, 'x'), left = std::uint64_t{1} << 30]() mutable {
    while (left >= data.size()) {
      left -= data.size();
      if (stage.send_quietly(kOwner, data) != Outcome::ok) return;
    }
  };
  auto shared = std::make_shared<decltype(more)>(std::move(more));
  stage.on_event([shared](std::size_t, const Event& event) {
    if (event.kind == EventKind::answer && event.outcome == Outcome::ok) (*shared)();
  });
  (*shared)();
}

const std::vector<Scenario>& all_symptoms() {
  static const std::vector<Scenario> scenarios{
      {.name = "stuck_reader",
       .title = "200,000 bytes for a peer that does not read; the send returned ok",
       .kernel = {"ESTAB both; Recv-Q of the peer full (about 4 KB), our Send-Q about 8 KB, all of it not sent",
                  "timer persist; TCPToZeroWindowAdv +1, TCPWinProbe rising; rwnd_limited close to 100 %",
                  "the kernel cannot see the driver queue: about 188,000 bytes"},
       .finding = "user-queue-watermark: the peer does not read; no sysctl",
       .setup = small_buffers(),
       .play = fill},
      {.name = "blocked_send",
       .title = "the same, and three more senders: one waits with its bytes queued, two are suspended",
       .kernel = {"as stuck_reader; nothing in the kernel tells of the senders"},
       .finding = "user-queue-watermark: the peer does not read; no sysctl",
       .setup = small_buffers(),
       .play = blocked_send},
      {.name = "slow_reader",
       .title = "a peer that reads 50,000 bytes a second from a sender that never stops",
       .kernel = {"the window closes and opens: TCPToZeroWindowAdv and TCPFromZeroWindowAdv rise together, about 7 a "
                  "second",
                  "Send-Q stays full"},
       .finding = "reader-too-slow for the peer's process",
       .setup = small_buffers(),
       .play = slow_reader},
      {.name = "passive_no_recv",
       .title = "the other way round: the peer sends, and the port's owner never calls recv",
       .kernel = {"our Recv-Q full, the peer's Send-Q full with timer persist"},
       .finding = "reader-too-slow for this process",
       .setup = {.near = kSmall, .far = kSmall},
       .play = passive_no_recv},
      {.name = "shutdown_pending",
       .title = "shutdown with a driver queue that cannot drain (OTP 18 and later): deferred, ok at once",
       .kernel = {"as stuck_reader: no FIN is sent, although the application has shut down"},
       .finding = "pending-shutdown-data: so many bytes are at risk",
       .setup = small_buffers(),
       .play = shutdown_pending},
      {.name = "shutdown_pending_classic",
       .title = "the same before OTP 18: after 5 s without progress the queue is thrown away",
       .kernel = {"5 s after the shutdown FIN_WAIT_1 with Send-Q about 8 KB and timer persist, the peer ESTAB",
                  "the descriptor is closed by the failing write, so nobody owns the socket"},
       .finding = "pending-shutdown-data: so many bytes were thrown away",
       .setup = small_buffers({}, Profile::classic),
       .needs = seconds(7),  // the shutdown, and 5 s without progress
       .play = shutdown_pending},
      {.name = "half_close_idle",
       .title = "12 ports shut down with empty queues, their peers never close",
       .kernel = {"ours FIN_WAIT_2 and held by a process (no timer), the peer's CLOSE_WAIT; ss shows Recv-Q 1 there, "
                  "the FIN"},
       .finding = "fin-wait2-app-held for this process, close-wait-leak for the peer",
       .setup = {.connections = kBuildUp},
       .play = half_close_idle},
      {.name = "close_wait_ignored",
       .title = "12 peers close, and passive owners never look: a FIN is noticed only by reading",
       .kernel = {"ours CLOSE_WAIT, Recv-Q 1 in ss, for ever; the peer's FIN_WAIT_2, nobody's, timewait timer of 60 s"},
       .finding = "close-wait-leak for this process",
       .setup = {.connections = kBuildUp},
       .play = close_wait_ignored},
      {.name = "close_unread_rst",
       .title = "close with unread data: RST instead of FIN",
       .kernel = {"OutRsts +1, EstabResets +2, TCPAbortOnClose +1; both sockets are gone"},
       .finding = "none: it is over at once, only the counters keep it",
       .setup = {},
       .play = close_unread},
      {.name = "linger0_rst",
       .title = "close with linger {true,0}: RST, everything queued is lost",
       .kernel = {"OutRsts +1, EstabResets +2, TCPAbortOnData +1; both sockets are gone"},
       .finding = "pending-shutdown-data: so many bytes were thrown away",
       .setup = small_buffers(with([](Options& o) { o.linger = {true, 0}; })),
       .play = linger0},
      {.name = "peer_rst_while_pending",
       .title = "the peer closes without having read, while senders wait",
       .kernel = {"an RST arrives: EstabResets +2, TCPAbortOnClose +1; the waiting sender gets {error,closed} at once"},
       .finding = "pending-shutdown-data: so many bytes were thrown away",
       .setup = small_buffers(),
       .play = peer_rst},
      {.name = "send_timeout_close",
       .title = "send_timeout 300 ms with send_timeout_close: the driver queue is dropped, the kernel's is not",
       .kernel = {"FIN_WAIT_1 with Send-Q about 8 KB, owned by nobody, timer persist; the peer ESTAB"},
       .finding = "pending-shutdown-data: so many bytes were thrown away",
       .setup = small_buffers(with([](Options& o) {
         o.send_timeout = milliseconds(300);
         o.send_timeout_close = true;
       })),
       .needs = seconds(3),  // the next send comes a second after the one that times out
       .play = send_timeout_close},
      {.name = "port_kill_pending",
       .title = "exit(Port, kill) with a full queue",
       .kernel = {"FIN_WAIT_1 with Send-Q about 8 KB, owned by nobody, timer persist; the peer ESTAB"},
       .finding = "pending-shutdown-data: so many bytes were thrown away",
       .setup = small_buffers(),
       .play = port_kill},
      {.name = "owner_exit_pending",
       .title = "the owner exits with a full queue: the port stays in limbo until it is empty",
       .kernel =
           {"ESTAB with Send-Q, the descriptor still held by a process in which nobody refers to it: looks like a "
            "leak and is none"},
       .finding = "user-queue-watermark: the peer does not read",
       .setup = small_buffers(),
       .play = owner_exit},
      {.name = "tiny_nodelay",
       .title = "2,000 sends of 1 byte each second, nodelay",
       .kernel = {"2,000 system calls, the most segments (OutSegs) of the three"},
       .finding = "none",
       .setup = {.near = {.nodelay = true}, .options = with([](Options& o) { o.nodelay = true; })},
       .play = tiny_sends},
      {.name = "tiny_nagle",
       .title = "2,000 sends of 1 byte each second, Nagle on",
       .kernel = {"2,000 system calls, fewer segments: the kernel joins what waits for an ACK"},
       .finding = "none",
       .setup = {},
       .play = tiny_sends},
      {.name = "tiny_delay_bang",
       .title = "2,000 messages of 1 byte each second to a port with delay_send",
       .kernel = {"a handful of system calls and segments: the driver joins them before the kernel sees any"},
       .finding = "none",
       .setup = {.options = with([](Options& o) { o.delay_send = true; })},
       .play = tiny_bangs},
      {.name = "small_sndbuf_fast_reader",
       .title = "sndbuf 4096, a peer that reads at once, 64 KiB sends without end",
       .kernel =
           {"one segment in flight at a time, waiting for its delayed ACK (DelayedACKs rise): a few MB/s, no zero "
            "window"},
       .finding = "none: no window closes and nothing stalls; the cure would be a larger sndbuf, or none at all",
       .setup = {.near = {.sndbuf = 4096}},
       .play = steady_stream},
  };
  return scenarios;
}

}  // namespace

std::span<const Scenario> symptoms() {
  return all_symptoms();
}

}  // namespace tcpadvisor::port::scenario
