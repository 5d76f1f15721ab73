// SPDX-License-Identifier: Apache-2.0
#include "agent/export/doctor.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "advisor/base/columns.h"
#include "tests/unit/watch/golden.h"

namespace tcpadvisor::exported::doctor_test {
namespace {

Checkup locked_down_host() {
  Checkup checkup{.host = "db1",
                  .kernel = "6.18.0",
                  .privileges = "uid 0; holds cap_bpf, cap_perfmon; lacks cap_sys_admin",
                  .kept = "cap_bpf=ep",
                  .facts = {}};
  checkup.facts = {
      {.fact = FactId::snapshot,
       .in_use = "iter/tcp",
       .exact = true,
       .remark = {},
       .attempts =
           {{.source = "iter/tcp", .outcome = AttemptOutcome::works, .why_not = {}, .cure = {}, .sys_errno = 0},
            {.source = "sock_diag", .outcome = AttemptOutcome::works, .why_not = {}, .cure = {}, .sys_errno = 0}}},
      {.fact = FactId::calls,
       .in_use = "tp_btf sock_send_length",
       .exact = true,
       .remark = "sizes and errors of every call; the owner is the process that called",
       .attempts =
           {{.source = "fexit tcp_sendmsg",
             .outcome = AttemptOutcome::failed,
             .why_not = "attaching was refused",
             .cure =
                 "boot without lockdown=integrity: trampolines on kernel functions count as a way to change the kernel",
             .sys_errno = EPERM},
            {.source = "kprobe tcp_sendmsg",
             .outcome = AttemptOutcome::failed,
             .why_not = "this kernel has no kprobes",
             .cure = "a kernel built with CONFIG_KPROBES",
             .sys_errno = ENOENT},
            {.source = "tp_btf sock_send_length",
             .outcome = AttemptOutcome::works,
             .why_not = {},
             .cure = {},
             .sys_errno = 0}}},
      {.fact = FactId::waiting,
       .in_use = "SOCK_NOSPACE",
       .exact = false,
       .remark = "sampled once a tick",
       .attempts = {}},
      {.fact = FactId::resets,
       .in_use = {},
       .exact = true,
       .remark = {},
       .attempts = {{.source = "tp_btf tcp_send_reset",
                     .outcome = AttemptOutcome::failed,
                     .why_not = "not in this kernel's BTF (ESRCH)",
                     .cure = {},
                     .sys_errno = ESRCH}}}};
  return checkup;
}

TEST(Doctor, Golden) {
  for (std::size_t width : {80, 120}) {
    std::string text = doctor_text(locked_down_host(), width);
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      EXPECT_LE(columns_of(text.substr(at, end - at)), width);
    }
    test::expect_golden("doctor/locked-down-" + std::to_string(width) + ".txt", text);
  }
}

TEST(Doctor, JsonNamesTheFailedSourcesAndTheirCure) {
  nlohmann::json json = nlohmann::json::parse(doctor_json(locked_down_host()));
  ASSERT_EQ(json["facts"].size(), 4u);
  EXPECT_EQ(json["privileges_kept"], "cap_bpf=ep");
  EXPECT_EQ(json["facts"][1]["in_use"], "tp_btf sock_send_length");
  EXPECT_EQ(json["facts"][1]["attempts"][0]["errno"], EPERM);
  EXPECT_EQ(json["facts"][2]["quality"], "partial");
  EXPECT_TRUE(json["facts"][3]["in_use"].is_null());
  EXPECT_EQ(json["facts"][3]["quality"], "unknown");
}

TEST(Doctor, SaysWhatEachThreadMayDo) {
  Checkup checkup = locked_down_host();
  checkup.threads = {{"tcpadvisor", {}, true, true, false},
                     {"looker", {"cap_sys_ptrace", "cap_sys_admin"}, true, true, true},
                     {"queues", {}, true, true, false}};
  checkup.writes = "only below /run/tcpadvisor/queues; the looker nowhere";
  std::string text = doctor_text(checkup, 120);
  EXPECT_THAT(text, testing::HasSubstr("\nthreads:    looker: cap_sys_ptrace, cap_sys_admin; tcpadvisor, queues: none; "
                                       "no way to gain more\n"));
  EXPECT_THAT(text, testing::HasSubstr("\nwriting:    only below /run/tcpadvisor/queues; the looker nowhere\n"));
  checkup.threads[2].no_new_privs = false;
  EXPECT_THAT(doctor_text(checkup, 120), testing::Not(testing::HasSubstr("no way to gain more")));
  nlohmann::json json = nlohmann::json::parse(doctor_json(checkup));
  EXPECT_EQ(json["threads"][1]["capabilities"], (std::vector<std::string>{"cap_sys_ptrace", "cap_sys_admin"}));
  EXPECT_EQ(json["threads"][2]["no_new_privs"], false);
  EXPECT_EQ(json["writes"], checkup.writes);
}

}  // namespace
}  // namespace tcpadvisor::exported::doctor_test
