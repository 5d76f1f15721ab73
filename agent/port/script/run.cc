// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/port/script/line.h"

namespace tcpadvisor::port::script {

Run::Run(const Script& script, World& world, const RunSettings& settings, Transcript& transcript)
    : script_(script), world_(world), settings_(settings), transcript_(transcript) {}
Run::~Run() = default;

RunResult run_script(const Script& script, World& world, const RunSettings& settings, Transcript& transcript) {
  return Run(script, world, settings, transcript).play();
}

RunResult Run::play() {
  RunResult result;
  auto at_step = [&](const Step& step, Error error) {
    error.message = fmt::format("{}:{}:{}: {}", script_.name, step.line, step.column, error.message);
    return error;
  };
  for (const Step& step : script_.steps) {
    if (!step.only_on.empty() && !step.only_on.contains(world_.kind())) continue;
    record_ = {.line = step.line, .step = step.text};
    given_.reset();
    called_.clear();
    Status status = step.action(*this);
    if (status && step.settles) status = settle();
    if (status && broken_) status = std::unexpected(*std::exchange(broken_, std::nullopt));
    if (status) status = check_wanted(step);
    ++result.steps;
    // The script's own fault, or the kernel's: neither says anything about the port.
    if (!status && (status.error().code == ErrorCode::bad_input || status.error().sys_errno != 0)) {
      result.error = at_step(step, status.error());
      return result;
    }
    show_states();
    if (!status) record_.failure = status.error().message;
    transcript_.add(record_);
    if (auto why = settings_.stop ? settings_.stop() : std::nullopt) {
      result.error = at_step(step, std::move(*why));
      return result;
    }
    if (status) continue;
    result.failures.push_back(record_);
    if (!settings_.keep_going) return result;
  }
  if (Status status = last_check(); !status) {
    called_.clear();
    record_ = {.line = script_.steps.back().line, .step = "the end"};
    show_states();
    record_.failure = status.error().message;
    transcript_.add(record_);
    result.failures.push_back(record_);
  }
  return result;
}

Status Run::settle() {
  return world_.settle([this] { return progress(); }, or_stop([] { return false; }));
}

std::function<bool()> Run::or_stop(std::function<bool()> done) {
  return [this, done = std::move(done)] { return broken_ || (settings_.stop && settings_.stop()) || done(); };
}

std::uint64_t Run::progress() const {
  std::uint64_t sum = events_;
  for (const auto& [name, on] : lines_) sum += on->progress() + on->to_peer.arrived();
  return sum;
}

void Run::show_states() {
  record_.at = world_.timers().now();
  for (const auto& [name, on] : lines_) on->show(record_);
  for (const Caller* who : called_) record_.callers.push_back({who->name, state_of(*who), who->calls, who->returned});
  if (given_) record_.result = *std::exchange(given_, std::nullopt);
}

Status Run::check_wanted(const Step& step) {
  if (!step.wanted) return {};
  std::string wanted = step.wanted->word;
  if (step.wanted->number) {
    auto value = step.wanted->number->evaluate(values_);
    if (!value) return std::unexpected(value.error());
    wanted = fmt::to_string(*value);
  }
  for (const Caller* who : called_) {
    if (std::string found = state_of(*who); found != wanted)
      return fail(ErrorCode::failed,
                  fmt::format("the result {}is {}", called_.size() > 1 ? "of " + who->name + " " : "", found));
  }
  if (given_ && *given_ != wanted) return fail(ErrorCode::failed, fmt::format("the result is {}", *given_));
  return {};
}

/// Where nothing is lost between the port and its peer, the sums have to agree.
Status Run::last_check() {
  for (const auto& [name, on] : lines_) {
    auto unread = on->peer ? on->peer->unread() : std::nullopt;
    std::uint64_t arrived = on->to_peer.arrived();
    if (!unread || on->was_reset || on->peer->end() == PeerEnd::reset || arrived + *unread == on->written()) continue;
    return fail(ErrorCode::failed, fmt::format("{} wrote {} bytes, but its peer has {} and {} are on their way", name,
                                               on->written(), arrived, *unread));
  }
  return {};
}

}  // namespace tcpadvisor::port::script
