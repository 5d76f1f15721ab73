// SPDX-License-Identifier: Apache-2.0
// Hosts that nobody thought of: some seconds of a host with a few things that go on, each with numbers drawn at random,
// and settings of which a few are not the kernel's. What is drawn is possible, if seldom wise.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "advisor/knobs/knobs.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::build {

class RandomHost {
 public:
  explicit RandomHost(std::uint64_t seed) : random_(seed), ticks_(up_to(2, 9)) {
    draw_settings();
    const std::size_t things = up_to(1, 4);
    for (std::size_t i = 0; i < things; ++i) draw_thing();
    second_namespace_ = one_in(3);
  }

  std::vector<Sample> samples() const {
    std::vector<Sample> out;
    for (std::size_t i = 0; i < ticks_; ++i) {
      SampleBuilder sample;
      sample.at(Seconds(static_cast<std::int64_t>(i)));
      for (const auto& [name, values] : settings_) sample.sysctl(name, values);
      sample.set([&](Sample& one) {
        mark_host_settings(one);
        if (second_namespace_) one.netns.push_back(second_namespace());
      });
      for (const auto& thing : things_) thing(sample, i);
      out.push_back(*static_cast<SamplePtr>(sample));
    }
    return out;
  }

  static Window window_of(const std::vector<Sample>& samples) {
    std::vector<SamplePtr> shared;
    shared.reserve(samples.size());
    for (const Sample& sample : samples) shared.push_back(std::make_shared<const Sample>(sample));
    return Window(shared);
  }

 private:
  using Seconds = std::chrono::seconds;
  static constexpr NetnsId kOther = 4026532001;

