// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/sample_json.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <concepts>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/evidence/sample_fields.h"
#include "advisor/evidence/sample_names.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;

// ---- writing ----

class Writer;
template <typename T>
json write(const T& value);

class Writer {
 public:
  explicit Writer(json& object) : object_(object) {}
  template <typename T>
  void operator()(const char* name, const T& value) {
    object_[name] = write(value);
  }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value) object_[name] = write(*value);
  }

 private:
  json& object_;
};

json write_value(const std::string& text) {
  return printable(text);
}  // JSON must be valid UTF-8 whatever was observed
json write_value(const Endpoint& endpoint) {
  return {{"ip", endpoint.ip_text()}, {"port", endpoint.port}};
}
json write_value(const StateTable& table) {
  json object = json::object();
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (table[state] != StateTotals{}) object[std::string(kStateNames[state])] = write(table[state]);
  }
  return object;
}
template <typename T>
json write_value(const std::vector<T>& list) {
  json array = json::array();
  for (const T& item : list) array.push_back(write(item));
  return array;
}
template <typename T, std::size_t N>
json write_value(const std::array<T, N>& list) {
  json array = json::array();
  for (const T& item : list) array.push_back(write(item));
  return array;
}
template <typename K, typename V>
json write_value(const std::map<K, V>& map) {
  json object = json::object();
  for (const auto& [key, value] : map) {
    object[printable(key)] = write(value);
  }
  return object;
}
template <typename T>
  requires std::is_arithmetic_v<T>
json write_value(T value) {
  return value;
}
template <typename T>
  requires std::is_enum_v<T>
json write_value(T value) {
  return std::string(names_of<T>()[static_cast<std::size_t>(value)]);
}
template <typename T>
  requires requires(Writer& writer, const T& value) { describe(writer, value); }
json write_value(const T& value) {
  json object = json::object();
  Writer writer(object);
  describe(writer, value);
  return object;
}

template <typename T>
json write(const T& value) {
  return write_value(value);
}

// ---- reading ----

/// Thrown inside this file only; it becomes the Error of sample_from_json().
struct Bad {
  std::string where, what;
};

class Reader;
template <typename T>
void read(const json& from, T& into, const std::string& where);

std::string below(const std::string& where, std::string_view name) {
  return where.empty() ? std::string(name) : fmt::format("{}.{}", where, name);
}

/// A member that is missing keeps its default: what was written before there was such a member stays readable.
class Reader {
 public:
  Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) throw Bad{where_, "should be an object"};
  }
  template <typename T>
  void operator()(const char* name, T& value) {
    auto at = object_.find(name);
    if (at != object_.end()) read(*at, value, below(where_, name));
  }
  template <typename T>
  void operator()(const char* name, std::optional<T>& value) {
    auto at = object_.find(name);
    value.reset();
    if (at != object_.end() && !at->is_null()) read(*at, value.emplace(), below(where_, name));
  }

 private:
  const json& object_;
  std::string where_;
};

void read_value(const json& from, bool& into, const std::string& where) {
  if (!from.is_boolean()) throw Bad{where, "should be true or false"};
  into = from.get<bool>();
}
void read_value(const json& from, double& into, const std::string& where) {
  if (!from.is_number()) throw Bad{where, "should be a number"};
  into = from.get<double>();
}
void read_value(const json& from, std::string& into, const std::string& where) {
  if (!from.is_string()) throw Bad{where, "should be a text"};
  into = from.get<std::string>();
}
template <std::integral T>
void read_value(const json& from, T& into, const std::string& where) {
  bool fits = false;
  if (from.is_number_unsigned()) {
    auto value = from.get<std::uint64_t>();
    fits = std::in_range<T>(value);
    into = static_cast<T>(value);
  } else if (from.is_number_integer()) {
    auto value = from.get<std::int64_t>();
    fits = std::in_range<T>(value);
    into = static_cast<T>(value);
  }
  if (!fits) throw Bad{where, fmt::format("should be a whole number of {} bits", sizeof(T) * 8)};
}
template <typename T>
  requires std::is_enum_v<T>
void read_value(const json& from, T& into, const std::string& where) {
  auto names = names_of<T>();
  std::string name;
  read(from, name, where);
  auto at = std::ranges::find(names, name);
  if (at == names.end() || name == kStateNames[0])
    throw Bad{where, fmt::format("'{}' is none of {}", printable(name), fmt::join(names, ", "))};
  into = static_cast<T>(at - names.begin());
}
void read_value(const json& from, Endpoint& into, const std::string& where) {
  std::string ip;
  Reader reader(from, where);
  reader("ip", ip);
  reader("port", into.port);
  into.v6 = ip.find(':') != std::string::npos;
  into.ip = {};
  if (inet_pton(into.v6 ? AF_INET6 : AF_INET, ip.c_str(), into.ip.data()) != 1) {
    throw Bad{below(where, "ip"), fmt::format("'{}' is not an IP address", printable(ip))};
  }
}
void read_value(const json& from, StateTable& into, const std::string& where) {
  if (!from.is_object()) throw Bad{where, "should be an object"};
  into = {};
  for (const auto& [name, totals] : from.items()) {
    auto at = std::ranges::find(kStateNames, name);
    if (at == kStateNames.end() || at == kStateNames.begin())
      throw Bad{below(where, printable(name)), "is no TCP state"};
    read(totals, into[static_cast<std::size_t>(at - kStateNames.begin())], below(where, name));
  }
}
template <typename T>
void read_value(const json& from, std::vector<T>& into, const std::string& where) {
  if (!from.is_array()) throw Bad{where, "should be an array"};
  into.clear();
  into.reserve(from.size());
  for (std::size_t at = 0; at < from.size(); ++at) {
    read(from[at], into.emplace_back(), fmt::format("{}[{}]", where, at));
  }
}
template <typename T, std::size_t N>
void read_value(const json& from, std::array<T, N>& into, const std::string& where) {
  if (!from.is_array() || from.size() != N) throw Bad{where, fmt::format("should be an array of {}", N)};
  for (std::size_t at = 0; at < N; ++at) read(from[at], into[at], fmt::format("{}[{}]", where, at));
}
template <typename K, typename V>
void read_value(const json& from, std::map<K, V>& into, const std::string& where) {
  if (!from.is_object()) throw Bad{where, "should be an object"};
  into.clear();
  for (const auto& [name, item] : from.items()) {
    read(item, into[name], below(where, printable(name)));
  }
}
template <typename T>
  requires requires(Reader& reader, T& value) { describe(reader, value); }
void read_value(const json& from, T& into, const std::string& where) {
  Reader reader(from, where);
  describe(reader, into);
}

template <typename T>
void read(const json& from, T& into, const std::string& where) {
  read_value(from, into, where);
}

}  // namespace

json to_json(const Sample& sample) {
  json object = write(sample);
  object["version"] = kSampleJsonVersion;
  return object;
}

Result<Sample> sample_from_json(const json& from) {
  try {
    int version = 0;
    Reader reader(from, "");
    if (!from.contains("version")) throw Bad{"version", "is missing"};
    reader("version", version);
    if (version != kSampleJsonVersion) {
      return fail(ErrorCode::bad_input, fmt::format("version: {} is not readable, this program reads version {}",
                                                    version, kSampleJsonVersion));
    }
    Sample sample;
    describe(reader, sample);
    return sample;
  } catch (const Bad& bad) {
    return fail(ErrorCode::bad_input, fmt::format("{}: {}", bad.where.empty() ? "the sample" : bad.where, bad.what));
  }
}

}  // namespace tcpadvisor
