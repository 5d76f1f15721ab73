// SPDX-License-Identifier: Apache-2.0
// Answers as people and programs get them, against golden files. TCPADVISOR_GOLDEN=write rewrites them.
#include "advisor/whatif/forms.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/unit/whatif/ask.h"

namespace tcpadvisor::whatif::forms_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::Not;

const std::filesystem::path kGolden = std::filesystem::path(TCPADVISOR_SOURCE_DIR) / "tests/golden";

void compare_with_golden(const std::string& name, const std::string& text) {
  const char* mode = std::getenv("TCPADVISOR_GOLDEN");
  if (mode != nullptr && std::string_view(mode) == "write") std::ofstream(kGolden / name) << text;
  std::ifstream file(kGolden / name);
  std::ostringstream wanted;
  wanted << file.rdbuf();
  EXPECT_EQ(wanted.str(), text) << "if the change is wanted: TCPADVISOR_GOLDEN=write";
}

/// A receiver at the end of its buffer, a full listener, and a destination without ports; all with hostile names.
Window busy_host() {
  return a_window(8, [](SampleBuilder& s, std::size_t i) {
    s.add(a_socket().pid(3, "si\x1b[31mnk\n").rcvbuf(2'500'000, 12'000).set([=](SocketRow& row) {
      row.bytes_received = 30'400'000 * i;
      row.rcv_rtt_us = 51'000;
      row.min_rtt_us = 50'000;
      row.scaling_ratio = 156;
      row.rcv_wscale = 7;
    }));
    s.add(a_socket().cookie(2).pid(5, "web").listen(80, 65, 64).drops(4 * i))
        .add(a_process(5, "web").sockets(TcpState::established, 900).fds(950, 1024))
        .add(PortUse{.netns = build::kHostNetns,
                     .source = Endpoint::v4(10, 0, 0, 1, 0),
                     .destination = Endpoint::v4(10, 0, 0, 5, 5432),
                     .used = 28'000,
                     .timewait = 27'000})
        .count(TcpState::established, 901)
        .counter("Tcp.PassiveOpens", 20 * i)
        .counter("TcpExt.ListenOverflows", 4 * i)
        .sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 2'500'000})
        .sysctl("net.ipv4.tcp_wmem", {4096, 16'384, 4'194'304})
        .sysctl("net.core.somaxconn", {64})
        .sysctl("net.ipv4.ip_local_port_range", {32'768, 60'999})
        .sysctl("net.ipv4.tcp_tw_reuse", {2})
        .sysctl("net.ipv4.tcp_timestamps", {1});
  });
}

const std::vector<std::string> kQuestion{"tcp_rmem[2]=8M", "somaxconn=1024", "tcp_tw_reuse=1",     "tcp_tw_recycle=1",
                                         "wmem_max=16M",   "tcp_sack=0",     "connections=750000", "busy=10000",
                                         "rate=2Gbit",     "rtt=10ms",       "burst=2000"};

TEST(WhatifForms, are_as_they_were) {
  const Window window = busy_host();
  const std::vector<Answer> all = ask(window, kQuestion);
  compare_with_golden("whatif-busy.txt", as_text(seen_in(window), all, 100));
  compare_with_golden("whatif-busy.json", as_json(seen_in(window), all));
  EXPECT_THAT(as_text(seen_in(window), all, 100), Not(testing::HasSubstr("\x1b")));
}

TEST(WhatifForms, json_follows_the_schema) {
  if (std::system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3-jsonschema is not installed";
  const std::string command = "/usr/bin/python3 -W ignore -m jsonschema -i '" +
                              (kGolden / "whatif-busy.json").string() + "' '" + TCPADVISOR_SOURCE_DIR +
                              "/docs/whatif.schema.json'";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace tcpadvisor::whatif::forms_test
