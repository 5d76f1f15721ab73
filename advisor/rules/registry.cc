// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/registry.h"

#include <algorithm>
#include <array>

#include "advisor/rules/close_wait.h"
#include "advisor/rules/closed_fd.h"
#include "advisor/rules/do_nothing.h"
#include "advisor/rules/fin_wait2.h"
#include "advisor/rules/listeners.h"
#include "advisor/rules/locked_buffers.h"
#include "advisor/rules/memory.h"
#include "advisor/rules/message_queue.h"
#include "advisor/rules/pending_shutdown.h"
#include "advisor/rules/queue_watermarks.h"
#include "advisor/rules/reader.h"
#include "advisor/rules/unbounded_queue.h"

namespace tcpadvisor {
namespace {

/// A rule that needs no more than window and policy.
template <Outcome (*judge)(const Window&, const Policy&)>
Outcome of_window(const Evidence& evidence) {
  return judge(evidence.window, evidence.policy);
}

constexpr std::array kRules = {
    Rule{"close-wait-leak", "a process does not close sockets whose peers have closed", of_window<close_wait_leak>},
    Rule{"close-wait-unaccepted", "connections ended before any process accepted them",
         of_window<close_wait_unaccepted>},
    Rule{"closed-socket-fd-leak", "a process keeps descriptors of dead sockets", of_window<closed_socket_fd_leak>},
    Rule{"fin-wait2-app-held", "a process shut sockets down and keeps them", of_window<fin_wait2_app_held>},
    Rule{"fin-wait2-orphan-buildup", "many closed connections wait for their peers",
         of_window<fin_wait2_orphan_buildup>},
    Rule{"reader-too-slow", "a process does not read what has arrived", of_window<reader_too_slow>},
    Rule{"accept-queue-app-slow", "a process accepts too slowly", of_window<accept_queue_app_slow>},
    Rule{"backlog-too-small", "a listener's backlog is too small for bursts", of_window<backlog_too_small>},
    Rule{"rcvbuf-locked-by-app", "SO_RCVBUF limits a flow", of_window<rcvbuf_locked_by_app>},
    Rule{"sndbuf-locked-by-app", "SO_SNDBUF limits a flow", of_window<sndbuf_locked_by_app>},
    Rule{"pending-shutdown-data", "a program shut down with data in its own queue, or dropped it",
         pending_shutdown_data},
    Rule{"user-queue-unbounded", "a program's own queue grows past its mark", user_queue_unbounded},
    Rule{"message-queue-holds-senders", "a message queue holds senders before a short queue",
         message_queue_holds_senders},
    Rule{"user-queue-watermark", "the marks of a program's own queue do not fit", user_queue_watermark},
    Rule{"tcp-mem-pressure-global", "TCP runs out of its share of memory", of_window<tcp_mem_pressure_global>},
    Rule{"do-nothing", "numbers that look alarming and are normal", of_window<do_nothing>},
};

}  // namespace

std::span<const Rule> all_rules() {
  return kRules;
}

const Rule* find_rule(std::string_view id) {
  auto found = std::ranges::find(kRules, id, &Rule::id);
  return found == kRules.end() ? nullptr : &*found;
}

}  // namespace tcpadvisor
