// SPDX-License-Identifier: Apache-2.0
// Every state, with whatever waits, held by whomever, belongs to a rule, or to a reason.
#include "advisor/rules/states.h"

#include <fmt/format.h>

#include <set>

#include "advisor/evidence/tcp_state.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::states_test {
namespace {

std::string text_of(const SocketForm& form) {
  return fmt::format("{}, queues {}, holder {}", name_of(form.state), static_cast<int>(form.waits),
                     static_cast<int>(form.holder));
}

TEST(States, each_form_of_a_socket_belongs_to_a_rule_or_to_a_reason) {
  std::size_t forms = 0, with_rules = 0;
  for (std::size_t state = 1; state < kStateCount; ++state) {
    for (Waits waits : kAllWaits) {
      for (Holder holder : kAllHolders) {
        SocketForm form{static_cast<TcpState>(state), waits, holder};
        ++forms;
        with_rules += !rules_for(form).empty();
        EXPECT_NE(rules_for(form).empty(), why_no_rule(form).empty()) << text_of(form);
      }
    }
  }
  EXPECT_EQ(forms, 12u * 4 * 7);
  EXPECT_GT(with_rules, 100u);
}

TEST(States, each_rule_named_is_one_of_ours) {
  std::set<std::string_view> named;
  for (const Watched& part : watched()) {
    EXPECT_EQ(part.rules.empty(), !part.reason.empty());
    for (std::string_view rule : part.rules) {
      EXPECT_NE(find_rule(rule), nullptr) << rule;
      named.insert(rule);
    }
  }
  EXPECT_GT(named.size(), 12u);
}

TEST(States, what_was_once_overlooked_has_its_rule) {
  auto has = [](TcpState state, Waits waits, Holder holder, std::string_view rule) {
    auto rules = rules_for({state, waits, holder});
    EXPECT_TRUE(std::ranges::find(rules, rule) != rules.end()) << name_of(state) << " " << rule;
  };
  has(TcpState::syn_sent, Waits::nothing, Holder::process, "connects-fail");
  has(TcpState::new_syn_recv, Waits::nothing, Holder::unknown, "syn-flood-vs-overflow");
  has(TcpState::established, Waits::unread, Holder::unaccepted, "listener-never-accepts");
  has(TcpState::fin_wait_2, Waits::unread, Holder::process, "fin-wait2-app-held");
  has(TcpState::fin_wait_1, Waits::both, Holder::process, "peer-not-reading");
  has(TcpState::fin_wait_1, Waits::unsent, Holder::orphan, "peer-not-reading");
  has(TcpState::close_wait, Waits::unsent, Holder::process, "peer-not-reading");
  has(TcpState::established, Waits::unsent, Holder::process, "send-queue-dead-peers");
  has(TcpState::last_ack, Waits::unsent, Holder::orphan, "send-queue-dead-peers");
  has(TcpState::time_wait, Waits::nothing, Holder::unknown, "port-exhaustion");
  has(TcpState::time_wait, Waits::nothing, Holder::unknown, "tw-bucket-overflow");
}

}  // namespace
}  // namespace tcpadvisor::states_test
