// SPDX-License-Identifier: Apache-2.0
// Each structure of the Sample described once, for writing and reading alike: describe(archive, value) calls
// archive(name, member) for every member. A test counts the members, so that none can be forgotten.
#pragma once

#include <concepts>
#include <type_traits>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// T or const T.
template <typename T, typename Wanted>
concept Is = std::same_as<std::remove_const_t<T>, Wanted>;

#define FIELD(name) a(#name, v.name)

void describe(auto& a, Is<Owner> auto& v) {
  FIELD(pid);
  FIELD(comm);
  FIELD(fd);
  FIELD(holders);
}

void describe(auto& a, Is<HoldingProcess> auto& v) {
  FIELD(pid);
  FIELD(comm);
  FIELD(fds);
  FIELD(pid_inside);
}

void describe(auto& a, Is<LastUser> auto& v) {
  FIELD(pid);
  FIELD(comm);
}

void describe(auto& a, Is<CallStats> auto& v) {
  FIELD(slots);
  FIELD(last_ms_ago);
}

void describe(auto& a, Is<SocketCalls> auto& v) {
  FIELD(send);
  FIELD(recv);
  FIELD(small_write_runs);
}

void describe(auto& a, Is<BufferLocks> auto& v) {
  FIELD(sndbuf);
  FIELD(rcvbuf);
}

void describe(auto& a, Is<SocketRow> auto& v) {
  FIELD(cookie);
  FIELD(netns);
  FIELD(local);
  FIELD(remote);
  FIELD(state);
  FIELD(kind);
  FIELD(holder);
  FIELD(owner);
  FIELD(others);
  FIELD(last_user);
  FIELD(mptcp);
  FIELD(inode);
  FIELD(uid);
  FIELD(cgroup_id);
  FIELD(cgroup);
  FIELD(state_age_ms);
  FIELD(state_age_is_lower_bound);
  FIELD(recv_q);
  FIELD(send_q);
  FIELD(not_sent);
  FIELD(rcvbuf);
  FIELD(sndbuf);
  FIELD(rmem_alloc);
  FIELD(wmem_queued);
  FIELD(fwd_alloc);
  FIELD(backlog_bytes);
  FIELD(locks);
  FIELD(drops);
  FIELD(accept_queue);
  FIELD(accept_limit);
  FIELD(accept_peak);
  FIELD(bytes_sent);
  FIELD(bytes_retrans);
  FIELD(bytes_acked);
  FIELD(bytes_received);
  FIELD(snd_wnd);
  FIELD(rcv_wnd);
  FIELD(snd_cwnd);
  FIELD(mss);
  FIELD(srtt_us);
  FIELD(min_rtt_us);
  FIELD(rcv_rtt_us);
  FIELD(snd_wscale);
  FIELD(rcv_wscale);
  FIELD(busy_us);
  FIELD(rwnd_limited_us);
  FIELD(sndbuf_limited_us);
  FIELD(last_data_sent_ms);
  FIELD(last_data_recv_ms);
  FIELD(last_ack_recv_ms);
  FIELD(total_retrans);
  FIELD(unacked_segs);
  FIELD(lost_segs);
  FIELD(data_segs_out);
  FIELD(data_segs_in);
  FIELD(delivered_segs);
  FIELD(ssthresh);
  FIELD(rto_us);
  FIELD(dsack_dups);
  FIELD(reord_seen);
  FIELD(ooo_segs);
  FIELD(pmtu);
  FIELD(advmss);
  FIELD(pacing_rate);
  FIELD(delivery_rate);
  FIELD(paced);
  FIELD(wmem_alloc);
  FIELD(cwnd_limited);
  FIELD(probes_out);
  FIELD(backoff);
  FIELD(scaling_ratio);
  FIELD(app_limited);
  FIELD(timer);
  FIELD(congestion_control);
  FIELD(nodelay);
  FIELD(cork);
  FIELD(keepalive);
  FIELD(linger_ms);
  FIELD(rcvlowat);
  FIELD(user_timeout_ms);
  FIELD(send_timeout_ms);
  FIELD(recv_timeout_ms);
  FIELD(blocked_us);
  FIELD(blocked_count);
  FIELD(nospace);
  FIELD(calls);
}

void describe(auto& a, Is<UserQueue> auto& v) {
  FIELD(netns);
  FIELD(local);
  FIELD(remote);
  FIELD(cookie);
  FIELD(pid);
  FIELD(comm);
  FIELD(name);
  FIELD(queued);
  FIELD(high);
  FIELD(low);
  FIELD(busy);
  FIELD(waiting);
  FIELD(suspended);
  FIELD(waited_ms);
  FIELD(message_queue);
  FIELD(message_high);
  FIELD(message_low);
  FIELD(message_busy);
  FIELD(pending_shutdown);
  FIELD(accepted);
  FIELD(bypassed);
  FIELD(dropped);
  FIELD(refused);
  FIELD(ended);
  FIELD(age_ms);
}

