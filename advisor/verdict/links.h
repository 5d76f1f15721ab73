// SPDX-License-Identifier: Apache-2.0
// Which finding explains which: the links that rules declare, looked up in what was seen. Work is linear in rows,
// queues and findings together.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/rule.h"
#include "advisor/verdict/relays.h"

namespace tcpadvisor {

/// The findings of one rule, by what a link may look for: put in order when a link first asks.
class Causes {
 public:
  explicit Causes(std::vector<Finding*> findings) : all_(std::move(findings)) {}
  const std::vector<Finding*>& all() const { return all_; }
  const std::vector<Finding*>& of_holder(const Group& holder) const;
  const std::vector<Finding*>& of_listener(const Scope& scope) const;
  const std::vector<Finding*>& of_flow(const Scope& scope) const;

 private:
  std::vector<Finding*> all_;
  /// Several processes may listen on one address and port (SO_REUSEPORT).
  using Listener = std::tuple<NetnsId, std::optional<Pid>, std::string_view>;
  using Flow = std::pair<std::optional<Pid>, std::string_view>;
  mutable std::optional<std::map<Group, std::vector<Finding*>>> by_holder_;
  mutable std::optional<std::map<Listener, std::vector<Finding*>>> by_listener_;
  mutable std::optional<std::map<Flow, std::vector<Finding*>>> by_flow_;
};

/// The latest sample of a window, asked for links; counted when the first link asks.
class Links {
 public:
  explicit Links(const Window& window);
  ~Links();

  /// Those of `causes` to which `effect` is linked, in the order of the findings.
  std::vector<Finding*> causes_of(Link link, const Finding& effect, const Causes& causes) const;
  /// How many connections with data, of those that the program of `story` speaks for, end unread in that of `reader`.
  std::uint64_t unread_ends(const Finding& story, const Finding& reader) const;
  std::uint64_t memory_of(const Finding& finding) const;  ///< of its process, 0 if that is not known
  std::uint64_t memory() const;                           ///< of all processes

 private:
  struct OtherEnds;
  struct Index;
  Index& index() const;
  const OtherEnds& awaited_ends(const Finding& effect) const;
  bool fills_descriptors(const Finding& cause) const;
  Relays& relays() const;
  const OtherEnds& other_ends(const Finding& leak) const;

  const Sample& sample_;
  const Connections& connections_;
  mutable std::unique_ptr<Index> index_;
  mutable std::unique_ptr<Relays> relays_;
};

}  // namespace tcpadvisor
