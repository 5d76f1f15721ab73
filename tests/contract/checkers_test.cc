// SPDX-License-Identifier: Apache-2.0
// The checkers themselves, on made-up text: each rule must be able to fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contract/include_table.h"
#include "tests/contract/text_rules.h"

namespace tcpadvisor::contract::checkers_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(IncludeTable, finds_the_room_of_a_path) {
  EXPECT_EQ(room_of("agent/os/clock.h"), "agent/os");
  EXPECT_EQ(room_of("bpf/abi.h"), "bpf");
  EXPECT_EQ(room_of("bpf/vmlinux/flavors.h"), "bpf");
  EXPECT_EQ(room_of("tests/unit/kernel/decode_test.cc"), "tests/unit/kernel");
}

TEST(IncludeTable, lets_neighbours_in) {
  EXPECT_THAT(forbidden_includes("advisor/rules/a.cc", "#include <vector>\n#include \"advisor/evidence/sample.h\"\n"),
              IsEmpty());
  EXPECT_THAT(forbidden_includes("agent/kernel/a.cc", "#include \"bpf/abi.h\"\n#include <bpf/libbpf.h>\n"), IsEmpty());
  EXPECT_THAT(forbidden_includes("agent/cli/a.cc", "#include <CLI/CLI.hpp>\n#include \"agent/watch/view.h\"\n"),
              IsEmpty());
  EXPECT_THAT(forbidden_includes("tests/unit/kernel/a.cc", "#include \"bpf/abi.h\"\n"), IsEmpty());
}

TEST(IncludeTable, names_file_line_and_header) {
  EXPECT_THAT(forbidden_includes("advisor/rules/a.cc", "\n#include \"agent/os/clock.h\"\n"),
              ElementsAre("advisor/rules/a.cc:2: agent/os/clock.h: advisor/rules may not include agent/os"));
}

struct Forbidden {
  const char* path;
  const char* line;
};

class ForbiddenInclude : public testing::TestWithParam<Forbidden> {};

TEST_P(ForbiddenInclude, is_found) {
  EXPECT_THAT(forbidden_includes(GetParam().path, GetParam().line), ElementsAre(HasSubstr(GetParam().path)));
}

INSTANTIATE_TEST_SUITE_P(Table, ForbiddenInclude,
                         testing::Values(Forbidden{"advisor/base/a.h", "#include \"advisor/evidence/sample.h\""},
                                         Forbidden{"advisor/report/a.cc", "#include \"bpf/abi.h\""},
                                         Forbidden{"advisor/rules/a.cc", "#include <fstream>"},
                                         Forbidden{"advisor/rules/a.cc", "  #  include <sys/socket.h>"},
                                         Forbidden{"agent/os/a.cc", "#include \"agent/sources/fields.h\""},
                                         Forbidden{"agent/collect/a.cc", "#include \"bpf/abi.h\""},
                                         Forbidden{"agent/collect/a.cc", "#include <bpf/libbpf.h>"},
                                         Forbidden{"agent/kernel/a.cc", "#include \"bpf/store.h\""},
                                         Forbidden{"agent/kernel/a.cc", "#include \"agent/sources/fields.h\""},
                                         Forbidden{"agent/watch/a.cc", "#include <CLI/CLI.hpp>"},
                                         Forbidden{"agent/watch/a.cc", "#include \"agent/cli/options.h\""},
                                         Forbidden{"agent/collect/a.cc", "#include <libmnl/libmnl.h>"},
                                         Forbidden{"agent/port/a.cc", "#include \"advisor/rules/finding.h\""},
                                         Forbidden{"agent/newroom/a.cc", "#include \"advisor/base/result.h\""},
                                         Forbidden{"agent/os/a.cc", "#include \"tests/unit/builders.h\""},
                                         Forbidden{"agent/os/a.cc", "#include \"clock.h\""},
                                         Forbidden{"bpf/a.bpf.c", "#include \"agent/kernel/tracer.h\""},
                                         Forbidden{"tests/unit/watch/a.cc", "#include \"bpf/abi.h\""}));

TEST(TextRules, want_one_licence_line_of_the_right_kind) {
  const std::string tag = std::string("SPDX-License-") + "Identifier: ";  // in two pieces: this file has its own
  EXPECT_EQ(licence_fault("agent/os/a.cc", "// " + tag + "Apache-2.0\nint a;\n"), "");
  EXPECT_EQ(licence_fault("bpf/a.bpf.c", "/* " + tag + "GPL-2.0-only OR BSD-2-Clause */\n"), "");
  EXPECT_NE(licence_fault("agent/os/a.cc", "int a;\n"), "");
  EXPECT_NE(licence_fault("agent/os/a.cc", "\n\n\n// " + tag + "Apache-2.0\n"), "");
  EXPECT_NE(licence_fault("agent/os/a.cc", "// " + tag + "GPL-2.0-only OR BSD-2-Clause\n"), "");
  EXPECT_NE(licence_fault("bpf/a.bpf.c", "// " + tag + "Apache-2.0\n"), "");
  EXPECT_NE(licence_fault("agent/os/a.cc", "// " + tag + "Apache-2.0\n// " + tag + "Apache-2.0\n"), "");
}

TEST(TextRules, find_paths_of_somebodys_machine) {
  const std::string home = std::string("/ho") + "me/";
  EXPECT_THAT(machine_paths("a.md", "see " + home + "joe/x\n"), ElementsAre(HasSubstr("a.md:1:")));
  EXPECT_THAT(machine_paths("a.md", "\n\"" + std::string("/wo") + "rk/main\"\n"), ElementsAre(HasSubstr("a.md:2:")));
  EXPECT_THAT(machine_paths("a.md", "artwork" + home + "x\nand net/work/x and /proc/net/tcp\n"), IsEmpty());
}

TEST(TextRules, find_clocks_read_in_pure_code) {
  EXPECT_THAT(clock_reads("a.cc", "auto t = std::chrono::steady_clock::now();\n"), ElementsAre(HasSubstr("a.cc:1:")));
  EXPECT_THAT(clock_reads("a.cc", "TakesEffect::now;\n"), IsEmpty());
}

TEST(TextRules, find_what_throws) {
  for (const char* line :
       {"if (std::filesystem::is_directory(whole)) {\n", "int i = std::stoi(text);\n", "x = lines_.at(name);\n",
        "std::thread([&] { walk(); }).join();\n", "thread_ = std::thread([this] { loop(); });\n",
        "auto tree = json::parse(text);\n", "  throw Bad{where};\n", "std::jthread worker(loop);\n"}) {
    EXPECT_THAT(throwing_forms("a.cc", line), ElementsAre(HasSubstr("a.cc:1:"))) << line;
  }
  for (const char* line : {"window.at(0)\n", "stage_.at(now, act);\n", "auto at = lines.find(name);\n", "// throw it\n",
                           "std::thread thread_;  // last\n", "the page is \"throw away\"\n"}) {
    EXPECT_THAT(throwing_forms("a.cc", line), IsEmpty()) << line;
  }
}

TEST(TextRules, read_the_commands_of_the_developer_entry) {
  const std::string script = "## watch [--demo]   live\ncmd_watch() {\n  true\n}\ncmd_fmt() { x; }\nhelper() {\n";
  EXPECT_THAT(commands_of(script), ElementsAre("watch", "fmt"));
  EXPECT_THAT(commands_named_in("run `./dev watch --demo` or ./dev test.\n./develop x\n"),
              ElementsAre("watch", "test"));
}

}  // namespace
}  // namespace tcpadvisor::contract::checkers_test