void describe(auto& a, Is<StateTotals> auto& v) {
  FIELD(count);
  FIELD(recv_q);
  FIELD(send_q);
  FIELD(rmem);
  FIELD(wmem);
}

void describe(auto& a, Is<TimeoutTotals> auto& v) {
  FIELD(looked);
  FIELD(one_in);
  FIELD(keepalive);
  FIELD(user_timeout);
  FIELD(send_timeout);
  FIELD(recv_timeout);
  FIELD(none);
  FIELD(none_idle);
}

void describe(auto& a, Is<OwnerTotals> auto& v) {
  FIELD(pid);
  FIELD(parent);
  FIELD(pid_inside);
  FIELD(comm);
  FIELD(cgroup);
  FIELD(cgroup_id);
  FIELD(netns);
  FIELD(fds);
  FIELD(fd_limit);
  FIELD(sockets);
  FIELD(old_close_wait);
  FIELD(old_fin_wait_2);
  FIELD(recv_q);
  FIELD(send_q);
  FIELD(rmem);
  FIELD(wmem);
  FIELD(process_state);
  FIELD(frozen_by);
  FIELD(rss_bytes);
  FIELD(timeouts);
}

void describe(auto& a, Is<NetworkTotals> auto& v) {
  FIELD(netns);
  FIELD(pid);
  FIELD(comm);
  FIELD(accepted);
  FIELD(port);
  FIELD(network);
  FIELD(elsewhere);
  FIELD(sockets);
  FIELD(recv_q);
  FIELD(send_q);
  FIELD(rmem);
  FIELD(wmem);
  FIELD(looked);
  FIELD(one_in);
  FIELD(keepalive);
  FIELD(nodelay);
  FIELD(idle);
  FIELD(silent);
  FIELD(fwd_alloc);
  FIELD(bytes_sent);
  FIELD(bytes_received);
  FIELD(busy_us);
  FIELD(rwnd_limited_us);
  FIELD(sndbuf_limited_us);
  FIELD(resting_bytes);
  FIELD(resting_rcvbuf);
}

void describe(auto& a, Is<CgroupTotals> auto& v) {
  FIELD(id);
  FIELD(path);
  FIELD(sockets);
  FIELD(recv_q);
  FIELD(send_q);
  FIELD(rmem);
  FIELD(wmem);
  FIELD(sock_bytes);
  FIELD(memory_current);
  FIELD(memory_max);
  FIELD(memory_high);
  FIELD(events_max);
  FIELD(events_high);
}

void describe(auto& a, Is<PortTotals> auto& v) {
  FIELD(netns);
  FIELD(port);
  FIELD(sockets);
  FIELD(unaccepted_close_wait);
  FIELD(recv_q);
  FIELD(send_q);
}

void describe(auto& a, Is<PortUse> auto& v) {
  FIELD(netns);
  FIELD(source);
  FIELD(destination);
  FIELD(used);
  FIELD(timewait);
}

void describe(auto& a, Is<FailedConnects> auto& v) {
  FIELD(netns);
  FIELD(pid);
  FIELD(comm);
  FIELD(destination);
  FIELD(end);
  FIELD(count);
  FIELD(last_ms_ago);
  FIELD(waited_ms);
}

void describe(auto& a, Is<RetransmitCounts> auto& v) {
  FIELD(fast);
  FIELD(tail_probe);
  FIELD(timeout);
  FIELD(after_timeout);
  FIELD(syn);
  FIELD(syn_ack);
  FIELD(other);
}

void describe(auto& a, Is<Retransmits> auto& v) {
  FIELD(netns);
  FIELD(destination);
  FIELD(segments);
  FIELD(last_ms_ago);
}

void describe(auto& a, Is<Drops> auto& v) {
  FIELD(netns);
  FIELD(peer);
  FIELD(port);
  FIELD(outgoing);
  FIELD(reason);
  FIELD(function);
  FIELD(segments);
  FIELD(last_ms_ago);
}

void describe(auto& a, Is<Closes> auto& v) {
  FIELD(netns);
  FIELD(pid);
  FIELD(comm);
  FIELD(count);
  FIELD(since_ms);
  FIELD(last_ms_ago);
  FIELD(clumps);
  FIELD(resets);
  FIELD(lost);
  FIELD(lost_bytes);
  FIELD(gathered);
  FIELD(largest);
  FIELD(destination);
  FIELD(elsewhere);
  FIELD(quiet_ms);
  FIELD(used_ms);
  FIELD(youngest_ms);
  FIELD(oldest_ms);
  FIELD(shortest_quiet_ms);
  FIELD(quietest_ms);
}

void describe(auto& a, Is<Sysctl> auto& v) {
  FIELD(values);
  FIELD(text);
  FIELD(host_global);
}

void describe(auto& a, Is<Sockstat> auto& v) {
  FIELD(tcp_inuse);
  FIELD(tw);
  FIELD(orphan);
  FIELD(alloc);
  FIELD(mem_pages);
}

