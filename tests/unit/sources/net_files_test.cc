// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/sources/host_facts.h"
#include "agent/sources/net_counters.h"
#include "agent/sources/sysctls.h"
#include "tests/unit/os/temp_tree.h"
#include "tests/unit/sources/fixture.h"

namespace tcpadvisor::sources::net_files_test {
namespace {

TEST(NetFiles, a_captured_host) {
  NetFiles files = read_net_files(fixture::root("proc-6.18"));
  EXPECT_TRUE(files.errors.empty()) << files.errors[0].message;
  EXPECT_GT(files.counters.size(), 150u);
  EXPECT_TRUE(files.counters.contains("TcpExt.ListenDrops"));
  EXPECT_TRUE(files.counters.contains("Tcp.RetransSegs"));
  EXPECT_TRUE(files.counters.contains("IpExt.InOctets"));
  EXPECT_FALSE(files.counters.contains("Tcp.MaxConn")) << "-1 is not a counter";
  EXPECT_FALSE(files.counters.contains("Udp.InDatagrams"));
  ASSERT_TRUE(files.sockstat);
  EXPECT_EQ(files.sockstat->tw, 5u);  // four orphans in FIN_WAIT_2 and one TIME_WAIT
  EXPECT_EQ(files.sockstat->orphan, 1u);
  EXPECT_EQ(files.sockstat->tcp_inuse, 16u);
  EXPECT_EQ(files.protocol->under_pressure, false);
}

TEST(NetFiles, an_older_kernel_without_ipv6_and_under_pressure) {
  NetFiles files = read_net_files(fixture::root("proc-5.10"));
  EXPECT_TRUE(files.errors.empty());
  EXPECT_EQ(files.counters, (Counters{{"TcpExt.SyncookiesSent", 0},
                                      {"TcpExt.ListenOverflows", 7},
                                      {"TcpExt.ListenDrops", 9},
                                      {"IpExt.InNoRoutes", 0},
                                      {"IpExt.InOctets", 123},
                                      {"Ip.Forwarding", 1},
                                      {"Ip.DefaultTTL", 64},
                                      {"Tcp.RtoAlgorithm", 1},
                                      {"Tcp.RtoMin", 200},
                                      {"Tcp.RtoMax", 120000},
                                      {"Tcp.ActiveOpens", 18},
                                      {"Tcp.RetransSegs", 4}}));
  EXPECT_EQ(*files.sockstat, (Sockstat{.tcp_inuse = 3, .tw = 2, .orphan = 1, .alloc = 6, .mem_pages = 4}));
  EXPECT_EQ(files.protocol->under_pressure, true);
  EXPECT_EQ(files.protocol->memory_pages, 4u);
}

TEST(NetFiles, bad_text_names_file_and_line) {
  Counters counters;
  auto message = [&](std::string_view text) { return parse_counters(text, "netstat", counters).error().message; };
  EXPECT_EQ(message("TcpExt: A B\nTcpExt: 1\n"), "netstat:2: not as many values as names in the line above");
  EXPECT_EQ(message("TcpExt: A\nTcpExt: 1 2\n"), "netstat:2: not as many values as names in the line above");
  EXPECT_EQ(message("TcpExt: A\nIpExt: 1\n"), "netstat:2: should start with TcpExt:");
  EXPECT_EQ(message("TcpExt: A\n"), "netstat:2: the line of values for TcpExt: is missing");
  EXPECT_EQ(message("TcpExt: A\nTcpExt: 1x\n"), "netstat:2: '1x' is not the number that TcpExt.A should be");
  EXPECT_EQ(message(""), "netstat:1: empty");
  EXPECT_EQ(parse_sockstat("TCP: inuse 1 orphan x\n", "").error().message,
            "sockstat:1: 'x' is not the number that orphan should be");
  EXPECT_EQ(parse_sockstat("UDP: inuse 1\n", "").error().message, "sockstat:1: no line starts with TCP:");
  EXPECT_EQ(parse_protocols("protocol size\n").error().message, "protocols:1: no columns 'memory' and 'press'");
  EXPECT_EQ(parse_protocols("protocol size sockets memory press\nTCP 1 2\n").error().message,
            "protocols:2: the line TCP is cut short");
  EXPECT_EQ(parse_protocols("protocol size sockets memory press\nUDP 1 2 3 no\n").error().message,
            "protocols:2: no line TCP");
}

TEST(NetFiles, one_bad_file_does_not_disturb_the_others) {
  os::TempTree tree;
  for (const char* name : {"snmp", "sockstat", "protocols"}) {
    tree.file(std::string("/proc/thread-self/net/") + name,
              fixture::text(std::string("proc-5.10/proc/thread-self/net/") + name));
  }
  tree.file("/proc/thread-self/net/netstat", "TcpExt: ListenDrops\nTcpExt: many\n");
  NetFiles files = read_net_files(tree.root());
  ASSERT_EQ(files.errors.size(), 1u);
  EXPECT_NE(files.errors[0].message.find("netstat:2: 'many'"), std::string::npos) << files.errors[0].message;
  EXPECT_FALSE(files.counters.contains("TcpExt.ListenDrops"));
  EXPECT_EQ(files.counters.at("Tcp.RetransSegs"), 4u);
  EXPECT_TRUE(files.sockstat && files.protocol);
}

TEST(NetFiles, damaged_text_is_an_error_or_a_value_never_a_crash) {
  std::string dir = "proc-5.10/proc/thread-self/net/";
  int parsed = 0;
  auto count = [&](bool ok) { parsed += ok; };
  fixture::damage_text(fixture::text(dir + "netstat"), [&](std::string_view text) {
    Counters counters;
    count(parse_counters(text, "netstat", counters).has_value());
  });
  fixture::damage_text(fixture::text(dir + "sockstat"),
                       [&](std::string_view text) { count(parse_sockstat(text, text).has_value()); });
  fixture::damage_text(fixture::text(dir + "protocols"),
                       [&](std::string_view text) { count(parse_protocols(text).has_value()); });
  fixture::damage_text(fixture::text("proc-5.10/proc/meminfo"),
                       [&](std::string_view text) { count(parse_meminfo(text).has_value()); });
  EXPECT_GT(parsed, 0);
}

TEST(Sysctls, numbers_words_and_scopes) {
  EXPECT_EQ(parse_sysctl("4096\t131072\t33554432\n", false),
            (Sysctl{{4096, 131072, 33554432}, "4096\t131072\t33554432", false}));
  EXPECT_EQ(parse_sysctl("reno cubic\n", true), (Sysctl{{}, "reno cubic", true}));
  EXPECT_EQ(parse_sysctl("-1\n", false).values, (std::vector<std::int64_t>{-1}));
  EXPECT_EQ(parse_sysctl("", false), (Sysctl{}));
}

TEST(Sysctls, a_kernel_that_lacks_some_has_the_others) {
  auto old = read_sysctls(fixture::root("proc-5.10"));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->size(), 4u);
  EXPECT_TRUE(old->at("net.ipv4.tcp_mem").host_global);
  EXPECT_FALSE(old->at("net.core.somaxconn").host_global);
  auto recent = read_sysctls(fixture::root("proc-6.18"));
  ASSERT_TRUE(recent);
  EXPECT_GT(recent->size(), 50u);
  EXPECT_EQ(recent->at("net.ipv4.tcp_rmem").values.size(), 3u);
  os::TempTree nothing;
  EXPECT_FALSE(read_sysctls(nothing.root()));
}

TEST(HostFacts, both_hosts) {
  std::vector<Error> errors;
  EXPECT_EQ(read_host_facts(fixture::root("proc-5.10"), errors),
            (HostFacts{"old-1", "5.10.0-30-amd64", 1, 2048000ull * 1024, 0, 12}));
  HostFacts recent = read_host_facts(fixture::root("proc-6.18"), errors);
  EXPECT_EQ(recent.name, "web-1");
  EXPECT_EQ(recent.cpus, 2u);
  EXPECT_GT(recent.mem_available_bytes, 0u);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(read_own_rss_bytes(fixture::root("proc-6.18")), 256u * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
}

TEST(HostFacts, bad_numbers_are_errors_that_name_the_line) {
  EXPECT_EQ(parse_meminfo("MemFree: 1 kB\nMemTotal: lots kB\n").error().message,
            "/proc/meminfo:2: MemTotal: is not followed by a number of kB");
  EXPECT_FALSE(parse_meminfo("MemFree: 1 kB\n"));
  EXPECT_FALSE(parse_uptime("soon"));
  os::TempTree nothing;
  std::vector<Error> errors;
  read_host_facts(nothing.root(), errors);
  EXPECT_EQ(errors.size(), 5u);
}

}  // namespace
}  // namespace tcpadvisor::sources::net_files_test
