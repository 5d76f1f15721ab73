// SPDX-License-Identifier: Apache-2.0
#include "agent/port/terms.h"

namespace tcpadvisor::port {

std::string_view to_text(Profile profile) {
  return profile == Profile::otp25 ? "otp25" : "classic";
}

std::string_view to_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::pending:
      return "pending";
    case Outcome::ok:
      return "ok";
    case Outcome::yes:
      return "true";
    case Outcome::no:
      return "false";
    case Outcome::badarg:
      return "badarg";
    case Outcome::nosuspend:
      return "nosuspend";
    case Outcome::noconnect:
      return "noconnect";
    case Outcome::closed:
      return "{error,closed}";
    case Outcome::enotconn:
      return "{error,enotconn}";
    case Outcome::einval:
      return "{error,einval}";
    case Outcome::timeout:
      return "{error,timeout}";
    case Outcome::busy:
      return "{error,busy}";
    case Outcome::ealready:
      return "{error,ealready}";
    case Outcome::econnreset:
      return "{error,econnreset}";
  }
  return "?";
}

std::string_view to_text(SendKind kind) {
  switch (kind) {
    case SendKind::send:
      return "send";
    case SendKind::command:
      return "command";
    case SendKind::bang:
      return "bang";
    case SendKind::send_nosuspend:
      return "send_nosuspend";
  }
  return "?";
}

std::string_view to_text(EventKind kind) {
  switch (kind) {
    case EventKind::answer:
      return "answer";
    case EventKind::reply:
      return "inet_reply";
    case EventKind::suspended:
      return "suspended";
    case EventKind::resumed:
      return "resumed";
    case EventKind::busy_port:
      return "busy_port";
    case EventKind::empty_out_q:
      return "empty_out_q";
    case EventKind::data:
      return "tcp";
    case EventKind::tcp_closed:
      return "tcp_closed";
    case EventKind::tcp_error:
      return "tcp_error";
    case EventKind::tcp_passive:
      return "tcp_passive";
    case EventKind::busy_dist_port:
      return "busy_dist_port";
    case EventKind::nodedown:
      return "nodedown";
    case EventKind::port_gone:
      return "port_gone";
    case EventKind::reason:
      return "reason";
  }
  return "?";
}

}  // namespace tcpadvisor::port