void describe(auto& a, Is<Device> auto& v) {
  FIELD(name);
  FIELD(mtu);
  FIELD(qdisc);
  FIELD(qdisc_drops);
  FIELD(qdisc_overlimits);
  FIELD(qdisc_backlog);
  FIELD(tx_packets);
  FIELD(tx_dropped);
  FIELD(rx_dropped);
}

void describe(auto& a, Is<Conntrack> auto& v) {
  FIELD(count);
  FIELD(max);
}

void describe(auto& a, Is<Softnet> auto& v) {
  FIELD(cpu);
  FIELD(processed);
  FIELD(dropped);
  FIELD(time_squeeze);
  FIELD(steered);
  FIELD(flow_limited);
}

void describe(auto& a, Is<Stall> auto& v) {
  FIELD(percent_10);
  FIELD(percent_60);
  FIELD(total_us);
}

void describe(auto& a, Is<SettingLine> auto& v) {
  FIELD(knob);
  FIELD(value);
  FIELD(file);
  FIELD(line);
  FIELD(writer);
}

void describe(auto& a, Is<SettingFiles> auto& v) {
  FIELD(lines);
  FIELD(tuned_profile);
  FIELD(tuned_is_last);
  FIELD(tuners);
  FIELD(of_container);
  FIELD(unreadable);
}

void describe(auto& a, Is<HostPressure> auto& v) {
  FIELD(memory_some);
  FIELD(memory_full);
  FIELD(cpu_some);
  FIELD(io_some);
  FIELD(io_full);
  FIELD(allocation_stalls);
  FIELD(oom_kills);
}

void describe(auto& a, Is<NetnsSample> auto& v) {
  FIELD(id);
  FIELD(name);
  FIELD(is_host);
  FIELD(error);
  FIELD(states);
  FIELD(counters);
  FIELD(sysctls);
  FIELD(sockstat);
  FIELD(devices);
  FIELD(conntrack);
}

void describe(auto& a, Is<TcpMemory> auto& v) {
  FIELD(pages);
  FIELD(limits_pages);
  FIELD(under_pressure);
  FIELD(pressure_ms);
  FIELD(page_size);
}

void describe(auto& a, Is<BufferRefusals> auto& v) {
  FIELD(host_send);
  FIELD(host_recv);
  FIELD(cgroup_send);
  FIELD(cgroup_recv);
}

void describe(auto& a, Is<LifecycleTotals> auto& v) {
  FIELD(opened);
  FIELD(closed);
  FIELD(closed_by_us);
  FIELD(closed_by_peer);
  FIELD(reset);
  FIELD(unread_at_close);
  FIELD(unread_bytes_at_close);
  FIELD(unsent_at_close);
  FIELD(unsent_bytes_at_close);
  FIELD(bytes_sent);
  FIELD(bytes_received);
  FIELD(send_calls);
  FIELD(recv_calls);
  FIELD(dwell_log2_ms);
  FIELD(resets_sent);
}

void describe(auto& a, Is<Attempt> auto& v) {
  FIELD(source);
  FIELD(kind);
  FIELD(outcome);
  FIELD(why_not);
  FIELD(cure);
  FIELD(why_not_names_cure);
  FIELD(sys_errno);
}

void describe(auto& a, Is<FactCoverage> auto& v) {
  FIELD(fact);
  FIELD(in_use);
  FIELD(kind);
  FIELD(exact);
  FIELD(remark);
  FIELD(attempts);
}

void describe(auto& a, Is<SelfCost> auto& v) {
  FIELD(snapshot_ms);
  FIELD(snapshot_age_ms);
  FIELD(sockets_walked);
  FIELD(partial);
  FIELD(partial_why);
  FIELD(cpu_percent);
  FIELD(rss_bytes);
  FIELD(hook_ns_per_s);
  FIELD(hooks_not_measured);
  FIELD(lost);
}

void describe(auto& a, Is<HostFacts> auto& v) {
  FIELD(name);
  FIELD(kernel);
  FIELD(cpus);
  FIELD(mem_bytes);
  FIELD(mem_available_bytes);
  FIELD(uptime_s);
}

void describe(auto& a, Is<Sample> auto& v) {
  FIELD(mono_ms);
  FIELD(wall_ms);
  FIELD(host);
  FIELD(memory);
  FIELD(host_sockstat);
  FIELD(netns);
  FIELD(sockets);
  FIELD(user_queues);
  FIELD(rows_suppressed);
  FIELD(quiet_unlisted);
  FIELD(owners);
  FIELD(networks);
  FIELD(cgroups);
  FIELD(group_names);
  FIELD(ports);
  FIELD(port_use);
  FIELD(failed_connects);
  FIELD(retransmits);
  FIELD(drops);
  FIELD(closes);
  FIELD(refusals);
  FIELD(lifecycle);
  FIELD(softnet);
  FIELD(host_pressure);
  FIELD(setting_files);
  FIELD(coverage);
  FIELD(self);
}
#undef FIELD

}  // namespace tcpadvisor
