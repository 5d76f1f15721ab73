// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/identity.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "advisor/evidence/connections.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::identity_test {
namespace {

using build::a_sample;
using build::a_socket;

Finding a_leak(std::string local = "10.0.0.1:8443") {
  Finding finding;
  finding.id = "close-wait-leak";
  finding.scope = {.kind = ScopeKind::process,
                   .netns = build::kHostNetns,
                   .netns_name = "host",
                   .pid = 4242,
                   .comm = "payments",
                   .cgroup = {},
                   .local = std::move(local),
                   .remote = "10.0.0.2",
                   .count = 50};
  for (const char* metric : {"close_wait_sockets", "oldest_age"}) {
    Measurement part;
    part.metric = metric;
    finding.evidence.push_back(part);
  }
  return finding;
}

std::string instance_of(Finding finding) {
  SamplePtr sample = a_sample().add(a_socket().listen(8443, 0, 128));
  std::vector<Finding> findings = {std::move(finding)};
  set_instances(Connections(*sample), findings);
  return findings.front().instance;
}

/// Scripts keep this number: it may not change with the order of an enum, of evidence, or of members.
TEST(Identity, is_made_of_named_parts) {
  // fnv-1a of "rule=close-wait-leak\nscope=process\nnetns=host\ncomm=payments\nport=:8443"
  EXPECT_EQ(instance_of(a_leak()), "7d729c4da43cdb8e");
}

TEST(Identity, does_not_hang_on_what_was_measured_first) {
  Finding reversed = a_leak();
  std::ranges::reverse(reversed.evidence);
  EXPECT_EQ(instance_of(reversed), instance_of(a_leak()));
  Finding bare = a_leak();
  bare.evidence.clear();
  EXPECT_EQ(instance_of(bare), instance_of(a_leak()));
}

TEST(Identity, survives_another_pid_and_another_ephemeral_port) {
  Finding later = a_leak();
  later.scope.pid = 9;
  EXPECT_EQ(instance_of(later), instance_of(a_leak()));
  EXPECT_EQ(instance_of(a_leak("10.0.0.1:40001")), instance_of(a_leak("10.0.0.1:40002")));
  EXPECT_NE(instance_of(a_leak("10.0.0.1:40001")), instance_of(a_leak()));
}

TEST(Identity, tells_apart_by_topic_scope_and_place) {
  for (auto change : {+[](Finding& finding) { finding.topic = "draining"; },
                      +[](Finding& finding) { finding.scope.kind = ScopeKind::listener; },
                      +[](Finding& finding) { finding.scope.cgroup = "/a"; },
                      +[](Finding& finding) { finding.scope.netns_name = "blue"; },
                      +[](Finding& finding) { finding.id = "fin-wait2-app-held"; }}) {
    Finding other = a_leak();
    change(other);
    EXPECT_NE(instance_of(other), instance_of(a_leak()));
  }
}

}  // namespace
}  // namespace tcpadvisor::identity_test
