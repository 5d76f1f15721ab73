// SPDX-License-Identifier: Apache-2.0
// Attempts to connect that fail because of a listener on this host.
#include <gmock/gmock.h>

#include "advisor/verdict/verdict.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::connects_test {
namespace {

using build::a_socket;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;
using testing::HasSubstr;

TEST(ConnectsFail, a_full_queue_on_this_host_is_the_cause_and_its_finding_explains) {
  Window window = a_window(
      12,
      [](SampleBuilder& s, std::size_t) {
        s.add(a_socket().listen(8080, 3, 2).drops(0).cookie(5).pid(70, "hung"));
        s.add(FailedConnects{kHostNetns, 42, "client", Endpoint::v4(127, 0, 0, 1, 8080), ConnectEnd::given_up, 9, 100,
                             1'000});
      },
      std::chrono::milliseconds(1000));
  Verdict verdict = judge(window, lab());
  auto of = [&](std::string_view id) {
    auto found = std::ranges::find(verdict.findings, id, &Finding::id);
    return found == verdict.findings.end() ? Finding{} : *found;
  };
  Finding effect = of("connects-fail"), cause = of("listener-never-accepts");
  EXPECT_EQ(effect.topic, "listener-full");
  EXPECT_THAT(effect.title, HasSubstr("because the listener's queue is full"));
  EXPECT_EQ(effect.severity, Severity::info);
  ASSERT_FALSE(cause.instance.empty());
  EXPECT_EQ(effect.cause, cause.instance);
}

}  // namespace
}  // namespace tcpadvisor::connects_test
