// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/holders.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace tcpadvisor::collect {
namespace {

constexpr std::size_t kMaxCompared = 256;  // processes with one socket in common: each is compared with its parent

struct Candidate {
  Pid pid = 0;
  int fd = -1;
  std::uint32_t fds = 0;
  os::Kin kin;
  bool merely_keeps = false;
};

std::vector<Candidate> by_process(std::span<const os::Descriptor> descriptors) {
  std::vector<Candidate> out;
  for (const os::Descriptor& one : descriptors) {
    if (out.empty() || out.back().pid != one.pid) out.push_back({.pid = one.pid, .fd = one.fd, .kin = {}});
    ++out.back().fds;
  }
  return out;
}

bool all_keep(std::span<const Candidate> candidates) {
  return std::ranges::all_of(candidates, &Candidate::merely_keeps);
}

void set_all(std::span<Candidate> candidates, bool merely_keeps) {
  for (Candidate& one : candidates) one.merely_keeps = merely_keeps;
}

/// Parent and child hold the same connection: one of them only by inheritance.
void compare_families(std::span<Candidate> candidates) {
  for (Candidate& child : candidates) {
    auto parent = std::ranges::lower_bound(candidates, child.kin.parent, {}, &Candidate::pid);
    if (child.kin.parent == 0 || parent == candidates.end() || parent->pid != child.kin.parent) continue;
    bool same_program = child.kin.program == parent->kin.program;  // also when both are unknown
    (same_program ? *parent : child).merely_keeps = true;
  }
}

std::size_t choose(const SocketRow& row, std::span<Candidate> candidates, const KinOf& kin_of) {
  if (row.last_user) {
    auto user = std::ranges::find(candidates, row.last_user->pid, &Candidate::pid);
    if (user != candidates.end()) return static_cast<std::size_t>(user - candidates.begin());
  }
  std::span<Candidate> compared = candidates.first(std::min(candidates.size(), kMaxCompared));
  for (Candidate& one : compared) {
    one.kin = kin_of(one.pid);
    one.merely_keeps = one.kin.manager;
  }
  if (all_keep(compared)) set_all(compared, false);
  if (row.state != TcpState::listen) compare_families(compared);
  if (all_keep(compared)) set_all(compared, false);
  auto order = [](const Candidate& one) { return std::tuple(one.merely_keeps, one.kin.started, one.pid); };
  return static_cast<std::size_t>(std::ranges::min_element(compared, {}, order) - compared.begin());
}

}  // namespace

void name_holders(SocketRow& row, std::span<const os::Descriptor> descriptors, const KinOf& kin_of) {
  row.others.clear();
  std::vector<Candidate> candidates = by_process(descriptors);
  if (candidates.empty()) return;
  std::size_t chosen = candidates.size() == 1 ? 0 : choose(row, candidates, kin_of);
  row.owner = Owner{.pid = candidates[chosen].pid,
                    .comm = {},
                    .fd = candidates[chosen].fd,
                    .holders = static_cast<std::uint32_t>(candidates.size())};
  for (std::size_t i = 0; i < candidates.size() && row.others.size() < kMaxOthers; ++i) {
    if (i != chosen) row.others.push_back({.pid = candidates[i].pid, .comm = {}, .fds = candidates[i].fds});
  }
}

}  // namespace tcpadvisor::collect
