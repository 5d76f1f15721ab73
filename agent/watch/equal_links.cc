// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/equal_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "advisor/base/saturate.h"
#include "advisor/evidence/names.h"

namespace tcpadvisor::watch {
namespace {

std::string form_of_driver(const UserQueue* driver) {
  if (driver == nullptr) return "";
  auto some = [](const auto& value) { return static_cast<std::uint64_t>(value.value_or(0)) > 0; };
  return fmt::format("{}{}{:d}{:d}{:d}{:d}{:d}{:d}{:d}{:d}{:d}", driver->comm, driver->pid, driver->ended,
                     driver->queued > 0, some(driver->waiting), some(driver->suspended), some(driver->dropped),
                     some(driver->refused), driver->busy.value_or(false), driver->message_busy.value_or(false),
                     driver->pending_shutdown.value_or(false));
}

std::string form_of_end(const SocketRow* row, const UserQueue* driver) {
  if (row == nullptr) return form_of_driver(driver);
  bool closed = row->snd_wnd == 0u;
  return fmt::format("{} {} {} {:d}{:d}{:d} {}", owner_text(*row), state_text(row->state), row->netns, row->send_q > 0,
                     closed, row->recv_q > 0, form_of_driver(driver));
}

template <typename T>
void add(std::optional<T>& sum, const std::optional<T>& value) {
  if (value) sum = add_sat(sum.value_or(0), *value);
}

/// What the screen shows of a row. Of the windows only that all are closed, which the form says of every one.
void add_row(SocketRow& sum, const SocketRow& row) {
  sum.send_q = add_sat(sum.send_q, row.send_q);
  sum.recv_q = add_sat(sum.recv_q, row.recv_q);
  add(sum.not_sent, row.not_sent);
  add(sum.total_retrans, row.total_retrans);
  if (row.srtt_us.value_or(0) > sum.srtt_us.value_or(0)) sum.srtt_us = row.srtt_us;
  if (sum.snd_wnd != 0u) sum.snd_wnd.reset();
  sum.rcv_wnd.reset();
}

void add_driver(UserQueue& sum, const UserQueue& queue) {
  sum.queued = add_sat(sum.queued, queue.queued);
  sum.name.clear();
  sum.age_ms = std::min(sum.age_ms, queue.age_ms);
  add(sum.waiting, queue.waiting);
  add(sum.suspended, queue.suspended);
  add(sum.accepted, queue.accepted);
  add(sum.dropped, queue.dropped);
  add(sum.refused, queue.refused);
  add(sum.message_queue, queue.message_queue);
}

/// The address with its port, or what several have in common.
template <typename End>
std::string common_text(std::span<const Link* const> links, End end) {
  const Endpoint& first = end(*links.front());
  auto all = [&](auto same) { return std::ranges::all_of(links, [&](const Link* link) { return same(end(*link)); }); };
  bool same_port = all([&](const Endpoint& other) { return other.port == first.port; });
  std::string port = same_port ? fmt::format("{}", first.port) : "*";
  if (all([&](const Endpoint& other) { return other.ip == first.ip; })) {
    return fmt::format("{}:{}", first.v6 ? fmt::format("[{}]", first.ip_text()) : first.ip_text(), port);
  }
  std::string network = network_of(first).ip_text();
  if (first.v6) return fmt::format("[{}/64]:{}", network, port);
  return fmt::format("{}.*:{}", network.substr(0, network.rfind('.')), port);
}

}  // namespace

std::string form_of(const Link& link) {
  const SocketRow& near = *link.near;
  std::string from = link.serves ? near.local.text() : near.local.ip_text();
  std::string to = link.serves ? network_of(near.remote).ip_text() : near.remote.text();
  return fmt::format("={} {} {:d} {} {}", from, to, link.stand_in != nullptr, form_of_end(&near, link.near_driver),
                     form_of_end(link.far, link.far_driver));
}

LinkSum::LinkSum(std::span<const Link* const> links) : link_(*links.front()) {
  auto start = [](auto& sum, auto*& what) {
    if (what == nullptr) return;
    sum = *what;
    what = &sum;
  };
  start(near_, link_.near);
  start(far_, link_.far);
  start(near_driver_, link_.near_driver);
  start(far_driver_, link_.far_driver);
  for (const Link* link : links.subspan(1)) {
    add_row(near_, *link->near);
    if (link->far != nullptr) add_row(far_, *link->far);
    if (link->near_driver != nullptr) add_driver(near_driver_, *link->near_driver);
    if (link->far_driver != nullptr) add_driver(far_driver_, *link->far_driver);
  }
  local_ = common_text(links, [](const Link& link) -> const Endpoint& { return link.near->local; });
  remote_ = common_text(links, [](const Link& link) -> const Endpoint& { return link.near->remote; });
}

std::string LinkSum::ends_text(const Glyphs& g) const {
  return fmt::format("{} {} {}", local_, g.arrow, remote_);
}

}  // namespace tcpadvisor::watch
