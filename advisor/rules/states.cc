// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/states.h"

#include <algorithm>
#include <array>

namespace tcpadvisor {
namespace {

using enum TcpState;
using Ids = std::span<const std::string_view>;

constexpr std::array kNothing = {Waits::nothing};
constexpr std::array kUnread = {Waits::unread, Waits::both};
constexpr std::array kUnsent = {Waits::unsent, Waits::both};
constexpr std::array kOnlyUnread = {Waits::unread};
constexpr std::array kNotUnsent = {Waits::nothing, Waits::unread};

// A socket of a program, whether we can see which or not.
constexpr std::array kPrograms = {Holder::process, Holder::unknown, Holder::no_descriptor, Holder::outside};
constexpr std::array kProgramsOrKernel = {Holder::process, Holder::unknown, Holder::no_descriptor, Holder::outside,
                                          Holder::kernel};
constexpr std::array kProcess = {Holder::process};
constexpr std::array kUnseen = {Holder::unknown, Holder::no_descriptor, Holder::outside};
constexpr std::array kUnaccepted = {Holder::unaccepted};
constexpr std::array kOrphan = {Holder::orphan};
constexpr std::array kKernel = {Holder::kernel};

constexpr std::array kListen = {listen};
constexpr std::array kSynSent = {syn_sent};
constexpr std::array kSynRecv = {syn_recv, new_syn_recv};
constexpr std::array kEstablished = {established};
constexpr std::array kCloseWait = {close_wait};
constexpr std::array kFinWait1 = {fin_wait_1};
constexpr std::array kFinWait2 = {fin_wait_2};
constexpr std::array kLastAck = {last_ack};
constexpr std::array kClosing = {closing};
constexpr std::array kLastStates = {last_ack, closing};
constexpr std::array kTimeWait = {time_wait};
constexpr std::array kClose = {close};
constexpr std::array kWithoutQueues = {listen, syn_sent, syn_recv, new_syn_recv, time_wait};
constexpr std::array kHeldOnly = {syn_sent, established, close_wait};  // close() leaves each of them
constexpr std::array kClosedOrNever = {last_ack, time_wait, syn_sent, close, listen};

constexpr std::array<std::string_view, 6> kOfListeners = {"accept-queue-app-slow",  "backlog-too-small",
                                                          "syn-drops-not-overflow", "reuseport-unbalanced",
                                                          "listener-never-accepts", "syn-flood-vs-overflow"};
constexpr std::array<std::string_view, 1> kOfAttempts = {"connects-fail"};
constexpr std::array<std::string_view, 2> kOfHandshakes = {"syn-flood-vs-overflow", "accept-queue-app-slow"};
constexpr std::array<std::string_view, 4> kOfIdle = {"established-growth", "established-dead-peer-leak",
                                                     "port-exhaustion", "rcvbuf-bdp-autotune-cap"};
constexpr std::array<std::string_view, 4> kOfReaders = {"reader-too-slow", "unread-forgotten", "rcvbuf-locked-by-app",
                                                        "rcvbuf-bdp-autotune-cap"};
constexpr std::array<std::string_view, 6> kOfSenders = {"peer-not-reading",     "send-queue-dead-peers",
                                                        "sndbuf-locked-by-app", "sndbuf-bdp-autotune-cap",
                                                        "peer-window-limited",  "send-queue-bufferbloat"};
constexpr std::array<std::string_view, 2> kOfQueued = {"listener-never-accepts", "accept-queue-app-slow"};
constexpr std::array<std::string_view, 1> kOfCloseWait = {"close-wait-leak"};
constexpr std::array<std::string_view, 1> kOfGoneUnserved = {"close-wait-unaccepted"};
constexpr std::array<std::string_view, 2> kOfStuck = {"peer-not-reading", "send-queue-dead-peers"};
constexpr std::array<std::string_view, 1> kOfReader = {"reader-too-slow"};
constexpr std::array<std::string_view, 1> kOfHeld = {"fin-wait2-app-held"};
constexpr std::array<std::string_view, 1> kOfOrphans = {"fin-wait2-orphan-buildup"};
constexpr std::array<std::string_view, 1> kOfClosedUnsent = {"orphan-buildup"};
constexpr std::array<std::string_view, 3> kOfTimeWait = {"port-exhaustion", "tw-bucket-overflow", "do-nothing"};
constexpr std::array<std::string_view, 1> kOfDead = {"closed-socket-fd-leak"};

constexpr std::string_view kNoQueues = "has no queue of data in this state";
constexpr std::string_view kClosed = "close() ends it, or takes it to another state";
constexpr std::string_view kTimers = "the kernel's timers end it, and nothing is held back";
constexpr std::string_view kReset = "close() with unread data resets the connection";
constexpr std::string_view kUs = "the kernel's own: NFS and others have timers for it";

constexpr auto kWatched = std::to_array<Watched>({
    {kWithoutQueues, kUnread, kAllHolders, Ids(), kNoQueues},
    {kWithoutQueues, kUnsent, kAllHolders, Ids(), kNoQueues},
    {kHeldOnly, kAllWaits, kOrphan, Ids(), kClosed},
    {kListen, kNothing, kProgramsOrKernel, kOfListeners},
    {kSynSent, kNothing, kProgramsOrKernel, kOfAttempts},
    {kClosedOrNever, kAllWaits, kUnaccepted, Ids(), "no connection waits for accept() in this state"},
    {kListen, kNothing, kOrphan, Ids(), kClosed},
    {kSynRecv, kNothing, kAllHolders, kOfHandshakes},
    {kEstablished, kNothing, kProgramsOrKernel, kOfIdle},
    {kEstablished, kUnread, kProgramsOrKernel, kOfReaders},
    {kEstablished, kUnsent, kProgramsOrKernel, kOfSenders},
    {kEstablished, kAllWaits, kUnaccepted, kOfQueued},
    {kCloseWait, kAllWaits, kPrograms, kOfCloseWait},
    {kCloseWait, kUnsent, kProgramsOrKernel, kOfStuck},
    {kCloseWait, kNothing, kKernel, Ids(), kUs},
    {kCloseWait, kOnlyUnread, kKernel, Ids(), kUs},
    {kCloseWait, kAllWaits, kUnaccepted, kOfGoneUnserved},
    {kFinWait1, kUnsent, kAllHolders, kOfStuck},
    {kFinWait1, kUnsent, kOrphan, kOfClosedUnsent},
    {kFinWait1, kNothing, kAllHolders, Ids(), kTimers},
    {kFinWait1, kOnlyUnread, kPrograms, kOfReader},
    {kFinWait1, kOnlyUnread, kAllHolders, Ids(), "passes to FIN_WAIT_2 with the peer's acknowledgement"},
    {kFinWait2, kUnsent, kAllHolders, Ids(), "the peer has acknowledged all that was sent, and the FIN behind it"},
    {kFinWait2, kNotUnsent, kPrograms, kOfHeld},
    {kFinWait2, kOnlyUnread, kPrograms, kOfReader},
    {kFinWait2, kNotUnsent, kKernel, Ids(), kUs},
    {kFinWait2, kNotUnsent, kOrphan, kOfOrphans},
    {kFinWait2, kNotUnsent, kUnaccepted, Ids(), kClosed},
    {kLastStates, kUnsent, kAllHolders, kOfStuck},
    {kLastStates, kUnsent, kOrphan, kOfClosedUnsent},
    {kLastStates, kNothing, kAllHolders, Ids(), kTimers},
    {kLastAck, kOnlyUnread, kAllHolders, Ids(), kReset},
    {kClosing, kOnlyUnread, kAllHolders, Ids(), kTimers},
    {kTimeWait, kNothing, kAllHolders, kOfTimeWait},
    {kClose, kAllWaits, kProcess, kOfDead},
    {kClose, kAllWaits, kUnseen, Ids(), "is in no list of sockets: only a descriptor that we can look at shows it"},
    {kClose, kAllWaits, kKernel, Ids(), kUs},
    {kClose, kAllWaits, kOrphan, Ids(), "is freed at once"},
});

bool contains(const auto& list, const auto& one) {
  return std::ranges::find(list, one) != list.end();
}

}  // namespace

bool Watched::has(const SocketForm& form) const {
  return contains(states, form.state) && contains(waits, form.waits) && contains(holders, form.holder);
}

std::span<const Watched> watched() {
  return kWatched;
}

std::vector<std::string_view> rules_for(const SocketForm& form) {
  std::vector<std::string_view> out;
  for (const Watched& part : kWatched) {
    if (!part.has(form)) continue;
    for (std::string_view rule : part.rules) {
      if (!contains(out, rule)) out.push_back(rule);
    }
  }
  return out;
}

std::string_view why_no_rule(const SocketForm& form) {
  std::string_view reason;
  for (const Watched& part : kWatched) {
    if (!part.has(form)) continue;
    if (!part.rules.empty()) return "";
    if (reason.empty()) reason = part.reason;
  }
  return reason;
}

}  // namespace tcpadvisor
