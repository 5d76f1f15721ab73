// SPDX-License-Identifier: Apache-2.0
// The table of which rules look at which sockets, held against what they say: many sockets of each form, as bad as that
// form can be, are judged as a whole, and one of the rules that the table names must speak of them.
#include "advisor/rules/states.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "advisor/rules/policy.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::states_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;

constexpr std::uint32_t kAtFirst = 12, kMoreEachTime = 3, kHandshakes = 120;
constexpr std::size_t kLooks = 13;
constexpr Pid kProgram = 42;
const Endpoint kServer = Endpoint::v4(10, 0, 0, 1, 8443), kClient = Endpoint::v4(10, 0, 0, 2, 40'000);

std::string text_of(const SocketForm& form) {
  constexpr std::string_view kWaits[] = {"nothing waits", "unread", "unsent", "both wait"};
  constexpr std::string_view kHolders[] = {"unknown", "process", "unaccepted", "orphan", "kernel", "no descriptor"};
  return fmt::format("{}, {}, {}", name_of(form.state), kWaits[static_cast<std::size_t>(form.waits)],
                     kHolders[static_cast<std::size_t>(form.holder)]);
}

bool is_listener(const SocketForm& form) {
  return form.state == TcpState::listen;
}
bool unread(const SocketForm& form) {
  return form.waits == Waits::unread || form.waits == Waits::both;
}
bool unsent(const SocketForm& form) {
  return form.waits == Waits::unsent || form.waits == Waits::both;
}

/// One socket of the form, old, and with whatever waits as much as fits.
SocketRow socket_of(const SocketForm& form) {
  SocketRow row = a_socket().state(form.state).age(200s).local(kServer).remote(kClient);
  row.rcvbuf = row.sndbuf = 131'072;
  row.rmem_alloc = row.wmem_queued = 0;
  row.rcv_wnd = row.snd_wnd = 65'536;
  row.bytes_acked = row.bytes_received = 1'000;
  row.last_data_sent_ms = row.last_data_recv_ms = 200'000;
  row.scaling_ratio = 128;
  if (unread(form)) {
    row.recv_q = row.rmem_alloc.emplace(131'072);
    row.rcv_wnd = 0;
  }
  if (unsent(form)) {
    row.send_q = row.wmem_queued.emplace(131'072);
    row.not_sent = row.send_q;
    row.snd_wnd = 0;
    row.timer = Timer::persist;
  }
  row.holder = form.holder;
  if (form.holder == Holder::process) row.owner = Owner{.pid = kProgram, .comm = "program", .fd = 7};
  if (form.holder == Holder::unaccepted || form.holder == Holder::orphan || form.holder == Holder::kernel)
    row.inode = 0;
  if (form.state == TcpState::time_wait) row.kind = SocketKind::timewait;
  if (form.state == TcpState::new_syn_recv) row.kind = SocketKind::request;
  return row;
}

/// What makes a socket of a form a trouble: no form is in all of them.
enum class Story : std::uint8_t {
  stuck,         ///< all that can wait waits, and more come all the time
  dropping,      ///< listeners: a full queue
  bursts,        ///< listeners: an empty queue, and drops for want of room
  refusing,      ///< listeners: an empty queue, and a missing signature
  uneven,        ///< listeners: another one at the same place has room
  many_at_once,  ///< mini-sockets in great number, that need nothing
  unanswered,    ///< what waits is sent again and again, and nothing comes back
  gone,          ///< without keepalive, and the client has come again
  locked,        ///< a fixed buffer that limits who uses it
  capped,        ///< a buffer that has grown to the kernel's maximum
  peer_window,   ///< the peer's window limits the flow
  messages,      ///< messages wait behind what was written before
};
constexpr Story kStories[] = {Story::stuck,  Story::dropping,     Story::bursts,      Story::refusing,
                              Story::uneven, Story::many_at_once, Story::unanswered,  Story::gone,
                              Story::locked, Story::capped,       Story::peer_window, Story::messages};

/// What the counters and totals say beside the rows.
void add_totals(SampleBuilder& sample, const SocketForm& form, Story story, std::uint32_t count, std::size_t look) {
  sample.count(form.state, count).sysctl("net.ipv4.tcp_max_tw_buckets", {64});
  sample.sysctl("net.ipv4.tcp_notsent_lowat", {4'294'967'295});
  if (story == Story::capped) {
    for (const char* knob : {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}) sample.sysctl(knob, {4'096, 16'384, 131'072});
  }
  sample.counter("TcpExt.TCPMD5NotFound", story == Story::refusing ? 30 * look : 0);
  const bool overflows = story == Story::dropping || story == Story::bursts;
  sample.counter("TcpExt.ListenOverflows", overflows ? 30 * look : 0);
  sample.counter("TcpExt.TCPSynRetrans", 500 * look);
  PortTotals port{.netns = kHostNetns, .port = kServer.port};
  port.sockets[index_of(form.state)] = count;
  sample.set([&](Sample& s) { s.ports.push_back(port); });
  if ((form.state == TcpState::time_wait || form.state == TcpState::established) && story == Story::stuck)
    sample.add(PortUse{0, Endpoint::v4(10, 0, 0, 1, 0), kClient, 28'000, 27'000});
  if (form.state == TcpState::time_wait && story == Story::many_at_once) {
    sample.count(form.state, 6'000).sysctl("net.ipv4.tcp_max_tw_buckets", {131'072});
  }
  if (form.state == TcpState::time_wait && story == Story::dropping) {
    sample.counter("TcpExt.TCPTimeWaitOverflow", 3 * look);
  }
  if (form.holder != Holder::process) return;
  OwnerTotals owner = a_process(kProgram, "program").sockets(form.state, count).fds(count + 10, 100'000);
  if (form.state == TcpState::close_wait) owner.old_close_wait = count;
  if (form.state == TcpState::fin_wait_2) owner.old_fin_wait_2 = count;
  sample.add(owner);
}

/// A listener as the story has it.
SocketRow listener_in(Story story, SocketRow row, std::uint32_t waiting, std::size_t look) {
  row.state = TcpState::listen;
  row.remote = Endpoint{};
  row.recv_q = row.send_q = 0;
  row.accept_queue = story == Story::bursts || story == Story::refusing ? 0 : waiting;
  row.accept_limit = story == Story::dropping ? waiting : 1'024;
  row.drops = story == Story::stuck || story == Story::uneven ? 0 : 30 * look;
  return row;
}

void stay_unanswered(SocketRow& row) {
  row.snd_wnd = 65'536;
  row.timer = Timer::retransmit;
  row.backoff = 6;
  row.last_ack_recv_ms = 20'000;
}

/// A flow that uses its fixed buffers to the full.
void lock_buffers(SocketRow& row, std::size_t look) {
  row.locks = BufferLocks{.sndbuf = true, .rcvbuf = true};
  row.recv_q = row.send_q = 0;
  row.rmem_alloc = row.wmem_queued = 20'000;
  row.rcv_wnd = row.snd_wnd = 65'536;
  row.timer = Timer::none;
  row.scaling_ratio = 128;
  row.bytes_received = row.bytes_acked = 4'000'000 * look;
  row.rcv_rtt_us = row.srtt_us = row.min_rtt_us = 16'300;
  row.busy_us = 1'000'000 * look;
  row.sndbuf_limited_us = 500'000 * look;
}

/// The kernel has sized its buffers, and something else than a program's option holds it back.
void let_grow(Story story, SocketRow& row, std::size_t look) {
  lock_buffers(row, look);
  row.locks = BufferLocks{};
  if (story == Story::capped) return;
  row.sndbuf_limited_us = 0;
  row.send_q = 400'000;
  if (story == Story::peer_window) {
    row.rwnd_limited_us = 900'000 * look + 1;
  } else {
    row.not_sent = row.send_q;
    row.calls = SocketCalls{};
    row.calls->send.slots[10] = 1'000;  // of 128 bytes or more
  }
}

/// A server that never asks whether its clients still live, and one of them that does.
void add_gone(SampleBuilder& sample, SocketRow& row) {
  row.keepalive = false;
  SocketRow again = row;
  again.cookie = again.inode = 5;
  again.remote.port = 50'000;
  again.last_data_recv_ms = 100;
  SocketRow server = a_socket().cookie(7).pid(kProgram, "program").local(kServer);
  sample.add(again).add(listener_in(Story::gone, server, 0, 0));
}

Window many_of(const SocketForm& form, Story story) {
  SocketRow one = socket_of(form);
  return a_window(kLooks, [&](SampleBuilder& sample, std::size_t look) {
    const bool handshake = form.state == TcpState::syn_recv || form.state == TcpState::new_syn_recv;
    const auto count = (handshake ? kHandshakes : kAtFirst) + kMoreEachTime * static_cast<std::uint32_t>(look);
    add_totals(sample, form, story, count, look);
    if (is_listener(form)) {
      sample.add(listener_in(story, one, 64, look));
      SocketRow other = listener_in(story, one, 0, look);
      other.cookie = other.inode = 9;
      if (story == Story::uneven) sample.add(other);
      return;
    }
    if (story == Story::unanswered && unsent(form)) stay_unanswered(one);
    if (story == Story::gone) add_gone(sample, one);
    if (story == Story::locked) lock_buffers(one, look);
    if (story > Story::locked) let_grow(story, one, look);
    sample.add(count, one);
    if (form.holder == Holder::unaccepted) {
      SocketRow listener = a_socket().cookie(7).pid(kProgram, "program").local(kServer);
      sample.add(listener_in(story, listener, count, look));
    }
  });
}

/// What one rule says: "" is not a word about these sockets.
std::string said_by(const Verdict& verdict, std::string_view rule) {
  auto finding = std::ranges::find(verdict.findings, rule, &Finding::id);
  if (finding != verdict.findings.end()) return finding->title;
  auto unknown = std::ranges::find(verdict.not_assessed, rule, &NotAssessed::id);
  return unknown == verdict.not_assessed.end() ? "" : "not assessed: " + unknown->reason;
}

template <typename See>
void each_form(See see) {
  for (std::size_t state = 1; state < kStateCount; ++state) {
    for (Waits waits : kAllWaits) {
      for (Holder holder : kAllHolders) see(SocketForm{static_cast<TcpState>(state), waits, holder});
    }
  }
}

std::string all_said(const Verdict& verdict) {
  std::string out;
  for (const Finding& finding : verdict.findings) out += fmt::format("\n  {}: {}", finding.id, finding.title);
  return out.empty() ? " nothing" : out;
}

TEST(States, one_of_the_rules_that_the_table_names_speaks_of_each_form) {
  std::set<std::string_view> spoke, named;
  each_form([&](const SocketForm& form) {
    const std::vector<std::string_view> rules = rules_for(form);
    if (rules.empty()) return;
    named.insert(rules.begin(), rules.end());
    for (Story story : kStories) {
      const Verdict verdict = judge(many_of(form, story), *Policy::named("lab"));
      bool any = false;
      for (std::string_view rule : rules) {
        if (said_by(verdict, rule).empty()) continue;
        spoke.insert(rule);
        any = true;
      }
      if (story == Story::stuck) {
        EXPECT_TRUE(any) << text_of(form) << ": no word from " << fmt::format("{}", fmt::join(rules, ", "))
                         << "; said is" << all_said(verdict);
      }
      const bool many_stories =
          form.state == TcpState::listen || form.state == TcpState::time_wait || form.state == TcpState::established;
      if (!many_stories || form.holder != Holder::process) break;
    }
  });
  for (std::string_view rule : named) EXPECT_TRUE(spoke.contains(rule)) << rule << " never spoke";
}

TEST(States, what_needs_nobody_is_nobodys_fault) {
  constexpr std::array kEnding = {TcpState::fin_wait_1, TcpState::fin_wait_2, TcpState::last_ack,
                                  TcpState::closing,    TcpState::close_wait, TcpState::close};
  std::size_t seen = 0;
  each_form([&](const SocketForm& form) {
    if (!rules_for(form).empty() || form.holder == Holder::unaccepted || unsent(form)) return;
    if (std::ranges::find(kEnding, form.state) == kEnding.end()) return;
    ++seen;
    const Verdict verdict = judge(many_of(form, Story::stuck), *Policy::named("lab"));
    for (const Finding& finding : verdict.findings)
      EXPECT_EQ(finding.severity, Severity::info) << text_of(form) << ":" << all_said(verdict);
  });
  EXPECT_GT(seen, 20u);
}

}  // namespace
}  // namespace tcpadvisor::states_test
