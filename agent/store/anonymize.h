// SPDX-License-Identifier: Apache-2.0
// Takes addresses and names out of samples so that what belongs together still does: the same name or address always
// becomes the same other one, in this recording only. The key is made up anew and kept nowhere. docs/recordings.md says
// what stays.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor::store {

class Anonymizer {
 public:
  using Key = std::array<std::uint64_t, 2>;
  explicit Anonymizer(Key key) : key_(key) {}
  static Result<Anonymizer> create();  ///< with a key that nobody knows

  Sample operator()(const Sample& sample);

  /// Loopback, unspecified and multicast stay; private, link-local and public ones stay of their kind; who shares a
  /// network shares one afterwards.
  Endpoint address(const Endpoint& end);
  /// "name-1f2e3d4c": `kind` and eight digits. Empty stays empty.
  std::string name(std::string_view kind, std::string_view text) const;
  /// Each part of a cgroup's path: what systemd, containers and Kubernetes mean by it stays.
  std::string path(std::string_view path) const;
  /// Free text: paths in it go, but for those below /proc and /sys.
  static std::string text(std::string_view text);

 private:
  std::uint64_t hash(std::string_view text) const;
  Endpoint permuted(const Endpoint& end, unsigned kept_bits) const;
  std::string part(std::string_view part) const;
  std::string netns_name(const std::string& name) const;

  Key key_;
  std::map<Endpoint, Endpoint> addresses_;  ///< port 0
};

}  // namespace tcpadvisor::store
