// SPDX-License-Identifier: Apache-2.0
// One port on the fake kernel with everything it says written down: for the tests of the driver and its layers.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/port/fake.h"
#include "agent/port/port.h"

namespace tcpadvisor::port {

constexpr CallerId kOwner = 99;

inline SendOptions how(SendKind kind) {
  return {.kind = kind};
}
inline SendOptions nosuspend(SendKind kind) {
  return {.kind = kind, .nosuspend = true};
}
inline SendOptions forced() {
  return {.kind = SendKind::command, .force = true};
}

class World : public EventSink {
 public:
  explicit World(FakeKernel kernel, const std::vector<OptionSetting>& options = {}, Profile profile = Profile::otp25)
      : wire(time, kernel), port(setup(options, profile), wire.take_near(), time, *this) {}

  void on_event(const Event& event) override {
    std::string line = fmt::format("{} {}", event.caller, to_text(event.kind));
    if (event.kind == EventKind::answer || event.kind == EventKind::reply) {
      line += fmt::format(" {}", to_text(event.outcome));
    }
    if (!event.data.empty()) line += " " + event.data;
    heard_.push_back(line);
    timed_.push_back(fmt::format("{} {}", time.now() / std::chrono::milliseconds(1), line));
  }

  /// What was heard since the last time. `take_timed`: with milliseconds since the start.
  std::vector<std::string> take() { return timed_.clear(), std::exchange(heard_, {}); }
  std::vector<std::string> take_timed() { return heard_.clear(), std::exchange(timed_, {}); }

  std::string send(CallerId caller, std::size_t bytes, const SendOptions& options = {}) {
    return std::string(to_text(port.send(caller, options, std::string(bytes, 'x'))));
  }
  std::string set(const std::vector<OptionSetting>& settings) {
    return std::string(to_text(port.set_options(settings)));
  }
  std::uint64_t statistic(std::string_view item) const {
    std::uint64_t value = 0;
    return port.statistic(item, value) == Outcome::ok ? value : ~0ULL;
  }
  void read(std::uint64_t bytes) {
    wire.peer_read(bytes);
    time.settle();
  }
  /// The kernel takes so many bytes more, and the peer reads nothing.
  void kernel_takes(std::uint64_t more) {
    wire.set_kernel({wire.in_kernel() + more, 1});
    time.settle();
  }
  void advance(int milliseconds) { time.advance(std::chrono::milliseconds(milliseconds)); }
  std::uint64_t q() const { return port.state().queued; }
  bool busy() const { return port.state().busy; }

  VirtualTime time;
  FakeWire wire;

 private:
  static PortSetup setup(const std::vector<OptionSetting>& options, Profile profile) {
    PortSetup setup{.profile = profile, .owner = kOwner};
    port::apply(setup.options, options);
    return setup;
  }
  std::vector<std::string> heard_, timed_;

 public:
  Port port;
};

}  // namespace tcpadvisor::port
