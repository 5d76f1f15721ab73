// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/gate.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <system_error>

#include "agent/os/privileges.h"
#include "agent/os/sandbox.h"

namespace tcpadvisor::serve {
namespace {

constexpr std::size_t kMostKnown = 64;

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
}

}  // namespace

Gate::Gate(exported::AgentNumbers& numbers, std::function<void()> done) : numbers_(numbers), done_(std::move(done)) {}

Gate::~Gate() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.reset();
}

Entry Gate::enter(void* who, std::optional<std::string_view> authorization, const PasswordsPtr& passwords) {
  if (!passwords) return Entry::open;
  auto& logins = numbers_.http.logins;
  if (!authorization) {
    ++logins.missing;
    return Entry::refused;
  }
  Result<Credentials> given = parse_authorization(*authorization);
  if (!given) {
    ++logins.refused;
    return Entry::refused;
  }
  if (known_by_ != passwords) known_.clear();
  known_by_ = passwords;
  if (!thread_ && !begin()) {
    ++logins.busy;
    return Entry::busy;
  }
  if (is_known(mark_of(*given))) {
    ++logins.known;
    wipe(given->password);
    return Entry::open;
  }
  {
    std::lock_guard lock(mutex_);
    if (asked_.size() >= passwords->most_waiting()) {
      ++logins.busy;
      return Entry::busy;
    }
    asked_.push_back({.number = next_, .passwords = passwords, .credentials = std::move(*given)});
  }
  waiting_[next_++] = who;
  wake_.notify_one();
  return Entry::waits;
}

std::vector<std::pair<void*, Entry>> Gate::take(const PasswordsPtr& now) {
  std::deque<Job> decided;
  {
    std::lock_guard lock(mutex_);
    decided.swap(decided_);
  }
  std::vector<std::pair<void*, Entry>> told;
  auto& logins = numbers_.http.logins;
  for (Job& job : decided) {
    const bool counts = job.passwords == now;
    if (counts && job.is_right && known_by_ == now) remember(mark_of(job.credentials));
    wipe(job.credentials.password);
    ++(!counts ? logins.busy : job.is_right ? logins.checked : logins.refused);
    const auto found = waiting_.find(job.number);
    if (found == waiting_.end()) continue;  // it has left
    told.emplace_back(found->second, !counts ? Entry::busy : job.is_right ? Entry::open : Entry::refused);
    waiting_.erase(found);
  }
  return told;
}

bool Gate::forget(void* who) {
  return std::erase_if(waiting_, [who](const auto& one) { return one.second == who; }) > 0;
}

bool Gate::begin() {
  // Without randomness marks could be guessed; the process has far worse trouble then.
  if (RAND_bytes(secret_.data(), static_cast<int>(secret_.size())) != 1) return false;
  try {
    thread_.emplace("passwords", [this] { work(); });
    return true;
  } catch (const std::system_error&) {  // no thread is left
    return false;
  }
}

void Gate::work() {
  // It begins with nothing, as its maker has nothing; a guard that is missing changes nothing about that.
  [[maybe_unused]] const Status kept = os::keep_only({});
  [[maybe_unused]] const Status forbidden = os::forbid_changes();
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !asked_.empty(); });
      if (stop_) return;
      job = std::move(asked_.front());
      asked_.pop_front();
    }
    job.is_right = job.passwords->check(job.credentials);
    {
      std::lock_guard lock(mutex_);
      decided_.push_back(std::move(job));
    }
    done_();
  }
}

Gate::Mark Gate::mark_of(const Credentials& credentials) const {
  // No name has a colon.
  std::string both = credentials.user + ":" + credentials.password;
  Mark mark{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(both.data()), both.size(), mark.data(), &size);
  wipe(both);
  return mark;
}

bool Gate::is_known(const Mark& mark) {
  const auto found = std::ranges::find_if(
      known_, [&](const Mark& one) { return CRYPTO_memcmp(one.data(), mark.data(), mark.size()) == 0; });
  if (found == known_.end()) return false;
  std::rotate(known_.begin(), found, found + 1);
  return true;
}

void Gate::remember(const Mark& mark) {
  if (is_known(mark)) return;
  known_.push_front(mark);
  if (known_.size() > kMostKnown) known_.pop_back();
}

}  // namespace tcpadvisor::serve
