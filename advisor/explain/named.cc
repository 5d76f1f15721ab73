// SPDX-License-Identifier: Apache-2.0
// Who is meant by a name, however it is typed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "advisor/explain/article.h"

namespace tcpadvisor::explain {
namespace {

constexpr std::size_t kBeginning = 4;      // letters that tell enough of a name
constexpr std::size_t kMostLikeIt = 3;     // names that are offered
constexpr std::size_t kLongestName = 200;  // a longer text is no name

/// "net/ipv4/tcp_rmem[2]" -> "net.ipv4.tcp_rmem"
std::string plain(std::string_view name) {
  std::string out(name);
  if (out.starts_with("net/") || out.starts_with("fs/")) std::ranges::replace(out, '/', '.');
  if (out.ends_with(']') && out.rfind('[') != out.npos && !out.ends_with("[]")) out.resize(out.rfind('['));
  return out;
}

bool is_topic(const Article& one) {
  return one.kind == Kind::state || one.kind == Kind::option || one.kind == Kind::call;
}

/// "so_linger" -> "linger"
std::string_view bare(std::string_view name) {
  for (std::string_view prefix : {"so_", "SO_", "tcp_", "TCP_", "ip_", "IP_"}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

bool goes_by(const Article& one, std::string_view wanted) {
  const std::string typed = folded(wanted), without = folded(bare(wanted));
  for (std::string_view name : {std::string_view(one.name), bare(one.name)}) {
    if (folded(name) == typed || folded(name) == without) return true;
  }
  std::string_view aliases = one.aliases;
  for (std::string_view word = next_word(aliases); !word.empty(); word = next_word(aliases)) {
    if (folded(word) == typed || folded(word) == without) return true;
  }
  return false;
}

/// "; did you mean 'close-wait-leak'?", with what begins alike where nothing is nearly the same.
std::string guess(std::string_view wanted, const std::vector<Article>& all) {
  std::vector<std::string> names;
  for (const Article& one : all) {
    names.push_back(one.name);
    names.emplace_back(last_part(one.name));
    if (is_topic(one)) names.emplace_back(bare(one.name));
    std::string_view aliases = one.aliases;
    for (std::string_view word = next_word(aliases); !word.empty(); word = next_word(aliases)) names.emplace_back(word);
  }
  std::vector<std::string_view> words(names.begin(), names.end());
  if (std::string text = did_you_mean(wanted, words); !text.empty()) return text;
  std::vector<std::string> plain_names;
  plain_names.reserve(names.size());
  for (const std::string& name : names) plain_names.push_back(folded(name));
  const std::string typed = folded(wanted);
  words.assign(plain_names.begin(), plain_names.end());
  if (auto at = nearest(typed, words)) return fmt::format("; did you mean '{}'?", names[*at]);
  if (typed.size() < kBeginning) return "";
  std::vector<std::string> like_it;
  for (std::size_t i = 0; i < names.size() && like_it.size() < kMostLikeIt; ++i) {
    const std::string& name = plain_names[i];
    const bool alike = name.starts_with(typed) || (name.size() >= kBeginning && typed.starts_with(name));
    if (alike && std::ranges::find(like_it, names[i]) == like_it.end()) like_it.push_back(names[i]);
  }
  std::string out;
  for (const std::string& name : like_it) out += fmt::format("{}'{}'", out.empty() ? "; did you mean " : " or ", name);
  return out.empty() ? "" : out + "?";
}

}  // namespace

Result<std::vector<Article>> articles_named(std::string_view name, const std::vector<Article>& all) {
  const std::string wanted = name.size() <= kLongestName ? plain(name) : "";
  std::vector<Article> exact, by_end, topics, loosely;
  for (const Article& one : all) {
    if (one.name == wanted) exact.push_back(one);
    if (last_part(one.name) == wanted) by_end.push_back(one);
    if (wanted.empty()) continue;
    if (is_topic(one) && one.name != wanted && goes_by(one, wanted)) topics.push_back(one);
    const std::string typed = folded(wanted);
    if (!typed.empty() && (folded(one.name) == typed || folded(last_part(one.name)) == typed)) loosely.push_back(one);
  }
  // A whole path is meant alone; a bare name is what all those are called that end in it.
  if (wanted.find('.') != wanted.npos && !exact.empty()) return exact;
  std::vector<Article>& found = by_end.empty() ? exact : by_end;
  found.insert(found.begin(), topics.begin(), topics.end());
  if (!found.empty()) return found;
  if (!loosely.empty()) return loosely;
  const std::string meant = wanted.empty() ? "" : guess(wanted, all);
  return fail(ErrorCode::bad_input, fmt::format("there is no rule, setting, metric, state, option or call '{}'{}",
                                                printable(name.substr(0, kLongestName)),
                                                meant.empty() ? "; tcpadvisor explain lists what there is" : meant));
}

}  // namespace tcpadvisor::explain
