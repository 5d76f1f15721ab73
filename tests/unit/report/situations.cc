// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/report/situations.h"

#include <array>
#include <utility>

#include "advisor/verdict/verdict.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor::situation {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;

Policy lab() {
  return *Policy::named("lab");
}

Window quiet_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_socket().listen(22, 0, 128).pid(700, "sshd").drops(0)).count(TcpState::listen, 1);
  });
}

Window mixed_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t i) {
    Endpoint service = Endpoint::v4(10, 0, 0, 1, 8443);
    sample.add(a_socket().listen(8443, 0, 16).pid(4242, "payments").drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.add(50, a_socket().close_wait().age(49s + 1s * i).pid(4242, "payments").local(service).recv_q(12), 100);
    sample.add(a_process(4242, "payments")
                   .close_wait(static_cast<std::uint32_t>(42 + i), 42)
                   .fds(212, 1024)
                   .cgroup("/system.slice/payments.service"));
    sample.add(a_socket().cookie(9000).pid(5151, "batch").recv_q(1'200'000).rcvbuf(2'000'000, 1'990'000));
    sample.count(TcpState::time_wait, 12'000).count(TcpState::close_wait, 50).count(TcpState::established, 1);
    sample.count(TcpState::listen, 1).sysctl("net.core.somaxconn", {16});
    sample.cover("calls", "").set([](Sample& s) {
      NetnsSample blue;
      blue.id = 7;
      blue.name = "blue";
      blue.error = "cannot enter: Operation not permitted (needs CAP_SYS_ADMIN)";
      s.netns.push_back(blue);
      s.self.lost = {{"events", 3}, {"samples", 0}};
    });
  });
}

Window settings_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(8443, 0, 16).pid(4242, "payments").drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.count(TcpState::listen, 1).sysctl("net.core.somaxconn", {16});
    sample.sysctl("net.ipv4.tcp_rmem", {4096, 131'072, i < 4 ? 6'291'456 : 65'536});
    sample.sysctl("net.ipv4.tcp_window_scaling", {0}).set([](Sample& s) {
      NetnsSample pod;
      pod.id = 7;
      pod.name = "pid:5151";
      pod.sysctls["net.ipv4.tcp_moderate_rcvbuf"].values = {0};
      s.netns.push_back(pod);
      OwnerTotals owner;
      owner.pid = 5151;
      owner.comm = "web";
      owner.netns = 7;
      owner.cgroup = "/kubepods/pod11111111-2222-3333-4444-555555555555";
      s.owners.push_back(owner);
      auto line = [](std::string knob, std::string value, std::string file, std::uint32_t number) {
        return SettingLine{.knob = std::move(knob), .value = std::move(value), .file = std::move(file), .line = number};
      };
      s.setting_files.emplace().lines = {
          line("net.core.somaxconn", "16", "/etc/sysctl.d/99-tuning.conf", 3),
          line("net.ipv4.tcp_rmem", "4096 131072 6291456", "/usr/lib/sysctl.d/50-vendor.conf", 8)};
    });
  });
}

Window pressed_window(const std::string& comm) {
  return a_window(9, [&](SampleBuilder& sample, std::size_t i) {
    sample.set([](Sample& s) {
      s.memory.pages = 420'000;
      s.memory.under_pressure = true;
      s.memory.pressure_ms = 91'000;
    });
    sample.counter("TcpExt.TCPMemoryPressures", i / 4)
        .counter("TcpExt.TCPRcvQDrop", 130 * i)
        .counter("TcpExt.TCPAbortOnMemory", i);
    for (Pid pid = 1; pid < 5; ++pid) sample.add(a_process(pid, comm).memory(400'000'000 + pid, 10'000'000));
    sample.add(40, a_socket().fin_wait_2().holder(Holder::orphan)).count(TcpState::fin_wait_2, 40'000);
  });
}

Window hostile_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t i) {
    const std::string script = "<script>alert(1)", ticks = "`id`|$(reboot)", red = "\x1b[31mred\nx: 1";
    const std::string turned = "\u202egpj.exe @root", entity = "&lt;b&gt;\"'";
    Endpoint service = Endpoint::v4(10, 0, 0, 1, 8443);
    sample.add(a_socket().listen(8443, 0, 16).pid(4242, script).drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.add(50, a_socket().close_wait().age(49s + 1s * i).pid(4242, script).local(service).recv_q(12), 100);
    sample.add(50, a_socket().close_wait().age(49s + 1s * i).pid(4343, ticks).local(service).recv_q(12), 200);
    for (auto& [pid, comm] : {std::pair<Pid, std::string>{4242, script}, {4343, ticks}}) {
      sample.add(a_process(pid, comm)
                     .close_wait(static_cast<std::uint32_t>(42 + i), 42)
                     .fds(212, 1024)
                     .cgroup("/system.slice/](javascript:alert(1)) **x** <img src=x onerror=y>.service"));
    }
    Pid pid = 5151;
    for (const std::string& comm : {red, turned, entity}) {
      Endpoint peer = Endpoint::v4(10, 0, 0, 2, static_cast<std::uint16_t>(40'000 + pid));
      sample.add(a_socket().cookie(pid).remote(peer).pid(pid, comm).recv_q(1'200'000).rcvbuf(2'000'000, 1'990'000));
      ++pid;
    }
    sample.count(TcpState::time_wait, 12'000).count(TcpState::close_wait, 100).count(TcpState::established, 3);
    sample.count(TcpState::listen, 1).sysctl("net.core.somaxconn", {16}).set([&](Sample& s) {
      NetworkTotals clients;
      clients.netns = s.netns.front().id;
      clients.pid = 4242, clients.comm = script;
      clients.accepted = true, clients.port = 8443;
      clients.network = Endpoint::v4(10, 0, 0, 0, 0);
      clients.sockets[index_of(TcpState::close_wait)] = 100;
      NetworkTotals rest;
      rest.elsewhere = true;
      rest.sockets[index_of(TcpState::established)] = 3;
      rest.looked = 3, rest.keepalive = 1, rest.nodelay = 0;
      rest.idle = {0, 0, 0, 1, 2, 0}, rest.silent = {0, 0, 0, 0, 2, 0};
      s.networks = {clients, rest};
      s.host.name = "box\"><script src=//evil></script>\n# Fine | `all` | ok";
      NetnsSample blue;
      blue.id = 7;
      blue.name = "[blue](http://evil.example) | <b>\x1b[2J";
      blue.error = "cannot enter: <!-- $(halt) --> \u2028done\r\nnet.ipv4.ip_forward = 1";
      s.netns.push_back(blue);
    });
  });
}

Report report_of(const Window& window) {
  return make_report(window, lab(), judge(window, lab()), "0.0.0-test");
}

std::string rendered(std::string_view format, const Window& window, const ReportStyle& style) {
  return find_report_format(format)->render(report_of(window), style);
}

std::span<const Situation> situations() {
  static constexpr std::array kAll = {Situation{"quiet", quiet_window},
                                      Situation{"mixed", mixed_window},
                                      Situation{"pressed", [] { return pressed_window("consumer-with-a-long"); }},
                                      Situation{"settings", settings_window},
                                      Situation{"hostile", hostile_window},
                                      Situation{"s1-pending", [] { return build::s1_pending_window(); }},
                                      Situation{"s1-dropped", build::s1_dropped_window},
                                      Situation{"s2", build::s2_window},
                                      Situation{"s3", build::s3_window},
                                      Situation{"s4", [] { return build::s4_window(); }}};
  return kAll;
}

}  // namespace tcpadvisor::situation
