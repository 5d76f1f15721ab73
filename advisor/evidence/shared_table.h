// SPDX-License-Identifier: Apache-2.0
// A table that never changes, and that shares with the table of the tick before what is the same in both: ten thousand
// idle sockets cost their bytes once, not once a tick.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tcpadvisor {

/// T has a member `std::uint64_t key` with well mixed bits, and operator==. Items lie in small buckets by the first
/// bits of their keys; a bucket without a change is shared. Several items may have one key.
template <typename T>
class SharedTable {
 public:
  SharedTable() = default;
  SharedTable(const std::vector<T>& items, const SharedTable& before) : bits_(bits_for(items.size(), before)) {
    size_ = items.size();
    if (items.empty()) return;
    // A counting sort by bucket: starts[b] is where the items of bucket b begin in `order`.
    std::vector<std::uint32_t> starts((std::size_t{1} << bits_) + 1), order(items.size());
    for (const T& item : items) ++starts[bucket_of(item.key) + 1];
    for (std::size_t b = 1; b < starts.size(); ++b) starts[b] += starts[b - 1];
    std::vector<std::uint32_t> next(starts.begin(), starts.end() - 1);
    for (std::uint32_t i = 0; i < items.size(); ++i) order[next[bucket_of(items[i].key)]++] = i;

    auto buckets = std::make_shared<std::vector<Bucket>>(next.size());
    bool comparable = before.buckets_ != nullptr && before.bits_ == bits_, all_same = comparable;
    std::vector<T> bucket;
    for (std::size_t b = 0; b < next.size(); ++b) {
      bucket.clear();
      for (std::uint32_t at = starts[b]; at < starts[b + 1]; ++at) bucket.push_back(items[order[at]]);
      std::ranges::stable_sort(bucket, {}, &T::key);
      bool same = comparable && equal((*before.buckets_)[b], bucket);
      all_same = all_same && same;
      if (same) {
        (*buckets)[b] = (*before.buckets_)[b];
      } else if (!bucket.empty()) {
        (*buckets)[b] = std::make_shared<const std::vector<T>>(bucket.begin(), bucket.end());
      }
    }
    buckets_ = all_same ? before.buckets_ : std::move(buckets);
  }

  std::size_t size() const { return size_; }

  /// The first item with this key, null if there is none.
  const T* find(std::uint64_t key) const {
    if (buckets_ == nullptr) return nullptr;
    const Bucket& bucket = (*buckets_)[bucket_of(key)];
    if (bucket == nullptr) return nullptr;
    auto found = std::ranges::lower_bound(*bucket, key, {}, &T::key);
    return found != bucket->end() && found->key == key ? &*found : nullptr;
  }

  /// The same, where `then` is what `before` has for this key: nothing is searched in what both share.
  const T* find(std::uint64_t key, const SharedTable& before, const T* then) const {
    if (buckets_ == before.buckets_) return then;
    if (buckets_ != nullptr && before.buckets_ != nullptr && bits_ == before.bits_ &&
        (*buckets_)[bucket_of(key)] == (*before.buckets_)[bucket_of(key)])
      return then;
    return find(key);
  }

  /// `visit(const T&)` in the order of keys.
  template <typename Visit>
  void for_each(Visit visit) const {
    if (buckets_ == nullptr) return;
    for (const Bucket& bucket : *buckets_) {
      if (bucket != nullptr) std::ranges::for_each(*bucket, visit);
    }
  }

  /// Bytes that this table holds and `before` does not, about.
  std::size_t bytes_beside(const SharedTable& before) const {
    if (buckets_ == nullptr || buckets_ == before.buckets_) return 0;
    std::size_t bytes = buckets_->size() * sizeof(Bucket);
    bool comparable = before.buckets_ != nullptr && before.bits_ == bits_;
    for (std::size_t b = 0; b < buckets_->size(); ++b) {
      const Bucket& bucket = (*buckets_)[b];
      if (bucket == nullptr || (comparable && bucket == (*before.buckets_)[b])) continue;
      bytes += kBucketBytes + bucket->capacity() * sizeof(T);
    }
    return bytes;
  }

 private:
  static constexpr std::size_t kItemsPerBucket = 8;
  static constexpr std::size_t kBucketBytes = sizeof(std::vector<T>) + 4 * sizeof(void*);  // with counts and malloc's
  using Bucket = std::shared_ptr<const std::vector<T>>;  // sorted by key; null when empty

  /// As few bits as before as long as that does: other buckets can share nothing.
  static unsigned bits_for(std::size_t items, const SharedTable& before) {
    auto wanted = static_cast<unsigned>(std::bit_width(items / kItemsPerBucket));
    bool near = before.buckets_ != nullptr && wanted + 1 >= before.bits_ && wanted <= before.bits_ + 1;
    return near ? before.bits_ : wanted;
  }
  static bool equal(const Bucket& then, const std::vector<T>& now) {
    return then == nullptr ? now.empty() : *then == now;
  }
  std::size_t bucket_of(std::uint64_t key) const {
    return bits_ == 0 ? 0 : static_cast<std::size_t>(key >> (64 - bits_));
  }

  unsigned bits_ = 0;
  std::size_t size_ = 0;
  std::shared_ptr<const std::vector<Bucket>> buckets_;
};

}  // namespace tcpadvisor
