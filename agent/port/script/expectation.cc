// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/expectation.h"

#include "agent/port/options.h"

namespace tcpadvisor::port::script {
namespace {

using enum ValueKind;

constexpr std::array kMessages{MessageKey{"busy_port", EventKind::busy_port},
                               MessageKey{"busy_dist_port", EventKind::busy_dist_port},
                               MessageKey{"empty_out_q", EventKind::empty_out_q},
                               MessageKey{"inet_reply", EventKind::reply},
                               MessageKey{"tcp", EventKind::data},
                               MessageKey{"tcp_closed", EventKind::tcp_closed},
                               MessageKey{"tcp_error", EventKind::tcp_error},
                               MessageKey{"tcp_passive", EventKind::tcp_passive}};

constexpr std::array kCaller{Key{"calls", number},
                             Key{"count", number},
                             Key{"waited", yes_no},
                             Key{"at", time},
                             Key{"after", time},
                             Key{"bytes", number},
                             Key{"busy_port", number},
                             Key{"busy_dist_port", number},
                             Key{"empty_out_q", number},
                             Key{"inet_reply", number},
                             Key{"tcp", number},
                             Key{"tcp_closed", number},
                             Key{"tcp_error", number},
                             Key{"tcp_passive", number},
                             Key{"reply", ValueKind::result}};

constexpr std::array kPort{Key{"q", number},         Key{"mq", number},
                           Key{"accepted", number},  Key{"written", number},
                           Key{"dropped", number},   Key{"bypassed", number},
                           Key{"waiting", number},   Key{"suspended", number},
                           Key{"scheduled", number}, Key{"refused", number},
                           Key{"writes", number},    Key{"busy", yes_no},
                           Key{"mq_busy", yes_no},   Key{"pending_shutdown", yes_no},
                           Key{"limbo", yes_no},     Key{"open", yes_no},
                           Key{"gone", yes_no},      Key{"send_cnt", number},
                           Key{"send_oct", number},  Key{"send_max", number},
                           Key{"send_avg", number},  Key{"send_pend", number}};

constexpr std::array kChannel{Key{"q", number},         Key{"driver_q", number},    Key{"accepted", number},
                              Key{"written", number},   Key{"dropped", number},     Key{"bypassed", number},
                              Key{"suspended", number}, Key{"refused", number},     Key{"busy_limit", number},
                              Key{"busy", yes_no},      Key{"driver_busy", yes_no}, Key{"connected", yes_no},
                              Key{"pending", yes_no}};

constexpr std::array kPeer{Key{"got", number}, Key{"end", ValueKind::end}};

constexpr std::array<std::string_view, 16> kResults{"ok",
                                                    "true",
                                                    "false",
                                                    "nosuspend",
                                                    "noconnect",
                                                    "badarg",
                                                    "{error,closed}",
                                                    "{error,timeout}",
                                                    "{error,busy}",
                                                    "{error,einval}",
                                                    "{error,enotconn}",
                                                    "{error,ealready}",
                                                    "{error,econnreset}",
                                                    "waiting",
                                                    "suspended",
                                                    "scheduled"};

}  // namespace

std::span<const Key> caller_keys() {
  return kCaller;
}
std::span<const Key> port_keys() {
  return kPort;
}
std::span<const Key> channel_keys() {
  return kChannel;
}
std::span<const Key> peer_keys() {
  return kPeer;
}
std::span<const std::string_view> result_words() {
  return kResults;
}
std::span<const MessageKey> message_keys() {
  return kMessages;
}

std::vector<std::string_view> all_port_keys() {
  std::vector<std::string_view> names;
  for (const Key& key : kPort) names.push_back(key.name);
  for (std::string_view name : option_names()) names.push_back(name);
  return names;
}

std::string_view to_text(Relation relation) {
  constexpr std::array<std::string_view, 6> kTexts{"=", "!=", ">", ">=", "<", "<="};
  return kTexts[static_cast<std::size_t>(relation)];
}

bool holds(std::int64_t left, Relation relation, std::int64_t right) {
  switch (relation) {
    case Relation::equal:
      return left == right;
    case Relation::unequal:
      return left != right;
    case Relation::more:
      return left > right;
    case Relation::at_least:
      return left >= right;
    case Relation::less:
      return left < right;
    case Relation::at_most:
      break;
  }
  return left <= right;
}

}  // namespace tcpadvisor::port::script
