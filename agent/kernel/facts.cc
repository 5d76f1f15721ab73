// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/facts.h"

#include <algorithm>

namespace tcpadvisor::kernel {

const std::vector<Fact>& facts() {
  using enum HookKind;
  // One kprobe program at a time runs on a processor, whichever it is; before 6.7 the kernel does not even count the
  // others.
  static constexpr std::string_view kInterrupted =
      "a lower bound: a kprobe in an interrupt is lost while another one runs";
  static const std::vector<Fact> table = {
      {FactId::snapshot, std::nullopt, false, {{"iter/tcp", iterator, {"walk_tcp"}, true, "", {}, {}}}},
      {FactId::owners, std::nullopt, false, {{"iter/task_file", iterator, {"walk_files"}, true, "", {}, {}}}},
      {FactId::state_changes,
       abi::TA_HOOK_STATES,
       false,
       {{"tp_btf inet_sock_set_state", tp_btf, {"on_state", "on_state2"}, true, "", {}, {}},
        {"age from the snapshot",
         passive,
         {},
         false,
         "ages are lower bounds, short connections are missed",
         {},
         FactId::snapshot}}},
      {FactId::close,
       abi::TA_HOOK_CLOSE,
       false,
       {{"fentry tcp_close", fentry, {"e_close"}, true, "", {"tcp_close", 2}, {}},
        {"kprobe tcp_close", kprobe, {"k_close"}, true, "", {}, {}},
        {"tp_btf inet_sock_set_state",
         passive,
         {},
         true,
         "the state changes that only close() and shutdown() make",
         {},
         FactId::state_changes}}},
      {FactId::calls,
       abi::TA_HOOK_CALLS,
       true,
       {{"fexit tcp_sendmsg, tcp_recvmsg", fentry, {"x_sendmsg", "x_recvmsg"}, true, "", {"tcp_recvmsg", 5}, {}},
        {"fexit tcp_sendmsg, tcp_recvmsg (without addr_len)",
         fentry,
         {"x_sendmsg", "x_recvmsg4"},
         true,
         "",
         {"tcp_recvmsg", 4},
         {}},
        {"fexit tcp_sendmsg, tcp_recvmsg (before 5.19)",
         fentry,
         {"x_sendmsg", "x_recvmsg6"},
         true,
         "",
         {"tcp_recvmsg", 6},
         {}},
        {"kprobe tcp_sendmsg, tcp_recvmsg",
         kprobe,
         {"k_sendmsg", "k_recvmsg"},
         true,
         "sizes are those asked for",
         {},
         {}},
        {"tp_btf sock_send_length, sock_recv_length",
         tp_btf,
         {"t_send", "t_recv"},
         true,
         "not for splice() out of a socket",
         {},
         {}}}},
      {FactId::waiting,
       abi::TA_HOOK_WAITING,
       false,
       {{"fentry+fexit sk_stream_wait_memory",
         fentry,
         {"e_wait", "x_wait"},
         true,
         "",
         {"sk_stream_wait_memory", 2},
         {}},
        {"kprobe+kretprobe sk_stream_wait_memory", kprobe, {"k_wait", "r_wait"}, true, "", {}, {}},
        {"sampled SOCK_NOSPACE",
         passive,
         {},
         false,
         "sampled: only whether a sender wants room at the snapshot",
         {},
         FactId::snapshot}}},
      {FactId::resets,
       abi::TA_HOOK_RESETS,
       false,
       {{"tp_btf tcp_send_reset", tp_btf, {"on_reset"}, true, "", {"btf_trace_tcp_send_reset", 4}, {}},
        {"tp_btf tcp_send_reset (before 6.10)",
         tp_btf,
         {"on_reset2"},
         true,
         "without reasons",
         {"btf_trace_tcp_send_reset", 3},
         {}}}},
      {FactId::refusals,
       abi::TA_HOOK_REFUSALS,
       false,
       {{"tp_btf sock_exceed_buf_limit", tp_btf, {"on_refusal"}, true, "", {}, {}}}},
      {FactId::pressure,
       abi::TA_HOOK_PRESSURE,
       false,
       {{"fentry tcp_enter_memory_pressure, tcp_leave_memory_pressure",
         fentry,
         {"e_enter", "e_leave"},
         true,
         "",
         {},
         {}},
        {"kprobe tcp_enter_memory_pressure, tcp_leave_memory_pressure",
         kprobe,
         {"k_enter", "k_leave"},
         false,
         kInterrupted,
         {},
         {}},
        {"the kernel's flag, read in the snapshot",
         passive,
         {},
         true,
         "exact start; an episode between two snapshots shows only in TCPMemoryPressures",
         {},
         FactId::snapshot}}},
      {FactId::accept_peak,
       abi::TA_HOOK_ACCEPT,
       false,
       {{"fentry inet_csk_complete_hashdance, inet_csk_reqsk_queue_add",
         fentry,
         {"e_hashdance", "e_queue_add"},
         true,
         "",
         {},
         {}},
        {"kprobe inet_csk_complete_hashdance, inet_csk_reqsk_queue_add",
         kprobe,
         {"k_hashdance", "k_queue_add"},
         false,
         kInterrupted,
         {},
         {}},
        {"sampled accept queue",
         passive,
         {},
         false,
         "sampled at each snapshot: a short peak between two may be missed",
         {},
         FactId::snapshot}}},
      {FactId::connects,
       abi::TA_HOOK_CONNECTS,
       false,
       {{"tp_btf inet_sock_set_state, fexit tcp_v4_connect, tcp_v6_connect",
         fentry,
         {"x_connect4", "x_connect6"},
         true,
         "",
         {"tcp_v4_connect", 3},
         FactId::state_changes},
        {"tp_btf inet_sock_set_state, fexit tcp_v4_connect",
         fentry,
         {"x_connect4"},
         true,
         "",
         {"tcp_v4_connect", 3},
         FactId::state_changes},
        {"tp_btf inet_sock_set_state, fib_table_lookup, fib6_table_lookup",
         tp_btf,
         {"on_no_route4", "on_no_route6"},
         true,
         "routes by marks or by interface are not followed",
         {"btf_trace_fib_table_lookup", 5},
         FactId::state_changes},
        {"tp_btf inet_sock_set_state, fib_table_lookup",
         tp_btf,
         {"on_no_route4"},
         true,
         "without IPv6 destinations that have no route",
         {"btf_trace_fib_table_lookup", 5},
         FactId::state_changes},
        {"tp_btf inet_sock_set_state",
         tp_btf,
         {},
         false,
         "without those that the kernel refuses at once, for want of a route",
         {},
         FactId::state_changes}}},
      {FactId::retransmits,
       abi::TA_HOOK_RETRANSMITS,
       false,
       {{"tp_btf tcp_retransmit_skb, tcp_retransmit_synack",
         tp_btf,
         {"on_again", "on_again_syn_ack"},
         true,
         "",
         {"btf_trace_tcp_retransmit_skb", 4},
         {}},
        {"tp_btf tcp_retransmit_skb, tcp_retransmit_synack (without err)",
         tp_btf,
         {"on_again3", "on_again_syn_ack"},
         true,
         "",
         {"btf_trace_tcp_retransmit_skb", 3},
         {}}}},
      // Before 5.17 no reason is told: then what was received cannot be told from what was dropped.
      {FactId::drops,
       abi::TA_HOOK_DROPS,
       false,
       {{"tp_btf kfree_skb", tp_btf, {"on_drop"}, true, "", {"btf_trace_kfree_skb", 5}, {}},
        {"tp_btf kfree_skb (before 6.11)", tp_btf, {"on_drop3"}, true, "", {"btf_trace_kfree_skb", 4}, {}}}},
  };
  return table;
}

SourceKind kind_of(const Fact& fact, const Candidate& candidate) {
  if (candidate.kind == HookKind::passive) return SourceKind::derived;
  if (candidate.kind != HookKind::iterator) return SourceKind::hook;
  return fact.id == FactId::owners ? SourceKind::iter_task_file : SourceKind::iter_tcp;
}

namespace {

HookKind forced_kind(Hooks hooks) {
  return hooks == Hooks::fentry ? HookKind::fentry : hooks == Hooks::kprobe ? HookKind::kprobe : HookKind::tp_btf;
}

bool is_hook(HookKind kind) {
  return kind == HookKind::fentry || kind == HookKind::kprobe || kind == HookKind::tp_btf;
}

}  // namespace

bool allowed(const Fact& fact, const Candidate& candidate, const TracerOptions& options) {
  if (candidate.kind == HookKind::iterator) return options.iterators;
  if (candidate.kind == HookKind::passive) return true;
  if (fact.per_call && options.calls == Calls::off) return false;
  if (fact.id == FactId::drops && options.drops == Calls::off) return false;
  if (options.hooks == Hooks::none) return false;
  if (options.hooks == Hooks::any) return true;
  HookKind kind = forced_kind(options.hooks);
  bool has_that_kind = std::ranges::any_of(fact.candidates, [&](const Candidate& other) { return other.kind == kind; });
  bool only_tracepoints = std::ranges::all_of(
      fact.candidates, [](const Candidate& other) { return !is_hook(other.kind) || other.kind == HookKind::tp_btf; });
  return has_that_kind ? candidate.kind == kind : only_tracepoints;
}

std::string why_not_tried(const Fact& fact, const Candidate& candidate, const TracerOptions& options) {
  if (candidate.kind == HookKind::iterator) return "not tried: --sources chose another way";
  if (fact.per_call && options.calls == Calls::off) return "not tried: --calls off";
  if (fact.id == FactId::drops && options.drops == Calls::off)
    return "not tried: --drops off (it would add 0.3 µs for each packet of TCP that is dropped)";
  return "not tried: --hooks forces another kind";
}

}  // namespace tcpadvisor::kernel
