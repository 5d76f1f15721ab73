// SPDX-License-Identifier: Apache-2.0
// The tracer on the running kernel: what it counts against what the test itself did. Needs root; runs in a network
// namespace of its own. TCPADVISOR_TEST_HOOKS=fentry|kprobe|tp_btf forces the kind of the hooks.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "agent/kernel/tracer.h"
#include "tests/kernel/traffic.h"

namespace tcpadvisor::kernel {

inline TracerOptions options_from_environment() {
  TracerOptions options;
  const char* hooks = std::getenv("TCPADVISOR_TEST_HOOKS");
  std::string kind = hooks != nullptr ? hooks : "";
  if (kind == "fentry") options.hooks = Hooks::fentry;
  if (kind == "kprobe") options.hooks = Hooks::kprobe;
  if (kind == "tp_btf") options.hooks = Hooks::tp_btf;
  return options;
}

inline RowFilter every_socket() {
  RowFilter filter;
  filter.all = true;
  return filter;
}

class KernelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static bool entered = traffic::enter_own_namespace(why_not_);
    if (!entered) return;
    tracer_ = Tracer::open(options_from_environment());
  }
  static void TearDownTestSuite() { tracer_.reset(); }

  void SetUp() override {
    if (!tracer_) GTEST_SKIP() << why_not_;
    // Kernels before 5.12 refuse the walks: there the agent reads sock_diag, which is not this room's.
    if (!tracer_->can_walk_sockets()) GTEST_SKIP() << "no iter/tcp here: " << why_no_walk();
  }

  static std::string why_no_walk() {
    for (const FactCoverage& line : tracer_->coverage()) {
      if (line.fact == FactId::snapshot) return line.attempts.front().why_not;
    }
    return "";
  }

  /// A walk with its rows.
  struct Seen : SocketWalk {
    std::vector<SocketRow> rows;
    std::map<std::uint64_t, Spot> looked;  ///< by cookie: rows that came by a look
  };
  static Result<Seen> walk_with(Tracer& tracer, const RowFilter& filter = every_socket()) {
    Seen seen;
    auto result = tracer.walk_sockets(filter, [&](SocketRow&& row, std::optional<Spot> spot) {
      if (spot) seen.looked[row.cookie] = *spot;
      seen.rows.push_back(std::move(row));
    });
    if (!result) return std::unexpected(result.error());
    static_cast<SocketWalk&>(seen) = std::move(*result);
    return seen;
  }
  static Seen walk(const RowFilter& filter = every_socket()) {
    auto result = walk_with(*tracer_, filter);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return result.value_or(Seen{});
  }

  static OwnerWalk owners(const RowFilter& filter = every_socket()) {
    auto result = tracer_->walk_owners(filter);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return result.value_or(OwnerWalk{});
  }

  /// The row whose local port is that of `fd` and whose state is `state`.
  static std::optional<SocketRow> row_of(int fd, const Seen& from) {
    std::uint16_t port = traffic::local_port(fd);
    sockaddr_in peer = {};
    socklen_t size = sizeof peer;
    bool connected = getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
    for (const SocketRow& row : from.rows) {
      if (row.local.port == port && (!connected || row.remote.port == ntohs(peer.sin_port))) return row;
    }
    return std::nullopt;
  }

  static LifecycleTotals life() {
    auto totals = tracer_->lifecycle();
    EXPECT_TRUE(totals.has_value());
    return totals.value_or(LifecycleTotals{});
  }

  static std::string in_use(FactId fact) {
    for (const FactCoverage& line : tracer_->coverage()) {
      if (line.fact == fact) return line.in_use;
    }
    return "";
  }

  /// Polls until the condition holds; the kernel finishes closing in its own time.
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 200; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    return condition();
  }

  static inline std::unique_ptr<Tracer> tracer_;
  static inline std::string why_not_ = "not set up";
};

}  // namespace tcpadvisor::kernel
