// SPDX-License-Identifier: Apache-2.0
#include "agent/store/anonymize.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "advisor/base/text.h"

namespace tcpadvisor::store {
namespace {

/// SipHash-2-4 (Aumasson, Bernstein 2012): without the key nobody can try names or addresses.
class SipHash {
 public:
  explicit SipHash(const Anonymizer::Key& key)
      : a_(key[0] ^ 0x736f6d6570736575),
        b_(key[1] ^ 0x646f72616e646f6d),
        c_(key[0] ^ 0x6c7967656e657261),
        d_(key[1] ^ 0x7465646279746573) {}

  void add(std::uint64_t word) {
    d_ ^= word;
    round();
    round();
    a_ ^= word;
  }
  std::uint64_t finish() {
    c_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return a_ ^ b_ ^ c_ ^ d_;
  }

 private:
  void round() {
    a_ += b_;
    c_ += d_;
    b_ = std::rotl(b_, 13) ^ a_;
    d_ = std::rotl(d_, 16) ^ c_;
    a_ = std::rotl(a_, 32);
    c_ += b_;
    a_ += d_;
    b_ = std::rotl(b_, 17) ^ c_;
    d_ = std::rotl(d_, 21) ^ a_;
    c_ = std::rotl(c_, 32);
  }
  std::uint64_t a_, b_, c_, d_;
};

constexpr unsigned kAllBits = 128;

/// How many bits of an address say of what kind it is and stay; kAllBits: all of it.
unsigned kept_bits(const Endpoint& end) {
  const auto& ip = end.ip;
  if (end.is_loopback() || end.is_unspecified()) return kAllBits;
  if (end.v6) {
    if (ip[0] == 0xff) return kAllBits;
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return 64;  // link-local
    if ((ip[0] & 0xfe) == 0xfc) return 8;                    // unique local
    return (ip[0] & 0xe0) == 0x20 ? 3 : 16;
  }
  if (ip[0] == 0 || ip[0] >= 224) return kAllBits;
  if (ip[0] == 10) return 8;
  if (ip[0] == 172 && (ip[1] & 0xf0) == 16) return 12;
  if ((ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254)) return 16;
  if (ip[0] == 100 && (ip[1] & 0xc0) == 64) return 10;  // of carriers
  return 0;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/// Where an id of 32 digits or more begins and ends, dashes or underscores in it; npos: there is none.
std::pair<std::size_t, std::size_t> id_in(std::string_view part) {
  for (std::size_t from = 0; from < part.size(); ++from) {
    std::size_t end = from, digits = 0;
    while (end < part.size() && (is_hex(part[end]) || (digits > 0 && (part[end] == '-' || part[end] == '_')))) {
      digits += is_hex(part[end]) ? 1 : 0;
      ++end;
    }
    while (end > from && !is_hex(part[end - 1])) --end;
    // "kubepods-burstable-pod…": the d of pod is a digit too
    const std::size_t extra = digits % 32;
    if (digits >= 32 && extra < 2) return {from + extra, end};
    if (end > from) from = end - 1;
  }
  return {std::string_view::npos, 0};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool stays(std::string_view part) {
  constexpr std::string_view kWords[] = {"system.slice", "user.slice", "machine.slice", "init.scope",
                                         "docker",       "lxc",        "lxc.payload",   "podman",
                                         "crio",         "kubepods",   "app.slice",     "session.slice"};
  if (std::ranges::find(kWords, part) != std::end(kWords)) return true;
  if (part.starts_with("kubepods") && id_in(part).first == part.npos) return true;
  for (const auto& [before, after] : {std::pair<std::string_view, std::string_view>("user-", ".slice"),
                                      {"user@", ".service"},
                                      {"session-", ".scope"}}) {
    if (part.starts_with(before) && part.ends_with(after) && part.size() > before.size() + after.size() &&
        is_number(part.substr(before.size(), part.size() - before.size() - after.size())))
      return true;
  }
  return false;
}

}  // namespace

Result<Anonymizer> Anonymizer::create() {
  Key key{};
  if (getrandom(key.data(), sizeof key, 0) != static_cast<ssize_t>(sizeof key))
    return fail(ErrorCode::failed, "no random numbers for --anonymize", errno);
  return Anonymizer(key);
}

std::uint64_t Anonymizer::hash(std::string_view text) const {
  SipHash sum(key_);
  std::uint64_t word = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    word = word << 8 | static_cast<unsigned char>(text[at]);
    if (at % 8 == 7) sum.add(std::exchange(word, 0));
  }
  sum.add(word);
  sum.add(text.size());
  return sum.finish();
}

/// Each bit is turned or not, as the hash of the bits before it says: equal beginnings stay equal (Xu et al. 2002).
Endpoint Anonymizer::permuted(const Endpoint& end, unsigned kept) const {
  Endpoint out = end;
  const unsigned bits = end.v6 ? 128 : 32;
  std::uint64_t high = 0, low = 0;  // the bits before
  for (unsigned at = 0; at < bits; ++at) {
    const unsigned bit = end.ip[at / 8] >> (7 - at % 8) & 1u;
    if (at >= kept) {
      SipHash sum(key_);
      sum.add(at | (end.v6 ? 256u : 0u));
      sum.add(high);
      sum.add(low);
      if ((sum.finish() & 1) != 0) out.ip[at / 8] ^= static_cast<std::uint8_t>(0x80u >> at % 8);
    }
    high = high << 1 | low >> 63;
    low = low << 1 | bit;
  }
  return out;
}

Endpoint Anonymizer::address(const Endpoint& end) {
  Endpoint bare = end;
  bare.port = 0;
  auto [known, added] = addresses_.try_emplace(bare, bare);
  if (added) {
    const unsigned kept = kept_bits(bare);
    if (kept < kAllBits) {
      Endpoint other = permuted(bare, kept);
      while (kept_bits(other) != kept) other = permuted(other, kept);  // a public one must not become a private one
      known->second = other;
    }
  }
  Endpoint out = known->second;
  out.port = end.port;
  return out;
}

std::string Anonymizer::name(std::string_view kind, std::string_view text) const {
  return text.empty() ? "" : fmt::format("{}-{:08x}", kind, hash(text) & 0xffff'ffff);
}

std::string Anonymizer::part(std::string_view part) const {
  if (part.empty() || stays(part)) return std::string(part);
  if (auto [from, end] = id_in(part); from != part.npos) {
    std::string out(part), seed(part.substr(from, end - from));
    std::ranges::replace(seed, '_', '-');  // the same pod is written either way
    std::uint64_t digits = 0;
    for (std::size_t at = from, count = 0; at < end; ++at) {
      if (!is_hex(out[at])) continue;
      if (count % 16 == 0) digits = hash(fmt::format("{}{}", seed, count));
      out[at] = "0123456789abcdef"[digits & 15];
      digits >>= 4;
      ++count;
    }
    return out;
  }
  std::string_view before, after;
  for (std::string_view one : {"lxc.payload.", "machine-", "systemd-nspawn@"}) {
    if (part.starts_with(one)) before = one;
  }
  for (std::string_view one : {".service", ".scope", ".slice", ".socket", ".mount", ".swap"}) {
    if (part.ends_with(one)) after = one;
  }
  if (before.size() + after.size() >= part.size()) before = {};
  return fmt::format("{}{}{}", before,
                     name("unit", part.substr(before.size(), part.size() - before.size() - after.size())), after);
}

std::string Anonymizer::path(std::string_view path) const {
  std::string out;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    out += part(path.substr(0, slash));
    if (slash < path.size()) out += '/';
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return out;
}

std::string Anonymizer::text(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool begins = text[at] == '/' && (at == 0 || std::string_view(" '\"(=:").find(text[at - 1]) != text.npos);
    if (!begins || text.substr(at).starts_with("/proc") || text.substr(at).starts_with("/sys")) {
      out += text[at++];
      continue;
    }
    out += "/…";
    at = std::min(text.find_first_of(" '\"):,;", at), text.size());
  }
  return out;
}

std::string Anonymizer::netns_name(const std::string& netns) const {
  return netns == "host" || netns.starts_with("pid:") ? netns : name("netns", netns);
}

Sample Anonymizer::operator()(const Sample& sample) {
  Sample out = sample;
  auto comm = [&](std::string& text) { text = name("proc", text); };
  auto end = [&](Endpoint& one) { one = address(one); };
  auto cgroup = [&](std::string& text) { text = path(text); };
  out.host.name = name("host", out.host.name);
  for (NetnsSample& one : out.netns) {
    one.name = netns_name(one.name);
    one.error = text(one.error);
  }
  for (SocketRow& row : out.sockets) {
    end(row.local);
    end(row.remote);
    if (row.owner) comm(row.owner->comm);
    for (HoldingProcess& one : row.others) comm(one.comm);
    if (row.last_user) comm(row.last_user->comm);
    cgroup(row.cgroup);
  }
  for (UserQueue& queue : out.user_queues) {
    end(queue.local);
    end(queue.remote);
    comm(queue.comm);
    queue.name = name("queue", queue.name);
  }
  for (OwnerTotals& owner : out.owners) {
    comm(owner.comm);
    cgroup(owner.cgroup);
    if (!owner.frozen_by.empty()) {  // a file of the freezer in the cgroup's folder
      const std::size_t slash = owner.frozen_by.rfind('/');
      owner.frozen_by =
          "/sys/fs/cgroup" + owner.cgroup + (slash == std::string::npos ? "" : owner.frozen_by.substr(slash));
    }
  }
  for (NetworkTotals& one : out.networks) {
    comm(one.comm);
    if (one.elsewhere) continue;
    end(one.network);  // equal beginnings stay equal, so this begins as the addresses in it do
    one.network = network_of(one.network);
  }
  for (CgroupTotals& one : out.cgroups) cgroup(one.path);
  GroupNames names;
  for (const auto& [id, given] : out.group_names) names.emplace(part(id), path(given));
  out.group_names = std::move(names);
  for (PortUse& use : out.port_use) {
    end(use.source);
    end(use.destination);
  }
  for (FailedConnects& one : out.failed_connects) {
    comm(one.comm);
    end(one.destination);
  }
  for (Retransmits& one : out.retransmits) end(one.destination);
  for (Drops& one : out.drops) end(one.peer);
  for (Closes& one : out.closes) {
    comm(one.comm);
    end(one.destination);
  }
  if (out.setting_files) {
    for (SettingLine& line : out.setting_files->lines) {
      const std::size_t base = line.file.rfind('/') + 1;  // 0 if there is none
      line.file = line.file.substr(0, base) + name("file", line.file.substr(base));
    }
    out.setting_files->tuned_profile = name("profile", out.setting_files->tuned_profile);
  }
  for (FactCoverage& fact : out.coverage) {
    fact.remark = text(fact.remark);
    fact.in_use = text(fact.in_use);
    for (Attempt& one : fact.attempts) {
      one.source = text(one.source);
      one.why_not = text(one.why_not);
      one.cure = text(one.cure);
    }
  }
  out.self.partial_why = text(out.self.partial_why);
  out.self.hooks_not_measured = text(out.self.hooks_not_measured);
  return out;
}

}  // namespace tcpadvisor::store