  std::uint64_t up_to(std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
  }
  bool one_in(std::uint64_t of) { return up_to(1, of) == 1; }
  /// Of any order of magnitude.
  std::uint64_t wide(std::uint64_t least, std::uint64_t most) {
    double from = std::log(static_cast<double>(least) + 1), to = std::log(static_cast<double>(most) + 1);
    double drawn = std::exp(std::uniform_real_distribution<>(from, to)(random_)) - 1;
    return std::clamp(static_cast<std::uint64_t>(drawn), least, most);
  }
  Pid a_pid() { return next_pid_++; }
  std::uint64_t a_cookie() { return next_cookie_ += 1'000; }
  NetnsId a_netns() { return one_in(4) ? kOther : kHostNetns; }

  static void mark_host_settings(Sample& sample) {
    for (auto& [name, value] : sample.netns.front().sysctls) {
      const Knob* knob = find_knob(name);
      value.host_global = knob != nullptr && knob->scope == KnobScope::host;
    }
  }

  static NetnsSample second_namespace() {
    NetnsSample other;
    other.id = kOther;
    other.name = "blue";
    other.sockstat = Sockstat{};
    other.sysctls["net.core.somaxconn"].values = {128};
    other.sysctls["net.ipv4.tcp_rmem"].values = {4096, 131'072, 1'000'000};
    other.sysctls["net.ipv4.tcp_wmem"].values = {4096, 16'384, 500'000};
    return other;
  }

  void draw_settings() {
    for (const Knob& knob : knobs()) {
      if ((knob.least == 0 && knob.most == 0) || !one_in(6)) continue;
      const bool triple = knob.name.ends_with("mem"), pair = knob.name.ends_with("port_range");
      std::vector<std::int64_t> values(triple ? 3 : pair ? 2 : 1);
      const auto least = static_cast<std::uint64_t>(std::max<std::int64_t>(knob.least, 0));
      const auto most = static_cast<std::uint64_t>(std::min<std::int64_t>(knob.most, std::int64_t{1} << 34));
      for (std::int64_t& value : values) value = static_cast<std::int64_t>(wide(least, most));
      if (knob.name == "net.ipv4.tcp_mem" || !one_in(4)) std::ranges::sort(values);
      settings_.emplace_back(knob.name, values);
    }
  }

  void draw_thing() {
    switch (up_to(0, 8)) {
      case 0:
        return draw_closing();
      case 1:
        return draw_listener();
      case 2:
        return draw_sender();
      case 3:
        return draw_receiver();
      case 4:
        return draw_counters();
      case 5:
        return draw_memory();
      case 6:
        return draw_ports();
      case 7:
        return draw_capped();
      default:
        return draw_process();
    }
  }

  void draw_closing() {
    static constexpr std::array kStates = {TcpState::close_wait, TcpState::fin_wait_2, TcpState::fin_wait_1,
                                           TcpState::last_ack,   TcpState::closing,    TcpState::syn_sent};
    static constexpr std::array kHolders = {Holder::orphan, Holder::unaccepted, Holder::no_descriptor, Holder::unknown};
    const auto state = kStates.at(up_to(0, kStates.size() - 1));
    const auto holder = kHolders.at(up_to(0, kHolders.size() - 1));
    const bool held = !one_in(3);
    const auto count = static_cast<std::uint32_t>(wide(1, 60)), grows = static_cast<std::uint32_t>(up_to(0, 3));
    const auto pid = a_pid();
    const auto age = Seconds(wide(0, 4'000));
    const std::uint64_t recv_q = one_in(2) ? wide(0, 4'000'000) : 0, send_q = one_in(2) ? wide(0, 4'000'000) : 0;
    const auto netns = a_netns();
    const std::uint64_t first = a_cookie();
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      SocketBuilder row = a_socket().state(state).netns(netns).age(age + Seconds(i)).recv_q(recv_q).send_q(send_q);
      if (held) {
        row.pid(pid, "worker");
      } else {
        row.holder(holder);
      }
      const auto now = count + grows * static_cast<std::uint32_t>(i);
      sample.add(now, row, first).count(state, now);
      if (held) sample.add(a_process(pid, "worker").sockets(state, now).fds(now + 10, 1024));
    });
  }

  void draw_listener() {
    const auto limit = static_cast<std::uint32_t>(wide(1, 65'535));
    const auto share = one_in(3) ? 100 : up_to(0, 100);
    const std::uint64_t drops = one_in(2) ? wide(0, 500) : 0, overflows = one_in(2) ? drops : 0;
    const auto port = static_cast<std::uint16_t>(up_to(1, 65'535));
    const auto pid = a_pid();
    const auto netns = a_netns();
    const std::uint64_t cookie = a_cookie();
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      const auto queue = static_cast<std::uint32_t>(limit * share / 100);
      sample.add(a_socket().cookie(cookie).netns(netns).listen(port, queue, limit).pid(pid, "server").drops(drops * i));
      sample.counter("TcpExt.ListenOverflows", overflows * i).counter("TcpExt.ListenDrops", drops * i);
      sample.add(a_process(pid, "server").sockets(TcpState::listen, 1));
    });
  }

  void draw_sender() {
    const std::uint64_t cookie = a_cookie(), rate = wide(1, 1'000'000'000), rtt = wide(10, 400'000);
    const auto srtt = static_cast<std::uint32_t>(rtt * up_to(100, 300) / 100);
    const std::uint64_t sndbuf = one_in(2) ? 4'194'304 : wide(4'608, 16'000'000), queued = wide(0, sndbuf),
                        not_sent = wide(0, queued);
    const auto busy = one_in(2) ? 100 : up_to(0, 100), rwnd = up_to(0, 50), sndbuf_limited = up_to(0, 100);
    const auto window = static_cast<std::uint32_t>(one_in(4) ? 0 : wide(0, 16'000'000));
    const auto cwnd = static_cast<std::uint32_t>(wide(1, 10'000));
    const std::uint64_t lost = one_in(3) ? wide(0, 1'000'000) : 0;
    const bool locked = one_in(3), nodelay = one_in(2);
    const auto pid = a_pid();
    const auto netns = a_netns();
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      sample.add(a_socket()
                     .established()
                     .cookie(cookie)
                     .netns(netns)
                     .pid(pid, "sender")
                     .send_q(queued)
                     .sndbuf(sndbuf, queued)
                     .locks(locked, false)
                     .age(Seconds(30 + i))
                     .set([&](SocketRow& row) {
                       row.bytes_sent = row.bytes_acked = rate * i;
                       row.bytes_retrans = lost * i;
                       row.total_retrans = static_cast<std::uint32_t>(lost * i / 1448);
                       row.data_segs_out =
                           static_cast<std::uint32_t>(std::min<std::uint64_t>(rate * i / 1448, 1u << 31));
                       row.bytes_received = 0;
                       row.not_sent = not_sent;
                       row.min_rtt_us = static_cast<std::uint32_t>(rtt);
                       row.srtt_us = srtt;
                       row.snd_wnd = window;
                       row.snd_cwnd = cwnd;
                       row.mss = 1448;
                       row.busy_us = i * 10'000 * busy;
                       row.rwnd_limited_us = i * 100 * busy * rwnd;
                       row.sndbuf_limited_us = i * 100 * busy * sndbuf_limited;
                       row.last_data_sent_ms = 1;
                       row.nodelay = nodelay;
                       row.congestion_control = "cubic";
                     }));
    });
  }

  void draw_receiver() {
    const std::uint64_t cookie = a_cookie(), rate = wide(1, 1'000'000'000);
    const std::uint64_t rcvbuf = one_in(2) ? 6'291'456 : wide(2'304, 33'000'000), used = wide(0, rcvbuf),
                        unread = wide(0, used);
    const auto rtt = static_cast<std::uint32_t>(wide(10, 400'000));
    const auto window = static_cast<std::uint32_t>(one_in(4) ? 0 : wide(0, rcvbuf));
    const bool locked = one_in(3), moves = one_in(2);
    const auto pid = a_pid();
    const auto netns = a_netns();
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      sample.add(a_socket()
                     .established()
                     .cookie(cookie)
                     .netns(netns)
                     .pid(pid, "reader")
                     .recv_q(unread)
                     .rcvbuf(rcvbuf, used)
                     .locks(false, locked)
                     .age(Seconds(30 + i))
                     .set([&](SocketRow& row) {
                       row.bytes_received = moves ? rate * i : 1'000;
                       row.rcv_wnd = window;
                       row.rcv_rtt_us = rtt;
                       row.min_rtt_us = rtt;
                       row.srtt_us = rtt;
                       row.mss = 1448;
                       row.rcv_wscale = 7;
                       row.scaling_ratio = 128;
                       row.last_data_recv_ms = moves ? 1 : 5'000;
                       row.calls = SocketCalls{};
                     }));
    });
  }

  /// Flows that have grown to the maxima of the host, in one direction or in both; some of these are not in order.
  void draw_capped() {
    const std::uint64_t in_cap = wide(60'000, 8'000'000), out_cap = wide(60'000, 8'000'000), cookie = a_cookie();
    const auto rtt = static_cast<std::uint32_t>(wide(2'000, 300'000)), share = static_cast<std::uint32_t>(up_to(5, 90));
    const bool in = !one_in(3), out = !one_in(3), in_order = !one_in(3);
    const double use = static_cast<double>(up_to(80, 100)) / 100, round_trips = 1e6 / static_cast<double>(rtt);
    const auto pid = a_pid();
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      auto a_flow = [&](std::uint64_t number, std::uint64_t cap) {
        return a_socket()
            .established()
            .cookie(cookie + number)
            .pid(pid, "bulk")
            .locks(false, false)
            .set([&](auto& row) {
              const auto bytes = static_cast<std::uint64_t>(static_cast<double>(cap * i) / 2 * use * round_trips);
              row.bytes_received = number == 1 ? bytes : 0;
              row.bytes_acked = number == 2 ? bytes : 0;
              row.rcv_rtt_us = row.min_rtt_us = row.srtt_us = rtt;
              row.data_segs_out = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes / 1448, 1u << 31));
              row.total_retrans = 0;
            });
      };
      const auto start = static_cast<std::int64_t>(in_order ? 60'000 : 300'000);
      if (in) {
        sample.add(a_flow(1, in_cap).rcvbuf(in_cap, in_cap / 20).set([&](SocketRow& row) {
          row.rcv_wnd = static_cast<std::uint32_t>(in_cap / 2);
          row.scaling_ratio = 128;
        }));
        sample.sysctl("net.ipv4.tcp_rmem", {4096, start, static_cast<std::int64_t>(in_cap)});
      }
      if (out) {
        sample.add(a_flow(2, out_cap).sndbuf(out_cap, out_cap).set([&](SocketRow& row) {
          row.busy_us = 1'000'000 * i;
          row.sndbuf_limited_us = 10'000 * share * i;
          row.rwnd_limited_us = 0;
        }));
        sample.sysctl("net.ipv4.tcp_wmem", {4096, start, static_cast<std::int64_t>(out_cap)});
      }
    });
  }

  void draw_counters() {
    static constexpr std::array<const char*, 14> kNames = {"TcpExt.TCPRcvQDrop",        "TcpExt.TCPMemoryPressures",
                                                           "TcpExt.TCPAbortOnMemory",   "TcpExt.TCPTimeWaitOverflow",
                                                           "TcpExt.PruneCalled",        "TcpExt.RcvPruned",
                                                           "TcpExt.SyncookiesSent",     "TcpExt.TCPReqQFullDrop",
                                                           "TcpExt.TCPAbortOnClose",    "TcpExt.TCPBacklogDrop",
                                                           "TcpExt.TCPDeferAcceptDrop", "Tcp.OutRsts",
                                                           "Tcp.PassiveOpens",          "Tcp.RetransSegs"};
    const std::string name = kNames.at(up_to(0, kNames.size() - 1));
    const std::uint64_t each = wide(0, 100'000), segments = wide(0, 10'000'000);
    const auto dropped = static_cast<std::uint32_t>(one_in(2) ? wide(0, 1'000) : 0);
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      sample.counter(name, each * i).counter("Tcp.OutSegs", segments * i);
      sample.set([&](Sample& one) { one.softnet.front().dropped = dropped * static_cast<std::uint32_t>(i); });
    });
  }

  void draw_memory() {
    const std::uint64_t low = wide(1, 1'000'000), high = wide(low, 8'000'000), most = wide(high, 16'000'000);
    const std::uint64_t pages = wide(0, most), bytes = wide(0, 1ull << 33);
    const bool pressure = one_in(2);
    const auto pid = a_pid();
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      sample.set([&](Sample& one) {
        one.memory.pages = pages;
        one.memory.limits_pages = {{low, high, most}};
        one.memory.under_pressure = pressure;
        one.memory.pressure_ms = pressure ? 1'000 * i : 0;
        one.netns.front().sysctls["net.ipv4.tcp_mem"].values = values_of({low, high, most});
      });
      sample.add(a_process(pid, "hoarder").sockets(TcpState::established, 10).memory(bytes, bytes / 2, bytes / 2));
    });
  }

  void draw_ports() {
    const std::uint64_t used = wide(0, 64'000), timewait = wide(0, used), entries = wide(0, 200'000);
    const auto fails = wide(0, 50);
    const auto pid = a_pid();
    const auto end = static_cast<ConnectEnd>(up_to(0, static_cast<std::uint64_t>(ConnectEnd::other)));
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      PortUse use{};
      use.netns = kHostNetns;
      use.source = Endpoint::v4(10, 0, 0, 1, 0);
      use.destination = Endpoint::v4(10, 0, 0, 9, 443);
      use.used = used;
      use.timewait = timewait;
      sample.add(use).count(TcpState::time_wait, entries);
      FailedConnects failed{};
      failed.netns = kHostNetns;
      failed.pid = pid;
      failed.comm = "client";
      failed.destination = use.destination;
      failed.end = end;
      failed.count = fails * i;
      failed.waited_ms = 1'000;
      if (failed.count > 0) sample.add(failed);
    });
  }

  void draw_process() {
    const auto pid = a_pid();
    const auto limit = wide(16, 1'000'000), fds = wide(0, limit), grows = wide(0, 200);
    const auto established = static_cast<std::uint32_t>(wide(0, 500));
    const auto state = one_in(4) ? ProcessState::stopped : ProcessState::running;
    things_.push_back([=](SampleBuilder& sample, std::size_t i) {
      sample.add(a_process(pid, "daemon")
                     .sockets(TcpState::established, established + static_cast<std::uint32_t>(grows * i))
                     .fds(static_cast<std::uint32_t>(std::min(limit, fds + grows * i)), limit)
                     .state(state));
    });
  }

  std::mt19937_64 random_;
  std::size_t ticks_;
  bool second_namespace_ = false;
  Pid next_pid_ = 100;
  std::uint64_t next_cookie_ = 0;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> settings_;
  std::vector<std::function<void(SampleBuilder&, std::size_t)>> things_;
};

}  // namespace tcpadvisor::build
