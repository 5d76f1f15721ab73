// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/window.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/evidence/thinning.h"

namespace tcpadvisor {
namespace {

/// Programs that come and go must not fill the memory of a long observation.
constexpr std::size_t kMostLastWords = 4096;
/// Namespaces that come and go neither.
constexpr std::size_t kMostSettingChanges = 1024;

std::uint64_t from_to(std::uint64_t from_ms, std::uint64_t to_ms) {
  return to_ms > from_ms ? to_ms - from_ms : 0;
}

}  // namespace

Window::Window(const std::vector<SamplePtr>& samples) {
  for (const SamplePtr& sample : samples) push(sample);
}

void Window::push(SamplePtr sample, const Keep& keep) {
  ticks_.push_back(std::make_shared<const PastTick>(past_of(*sample, empty() ? nullptr : &last())));
  if (latest_ != nullptr) {
    hear_last_words(*sample);
    see_setting_changes(*sample);
  }
  latest_ = std::move(sample);
  connections_ = std::make_shared<const Connections>(*latest_);
  thin(keep);
}

/// The queues of latest_ that are not in `next` any more have said their last word.
void Window::hear_last_words(const Sample& next) {
  bool nothing_new = next.user_queues.empty() && latest_->user_queues.empty() && last_words_ == nullptr;
  if (nothing_new) return;
  const PastTick& tick = last();
  LastWords words;
  auto add = [&](const UserQueue& queue, std::uint64_t number) {
    if (number < first().number || tick.queues.find(past_key(queue)) != nullptr) return;
    words.queues.push_back(queue);
    words.numbers.push_back(number);
  };
  for (std::size_t i = 0; last_words_ != nullptr && i < last_words_->queues.size(); ++i) {
    add(last_words_->queues[i], last_words_->numbers[i]);
  }
  for (const UserQueue& queue : latest_->user_queues) add(queue, tick.number - 1);
  if (words.queues.size() > kMostLastWords) {
    auto too_many = static_cast<std::ptrdiff_t>(words.queues.size() - kMostLastWords);
    words.queues.erase(words.queues.begin(), words.queues.begin() + too_many);
    words.numbers.erase(words.numbers.begin(), words.numbers.begin() + too_many);
  }
  last_words_ = words.queues.empty() ? nullptr : std::make_shared<const LastWords>(std::move(words));
}

const std::vector<UserQueue>& Window::last_words() const {
  static const std::vector<UserQueue> kNone;
  return last_words_ == nullptr ? kNone : last_words_->queues;
}

void Window::see_setting_changes(const Sample& next) {
  std::vector<SettingChange> changes;
  auto add = [&](NetnsId netns, const std::string& knob, const Sysctl& then) {
    if (changes.empty() && setting_changes_ != nullptr) changes = *setting_changes_;
    auto known = std::ranges::find_if(
        changes, [&](const SettingChange& change) { return change.netns == netns && change.knob == knob; });
    if (known == changes.end()) {
      if (changes.size() >= kMostSettingChanges) return;
      std::string from = then.values.empty() ? then.text : "";
      for (std::int64_t value : then.values) from += (from.empty() ? "" : " ") + std::to_string(value);
      known = changes.insert(changes.end(), {.netns = netns, .knob = knob, .from = std::move(from)});
    }
    known->at_ms = next.mono_ms;
    ++known->times;
  };
  std::size_t at = 0;  // both list the namespaces in the same order, but for those that come and go
  for (const NetnsSample& netns : next.netns) {
    const bool in_step = at < latest_->netns.size() && latest_->netns[at].id == netns.id;
    const NetnsSample* before = in_step ? &latest_->netns[at] : latest_->find_netns(netns.id);
    if (before == nullptr) continue;
    at = static_cast<std::size_t>(before - latest_->netns.data()) + 1;
    for (auto then = before->sysctls.begin(); const auto& [knob, now] : netns.sysctls) {  // both in order of names
      while (then != before->sysctls.end() && then->first < knob) ++then;
      if (then == before->sysctls.end()) break;
      if (then->first == knob && then->second != now) add(netns.id, knob, then->second);
    }
  }
  if (!changes.empty()) setting_changes_ = std::make_shared<const std::vector<SettingChange>>(std::move(changes));
}

const std::vector<SettingChange>& Window::setting_changes() const {
  static const std::vector<SettingChange> kNone;
  return setting_changes_ == nullptr ? kNone : *setting_changes_;
}

void Window::thin(const Keep& keep) {
  thin_recent(ticks_, keep);
  thin_older(ticks_, keep, older_apart_ms_);
}

Past::Past(const Past& whole, std::size_t from, std::size_t to)
    : ticks_(whole.ticks_.begin() + static_cast<std::ptrdiff_t>(from),
             whole.ticks_.begin() + static_cast<std::ptrdiff_t>(to) + 1) {}

std::uint64_t Past::taken() const {
  return empty() ? 0 : last().number - first().number + 1;
}

double Past::seconds_at(std::size_t i) const {
  return static_cast<double>(from_to(first().mono_ms, at(i).mono_ms)) / 1000;
}

double Past::span_s() const {
  return empty() ? 0 : seconds_at(samples() - 1);
}

double Past::interval_s() const {
  return taken() < 2 ? 0 : span_s() / static_cast<double>(taken() - 1);
}

Series Past::counter(NetnsId id, std::string_view name) const {
  return series([&](const PastTick& tick) -> std::optional<double> {
    const PastNetns* netns = tick.find_netns(id);
    std::optional<std::uint64_t> value = netns == nullptr ? std::nullopt : netns->counter(name);
    if (!value) return std::nullopt;
    return static_cast<double>(*value);
  });
}

std::optional<double> Past::increase(NetnsId netns, std::string_view name) const {
  Series counted = counter(netns, name);
  if (counted.size() < 2) return std::nullopt;
  return counted.increase();
}

std::optional<double> Past::increase(std::string_view name) const {
  std::vector<NetnsId> seen;  // a namespace may come or go within the window
  for (std::size_t i = 0; i < samples(); ++i) {
    for (const PastNetns& netns : at(i).netns) seen.push_back(netns.id);
  }
  std::ranges::sort(seen);
  seen.erase(std::ranges::unique(seen).begin(), seen.end());
  std::optional<double> sum;
  for (NetnsId id : seen) {
    if (std::optional<double> part = increase(id, name)) sum = sum.value_or(0) + *part;
  }
  return sum;
}

std::optional<double> Past::per_s(std::string_view name) const {
  std::optional<double> total = increase(name);
  if (!total || span_s() <= 0) return std::nullopt;
  return *total / span_s();
}

RetransmitCounts Past::increase(const Retransmits& retransmits) const {
  RetransmitCounts sum, before;
  in_each_tick(past_key(retransmits), &PastTick::retransmits, [&](const PastRetransmits* then, std::size_t i) {
    const RetransmitCounts here = then == nullptr ? RetransmitCounts{} : then->segments;
    for (auto kind : kRetransmitKinds) {  // below the number before: it was forgotten, and began again
      if (i > 0) sum.*kind = add_sat(sum.*kind, here.*kind - (here.*kind >= before.*kind ? before.*kind : 0));
    }
    before = here;
  });
  return sum;
}

std::uint64_t Past::increase(const Drops& drops) const {
  std::uint64_t sum = 0, before = 0;
  in_each_tick(past_key(drops), &PastTick::drops, [&](const PastDrops* then, std::size_t i) {
    const std::uint64_t here = then == nullptr ? 0 : then->segments;
    if (i > 0) sum = add_sat(sum, here - (here >= before ? before : 0));  // below: it began again
    before = here;
  });
  return sum;
}

std::vector<const PastRow*> Past::history(const SocketRow& row) const {
  std::vector<const PastRow*> rows;
  rows.reserve(samples());
  in_each_tick(past_key(row), &PastTick::rows, [&](const PastRow* then, std::size_t) { rows.push_back(then); });
  return rows;
}

std::vector<const PastOwner*> Past::history(const OwnerTotals& owner) const {
  std::vector<const PastOwner*> looks;
  looks.reserve(samples());
  in_each_tick(past_key(owner), &PastTick::owners, [&](const PastOwner* then, std::size_t) { looks.push_back(then); });
  return looks;
}

Age Window::age(const SocketRow& row) const {
  using std::chrono::milliseconds;
  auto age_of = [](std::uint64_t ms) {
    constexpr auto kMost = static_cast<std::uint64_t>(milliseconds::max().count());
    return milliseconds(static_cast<std::int64_t>(std::min(ms, kMost)));
  };
  if (row.state_age_ms && !row.state_age_is_lower_bound) return {age_of(*row.state_age_ms), false};
  const PastRow* now = empty() ? nullptr : last().find(row);
  std::uint64_t observed_ms = now == nullptr ? 0 : from_to(now->since_ms, last().mono_ms);
  return {age_of(std::max(row.state_age_ms.value_or(0), observed_ms)), true};
}

bool Window::covers(std::uint32_t count, std::chrono::milliseconds length) const {
  double wanted_s = static_cast<double>(length.count()) / 1000 * count;
  return samples() >= 2 && span_s() + interval_s() / 2 >= wanted_s;
}

std::size_t Window::nearest(double mono_ms) const {
  auto distance = [&](const auto& tick) { return std::abs(static_cast<double>(tick->mono_ms) - mono_ms); };
  return static_cast<std::size_t>(std::ranges::min_element(ticks_, {}, distance) - ticks_.begin());
}

std::vector<Past> Window::split(std::uint32_t count, std::chrono::milliseconds length) const {
  if (count == 0 || samples() < count + std::size_t{1}) return {};
  double part_ms = covers(count, length) ? static_cast<double>(length.count()) : span_s() * 1000 / count;
  auto end_ms = static_cast<double>(last().mono_ms);
  std::vector<Past> parts;
  for (std::uint32_t i = count; i > 0; --i) {
    std::size_t from = nearest(end_ms - part_ms * i), to = nearest(end_ms - part_ms * (i - 1));
    if (to <= from) return {};
    parts.push_back(Past(*this, from, to));
  }
  return parts;
}

std::size_t Window::past_bytes() const {
  std::size_t bytes = ticks_.capacity() * sizeof(ticks_[0]);
  for (std::size_t i = 0; i < samples(); ++i) bytes += bytes_beside(at(i), i == 0 ? nullptr : &at(i - 1));
  if (last_words_ != nullptr) bytes += last_words_->queues.capacity() * sizeof(UserQueue);
  return bytes;
}

}  // namespace tcpadvisor
