// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/window.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>

namespace tcpadvisor {
namespace {

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccdull;
  return hash ^ (hash >> 33);
}

std::uint64_t mix(std::uint64_t hash, const Endpoint& end) {
  for (std::size_t i = 0; i < end.ip.size(); i += 8) {
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word = word << 8 | end.ip[i + k];
    hash = mix(hash, word);
  }
  return mix(hash, end.port);
}

std::optional<double> counter_of(const Sample& sample, NetnsId id, const std::string& name) {
  const NetnsSample* netns = sample.find_netns(id);
  if (netns == nullptr) return std::nullopt;
  auto found = netns->counters.find(name);
  if (found == netns->counters.end()) return std::nullopt;
  return static_cast<double>(found->second);
}

}  // namespace

std::uint64_t Window::key_of(const SocketRow& row) {
  if (row.cookie != 0) return mix(1, row.cookie);
  return mix(mix(mix(mix(2, row.netns), row.local), row.remote), row.inode);
}

const Window::IndexedRow* Window::Entry::lookup(std::uint64_t key) const {
  auto found = std::ranges::lower_bound(*index, key, {}, &IndexedRow::key);
  return found != index->end() && found->key == key ? &*found : nullptr;
}

const SocketRow* Window::Entry::find(const SocketRow& row) const {
  const IndexedRow* found = lookup(key_of(row));
  return found == nullptr ? nullptr : &sample->sockets[found->row];
}

Window::Window(const std::vector<SamplePtr>& samples) {
  for (const SamplePtr& sample : samples) push(sample);
}

void Window::push(SamplePtr sample, std::size_t max_samples) {
  auto index = std::make_shared<Index>();
  index->reserve(sample->sockets.size());
  const Entry* before = empty() ? nullptr : &entries_.back();
  std::uint64_t step_ms =
      before != nullptr && sample->mono_ms > before->sample->mono_ms ? sample->mono_ms - before->sample->mono_ms : 0;
  for (std::uint32_t i = 0; i < sample->sockets.size(); ++i) {
    const SocketRow& row = sample->sockets[i];
    IndexedRow indexed{.key = key_of(row), .row = i, .observed_ms = 0};
    const IndexedRow* then = before == nullptr ? nullptr : before->lookup(indexed.key);
    if (then != nullptr && before->sample->sockets[then->row].state == row.state) {
      indexed.observed_ms = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(then->observed_ms + step_ms, std::numeric_limits<std::uint32_t>::max()));
    }
    index->push_back(indexed);
  }
  std::ranges::sort(*index, {}, &IndexedRow::key);
  entries_.push_back({std::move(sample), std::move(index)});
  if (entries_.size() > max_samples) {
    entries_.erase(entries_.begin(), entries_.end() - static_cast<std::ptrdiff_t>(max_samples));
  }
}

double Window::seconds_at(std::size_t i) const {
  return (static_cast<double>(at(i).mono_ms) - static_cast<double>(first().mono_ms)) / 1000;
}

double Window::span_s() const {
  return empty() ? 0 : seconds_at(samples() - 1);
}

double Window::interval_s() const {
  return samples() < 2 ? 0 : span_s() / static_cast<double>(samples() - 1);
}

Series Window::counter(NetnsId netns, std::string_view name) const {
  return series([&, key = std::string(name)](const Sample& sample) { return counter_of(sample, netns, key); });
}

std::optional<double> Window::increase(NetnsId netns, std::string_view name) const {
  Series counted = counter(netns, name);
  if (counted.size() < 2) return std::nullopt;
  return counted.increase();
}

std::optional<double> Window::increase(std::string_view name) const {
  std::set<NetnsId> seen;  // a namespace may come or go within the window
  for (const Entry& entry : entries_) {
    for (const NetnsSample& netns : entry.sample->netns) seen.insert(netns.id);
  }
  std::optional<double> sum;
  for (NetnsId id : seen) {
    if (std::optional<double> part = increase(id, name)) sum = sum.value_or(0) + *part;
  }
  return sum;
}

std::optional<double> Window::per_s(std::string_view name) const {
  std::optional<double> total = increase(name);
  if (!total || span_s() <= 0) return std::nullopt;
  return *total / span_s();
}

std::vector<const SocketRow*> Window::history(const SocketRow& row) const {
  std::vector<const SocketRow*> rows;
  rows.reserve(samples());
  for (const Entry& entry : entries_) rows.push_back(entry.find(row));
  return rows;
}

Age Window::age(const SocketRow& row) const {
  using std::chrono::milliseconds;
  if (row.state_age_ms && !row.state_age_is_lower_bound) return {milliseconds(*row.state_age_ms), false};
  const IndexedRow* indexed = empty() ? nullptr : entries_.back().lookup(key_of(row));
  std::uint64_t observed_ms = indexed == nullptr ? 0 : indexed->observed_ms;
  return {milliseconds(std::max(row.state_age_ms.value_or(0), observed_ms)), true};
}

bool Window::covers(std::uint32_t count, std::chrono::milliseconds length) const {
  double wanted_s = static_cast<double>(length.count()) / 1000 * count;
  return samples() >= 2 && span_s() + interval_s() / 2 >= wanted_s;
}

std::size_t Window::nearest(double mono_ms) const {
  auto distance = [&](const Entry& entry) { return std::abs(static_cast<double>(entry.sample->mono_ms) - mono_ms); };
  return static_cast<std::size_t>(std::ranges::min_element(entries_, {}, distance) - entries_.begin());
}

std::vector<Window> Window::split(std::uint32_t count, std::chrono::milliseconds length) const {
  if (count == 0 || samples() < count + std::size_t{1}) return {};
  double part_ms = covers(count, length) ? static_cast<double>(length.count()) : span_s() * 1000 / count;
  auto end_ms = static_cast<double>(latest().mono_ms);
  std::vector<Window> parts;
  for (std::uint32_t i = count; i > 0; --i) {
    auto from = static_cast<std::ptrdiff_t>(nearest(end_ms - part_ms * i));
    auto to = static_cast<std::ptrdiff_t>(nearest(end_ms - part_ms * (i - 1)));
    if (to <= from) return {};
    Window part;
    part.entries_.assign(entries_.begin() + from, entries_.begin() + to + 1);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace tcpadvisor
