// SPDX-License-Identifier: Apache-2.0
// Events of a port or channel leave it only between operations: whoever hears them may call it again.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "agent/port/terms.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

class Operations {
 public:
  /// `between` runs before events go out, and again until it answers false: callers that were resumed try again there.
  Operations(Timers& world, EventSink& sink, std::function<bool()> between)
      : timers_(*this, world), sink_(sink), between_(std::move(between)) {}
  ~Operations() {
    timers_.cancel(more_);
    if (destroyed_ != nullptr) *destroyed_ = true;
  }
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  /// While one lives, events wait; the last one to end hands them out.
  class Scope {
   public:
    explicit Scope(Operations& operations) : operations_(operations) { ++operations_.running_; }
    ~Scope() {
      if (--operations_.running_ == 0) operations_.settle();
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Operations& operations_;
  };

  void tell(Event event) { waiting_.push_back(std::move(event)); }
  /// The world's, but whatever runs late is an operation, too.
  Timers& timers() { return timers_; }
  Time now() const { return timers_.now(); }

 private:
  class LateOperations final : public Timers {
   public:
    LateOperations(Operations& operations, Timers& world) : operations_(operations), world_(world) {}
    Time now() const override { return world_.now(); }
    TimerId after(Time delay, std::function<void()> what) override {
      return world_.after(delay, [this, what = std::move(what)] {
        Scope scope(operations_);
        what();
      });
    }
    void cancel(TimerId timer) override { world_.cancel(timer); }

   private:
    Operations& operations_;
    Timers& world_;
  };

  static constexpr int kMostRounds = 1'000;

  void settle() {
    if (destroyed_ != nullptr) return;  // called from on_event(): the loop below hands these events out, too
    bool destroyed = false;
    destroyed_ = &destroyed;
    for (int round = 0; !waiting_.empty() || between_(); ++round) {
      if (round == kMostRounds && more_ == 0) {  // callers that wake each other without end: the world gets its turn
        more_ = timers_.after(Time::zero(), [this] { more_ = 0; });
        break;
      }
      for (const Event& event : std::exchange(waiting_, {})) {
        sink_.on_event(event);
        if (destroyed) return;  // whoever hears of port_gone may destroy the port there and then
      }
    }
    destroyed_ = nullptr;
  }

  LateOperations timers_;
  EventSink& sink_;
  std::function<bool()> between_;
  std::vector<Event> waiting_;
  int running_ = 0;
  TimerId more_ = 0;           ///< goes on with what kMostRounds left
  bool* destroyed_ = nullptr;  ///< set while events are handed out
};

}  // namespace tcpadvisor::port
