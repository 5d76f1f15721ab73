// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/puzzle.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "advisor/base/text.h"
#include "agent/port/fake.h"
#include "agent/port/scenario/kernel_capacity.h"

namespace tcpadvisor::port::scenario {
namespace {

using std::chrono::milliseconds;
using What = PeerOrder::What;

constexpr CallerId kSender = 1;
constexpr std::int32_t kHigh = 2, kLow = 1;
constexpr std::size_t kSendsPerTurn = 256;
constexpr Time kBlocked = milliseconds(1'500);  ///< a shorter wait is a delayed ACK
constexpr std::uint64_t kMaxReads = 100'000;
constexpr Time kBetweenReads = milliseconds(1);  ///< the kernel gets time to answer each
constexpr double kReadsAt = 0.6;                 ///< of the hold time

Options puzzle_options() {
  Options options;
  options.high = kHigh;
  options.low = kLow;
  options.sndbuf = options.recbuf = 1;
  return options;
}

std::string formula_text(std::uint64_t capacity) {
  return fmt::format("ok = K + max(1, ceil(high / size) - 1) = {} + max(1, {} - 1) = {}, and send {} waits with q = 2",
                     with_commas(capacity), kHigh, with_commas(sends_that_return(capacity, kHigh, 1)),
                     with_commas(sends_that_return(capacity, kHigh, 1) + 1));
}

std::vector<std::string> why_not_the_fourth() {
  return {"why not the fourth send: sndbuf 1 + recbuf 1 + one byte below high 2 would be three; but",
          "  the kernel's smallest buffers hold more than 1 byte each: that is K",
          "  the first byte that is queued is not compared with high, only later ones are: q >= high",
          "  the byte of the send that waits is in the queue already; it is counted, and it will be sent",
          "  it returns when a write leaves q <= low, and the kernel asks for a write only when enough is free"};
}

/// One run of the story on a stage.
class Run : public std::enable_shared_from_this<Run> {
 public:
  Run(Stage& stage, KernelCapacity probe) : stage_(stage), probe_(probe) {}

  void start() {
    auto self = shared_from_this();
    stage_.on_event([self](std::size_t, const Event& event) {
      if (event.kind == EventKind::answer && event.caller == kSender) self->returned();
    });
    send_more();
  }

 private:
  void send_more() {
    for (std::size_t i = 0; i < kSendsPerTurn; ++i) {
      if (stage_.send_quietly(kSender, "x") == Outcome::pending) {
        std::uint64_t this_wait = ++waits_;
        stage_.after(kBlocked, [self = shared_from_this(), this_wait] {
          if (self->waits_ == this_wait && self->waiting()) self->blocked();
        });
        return;
      }
      ++ok_;
    }
    stage_.after(Time::zero(), [self = shared_from_this()] { self->send_more(); });
  }

  bool waiting() const { return stage_.port().call_state(kSender).has_value(); }

  void returned() {
    if (blocked_) {
      done_ = true;
      stage_.say(fmt::format("send {} returned after the peer had read {} bytes; q = {} <= low {}",
                             with_commas(ok_ + 1), with_commas(reads_), stage_.port().state().queued, kLow),
                 {{"what", "returned"}, {"reads", reads_}, {"queue", stage_.port().state().queued}});
      return;
    }
    ++ok_;
    send_more();
  }

  void blocked() {
    blocked_ = true;
    PortState state = stage_.port().state();
    ConnectionTruth at = stage_.truth(0);
    std::string waits = waits_ > 1 ? fmt::format(" ({} of them after a short wait for an ACK)", waits_ - 1) : "";
    stage_.say(fmt::format("{} sends returned ok{}; send {} waits: q = {} >= high {}", with_commas(ok_), waits,
                           with_commas(ok_ + 1), state.queued, kHigh),
               {{"what", "blocked"},
                {"ok", ok_},
                {"queue", state.queued},
                {"kernel_took", state.written},
                {"probed", probe_.sends},
                {"predicted_ok", sends_that_return(probe_.sends, kHigh, 1)}});
    if (state.written != probe_.sends) {
      stage_.say(fmt::format("this time the kernel took {}, not {}: on TCP that depends on timing. With it: {}",
                             with_commas(state.written), with_commas(probe_.sends), formula_text(state.written)));
    }
    std::string kernel =
        at.near ? fmt::format("peer's Recv-Q {}, our Send-Q {}", with_commas(at.recv_q()), with_commas(at.send_q()))
                : fmt::format("kernel {}", with_commas(state.written));
    stage_.say(
        fmt::format("where the {} bytes are: {}, driver queue {}", with_commas(state.accepted), kernel, state.queued));
    for (const std::string& line : why_not_the_fourth()) stage_.say(line);
    // Late, so that there is time to look at it.
    stage_.at(std::max(stage_.part(kReadsAt), stage_.now()), [self = shared_from_this()] { self->read_one(); });
  }

  void read_one() {
    if (done_ || reads_ >= kMaxReads) return;
    ++reads_;
    stage_.peer({What::read, 1});
    stage_.after(kBetweenReads, [self = shared_from_this()] { self->read_one(); });
  }

  Stage& stage_;
  KernelCapacity probe_;
  std::uint64_t ok_ = 0, waits_ = 0, reads_ = 0;
  bool blocked_ = false, done_ = false;
};

}  // namespace

Setup puzzle_setup(bool unix_sockets) {
  return {.near = {.sndbuf = 1, .recbuf = 1},
          .far = {.sndbuf = 1, .recbuf = 1},
          .options = puzzle_options(),
          .unix_sockets = unix_sockets,
          .names = {"puzzle"}};
}

milliseconds puzzle_needs(bool unix_sockets) {
  return milliseconds(unix_sockets ? 5'000 : 10'000);
}

void play_puzzle(Stage& stage) {
  const Setup& setup = stage.setup();
  auto probe = probe_capacity(setup.near, setup.far, setup.unix_sockets, 1, stage.stop_fd());
  if (!probe) {
    stage.say("no prediction: " + probe.error().message);
    return;
  }
  stage.say(fmt::format("probe, a bare socket with the same options: the kernel takes K = {} sends of 1 byte",
                        with_commas(probe->sends)));
  stage.say(fmt::format("  (sndbuf 1 became {}, recbuf 1 became {})",
                        with_commas(static_cast<std::uint64_t>(probe->sndbuf)),
                        with_commas(static_cast<std::uint64_t>(probe->rcvbuf))));
  stage.say("prediction: " + formula_text(probe->sends));
  stage.quiet();
  std::make_shared<Run>(stage, *probe)->start();
}

void play_puzzle_on_fake(const Tell& tell) {
  struct Answers final : EventSink {
    void on_event(const Event& event) override { returned |= event.kind == EventKind::answer; }
    bool returned = false;
  } sink;
  constexpr std::uint64_t kCapacity = 5, kWritableAt = 3;
  auto say = [&tell](const std::string& text) {
    tell({Told::Kind::event, {text}, {{"kind", "event"}, {"what", "note"}, {"text", text}}});
  };
  VirtualTime time;
  FakeWire wire(time, {.capacity = kCapacity, .writable_at = kWritableAt});
  Port port({.name = "puzzle", .options = puzzle_options()}, wire.take_near(), time, sink);
  say(fmt::format("a kernel that takes K = {} bytes and is writable again when {} are free", kCapacity, kWritableAt));
  say("prediction: " + formula_text(kCapacity));
  std::uint64_t ok = 0, reads = 0;
  while (port.send(kSender, {}, "x") == Outcome::ok) {
    ++ok;
    time.settle();
    say(fmt::format("send {}: ok; kernel {}, driver queue {}", ok, wire.in_kernel(), port.state().queued));
  }
  say(fmt::format("send {}: waits; kernel {}, driver queue {} >= high {}", ok + 1, wire.in_kernel(),
                  port.state().queued, kHigh));
  while (!sink.returned && reads < kCapacity) {
    wire.peer_read(1);
    time.settle();
    ++reads;
    say(fmt::format("the peer reads byte {}: kernel {}, driver queue {}{}", reads, wire.in_kernel(),
                    port.state().queued,
                    sink.returned ? fmt::format("; send {} returns ok: q <= low {}", ok + 1, kLow) : ""));
  }
  for (const std::string& line : why_not_the_fourth()) say(line);
  tell({Told::Kind::result,
        {fmt::format("{} ok, send {} waited and returned after {} reads", ok, ok + 1, reads)},
        {{"kind", "result"}, {"ok", ok}, {"blocked", ok + 1}, {"returned_after_reads", reads}}});
}

}  // namespace tcpadvisor::port::scenario
