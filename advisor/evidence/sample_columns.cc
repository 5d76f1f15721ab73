// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/sample_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/evidence/past.h"
#include "advisor/evidence/sample_fields.h"
#include "advisor/evidence/sample_names.h"

namespace tcpadvisor {
namespace {

template <typename T>
concept Plain = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, std::string>;

template <typename T>
concept Keyed = requires(const T& value) { past_key(value); };

std::uint64_t load(const Endpoint& end, std::size_t from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | end.ip[from + i];
  return value;
}

void store(Endpoint& end, std::size_t from, std::uint64_t value) {
  for (std::size_t i = 8; i-- > 0; value >>= 8) end.ip[from + i] = static_cast<std::uint8_t>(value);
}

std::string element_name(std::size_t at) {
  return fmt::format("[{}]", at);
}

// ---- writing ----

/// A table while it is written. Members are visited in the same order for each row, so the columns that the first row
/// made are found by their turn.
struct Node {
  ColumnTable table;
  std::vector<std::unique_ptr<Node>> children;
  std::size_t next_column = 0, next_child = 0;
};

class ColumnWriter {
 public:
  ColumnWriter(Node& node, Texts& texts) : node_(node), texts_(texts), naming_(node.table.rows == 0) {}

  template <typename T>
  void row(const T& value) {
    if constexpr (Keyed<T>) node_.table.keys.push_back(past_key(value));
    node_.next_column = node_.next_child = 0;
    write("", value);
    ++node_.table.rows;
  }

  template <typename T>
  void operator()(const char* name, const T& value) {
    write(name, value);
  }

 private:
  class Below {  // what is named until it goes is named below `name`
   public:
    Below(ColumnWriter& writer, std::string_view name) : writer_(writer), before_(writer.prefix_.size()) {
      if (!writer.naming_ || name.empty()) return;
      if (!writer.prefix_.empty() && !name.starts_with('[')) writer.prefix_ += '.';
      writer.prefix_ += name;
    }
    ~Below() {
      if (writer_.naming_) writer_.prefix_.resize(before_);
    }
    Below(const Below&) = delete;
    Below& operator=(const Below&) = delete;

   private:
    ColumnWriter& writer_;
    std::size_t before_;
  };

  std::string full(std::string_view name) const {
    if (name.empty()) return prefix_;
    return prefix_.empty() || name.starts_with('#') || name.starts_with('?') ? prefix_ + std::string(name)
                                                                             : fmt::format("{}.{}", prefix_, name);
  }
  Column& column(std::string_view name, std::size_t width) {
    if (node_.next_column == node_.table.columns.size()) node_.table.columns.push_back({full(name), width, {}});
    return node_.table.columns[node_.next_column++];
  }
  Node& child(std::string_view name) {
    if (node_.next_child == node_.children.size()) {
      node_.children.push_back(std::make_unique<Node>());
      std::string path = node_.table.path;
      if (!path.empty()) path += '/';
      node_.children.back()->table.path = path + full(name);
    }
    return *node_.children[node_.next_child++];
  }

  std::uint64_t slot_of(const std::string& text) { return texts_.number_of(text); }
  std::uint64_t slot_of(double value) { return std::bit_cast<std::uint64_t>(value); }
  template <std::integral T>
  std::uint64_t slot_of(T value) {
    return static_cast<std::uint64_t>(value);
  }
  template <typename T>
    requires std::is_enum_v<T>
  std::uint64_t slot_of(T value) {
    auto names = names_of<T>();
    const auto at = static_cast<std::size_t>(value);
    return at < names.size() ? texts_.number_of(names[at]) : 0;
  }

  template <Plain T>
  void write(std::string_view name, const T& value) {
    column(name, 1).slots.push_back(slot_of(value));
  }
  void write(std::string_view name, const Endpoint& value) {
    Below below(*this, name);
    column("v6", 1).slots.push_back(value.v6 ? 1 : 0);
    column("high", 1).slots.push_back(load(value, 0));
    column("low", 1).slots.push_back(load(value, 8));
    column("port", 1).slots.push_back(value.port);
  }
  template <typename T>
  void write(std::string_view name, const std::optional<T>& value) {
    static const T kNone{};
    Below below(*this, name);
    column("?", 1).slots.push_back(value ? 1 : 0);
    write("", value ? *value : kNone);
  }
  template <typename T, std::size_t N>
  void write(std::string_view name, const std::array<T, N>& value) {
    if constexpr (Plain<T>) {
      Column& into = column(name, N);
      for (const T& item : value) into.slots.push_back(slot_of(item));
    } else {
      Below below(*this, name);
      for (std::size_t at = 0; at < N; ++at) {
        if constexpr (N == kStateCount) {
          write(kStateNames[at], value[at]);
        } else {
          write(naming_ ? element_name(at) : std::string(), value[at]);
        }
      }
    }
  }
  template <typename T>
  void write(std::string_view name, const std::vector<T>& value) {
    Below below(*this, name);
    column("#", 1).slots.push_back(value.size());
    ColumnWriter rows(child(""), texts_);
    for (const T& item : value) {
      rows.naming_ = rows.node_.table.rows == 0;
      rows.row(item);
    }
  }
  template <typename K, typename V>
  void write(std::string_view name, const std::map<K, V>& value) {
    Below below(*this, name);
    column("#", 1).slots.push_back(value.size());
    ColumnWriter rows(child(""), texts_);
    for (const auto& item : value) {
      rows.naming_ = rows.node_.table.rows == 0;
      rows.row(item);
    }
  }
  template <typename K, typename V>
  void write(std::string_view, const std::pair<const K, V>& value) {
    write("key", value.first);
    write("value", value.second);
  }
  template <typename T>
    requires requires(ColumnWriter& writer, const T& value) { describe(writer, value); }
  void write(std::string_view name, const T& value) {
    Below below(*this, name);
    describe(*this, value);
  }

  Node& node_;
  Texts& texts_;
  bool naming_;
  std::string prefix_;
};

void collect(Node& node, ColumnTables& out) {
  out.push_back(std::move(node.table));
  for (const auto& child : node.children) collect(*child, out);
}

// ---- reading ----

struct Source;
using Sources = std::map<std::string_view, Source, std::less<>>;

/// A table while it is read: columns by name for the first row, by their turn for the others.
struct Source {
  const ColumnTable* table = nullptr;
  std::map<std::string_view, const Column*, std::less<>> by_name;
  std::vector<const Column*> turn;
  std::vector<Source*> children;
  std::size_t row = 0;  ///< the next to be read
};

/// What all readers of one Sample share.
struct Reading {
  const Texts& texts;
  Sources sources;
  std::size_t text_bytes = 0;
  std::string bad;  ///< the first thing that was wrong

  void fail(std::string_view where, std::string_view what) {
    if (bad.empty()) bad = fmt::format("{}: {}", printable(where), what);
  }
};

class ColumnReader {
 public:
  ColumnReader(Reading& reading, Source* source) : reading_(reading), source_(source) {}

  /// False: there is no such row.
  template <typename T>
  bool row(T& value) {
    if (source_ == nullptr || source_->row >= source_->table->rows) return false;
    next_column_ = next_child_ = 0;
    naming_ = source_->row == 0;
    read("", value);
    ++source_->row;
    return reading_.bad.empty();
  }

  template <typename T>
  void operator()(const char* name, T& value) {
    read(name, value);
  }

 private:
  class Below {
   public:
    Below(ColumnReader& reader, std::string_view name) : reader_(reader), before_(reader.prefix_.size()) {
      if (!reader.naming_ || name.empty()) return;
      if (!reader.prefix_.empty() && !name.starts_with('[')) reader.prefix_ += '.';
      reader.prefix_ += name;
    }
    ~Below() {
      if (reader_.naming_) reader_.prefix_.resize(before_);
    }
    Below(const Below&) = delete;
    Below& operator=(const Below&) = delete;

   private:
    ColumnReader& reader_;
    std::size_t before_;
  };

  std::string full(std::string_view name) const {
    if (name.empty()) return prefix_;
    return prefix_.empty() || name.starts_with('#') || name.starts_with('?') ? prefix_ + std::string(name)
                                                                             : fmt::format("{}.{}", prefix_, name);
  }
  /// Null: not recorded.
  const std::uint64_t* slots(std::string_view name, std::size_t width) {
    if (next_column_ == source_->turn.size()) {
      auto found = source_->by_name.find(full(name));
      const Column* column = found == source_->by_name.end() ? nullptr : found->second;
      if (column != nullptr && column->width != width) {
        reading_.fail(column->name, "has another size in this version");
        column = nullptr;
      }
      source_->turn.push_back(column);
    }
    const Column* column = source_->turn[next_column_++];
    return column == nullptr ? nullptr : column->slots.data() + source_->row * width;
  }
  Source* child() {
    if (next_child_ == source_->children.size()) {
      std::string path = source_->table->path;
      if (!path.empty()) path += '/';
      auto found = reading_.sources.find(path + prefix_);
      source_->children.push_back(found == reading_.sources.end() ? nullptr : &found->second);
    }
    return source_->children[next_child_++];
  }
  /// Rows of a child that belong to this row, as far as they are there.
  std::size_t count(Source* below) {
    const std::uint64_t* slot = slots("#", 1);
    if (slot == nullptr) return 0;
    const std::size_t left = below == nullptr ? 0 : below->table->rows - below->row;
    if (*slot > left) {
      reading_.fail(prefix_, "has fewer rows than it says");
      return 0;
    }
    return static_cast<std::size_t>(*slot);
  }

  void take(std::uint64_t slot, std::string& into) {
    std::string_view text = reading_.texts.text(slot);
    if (slot >= reading_.texts.size()) reading_.fail(prefix_, "names a text that is not there");
    reading_.text_bytes += text.size();
    if (reading_.text_bytes > kMostTextBytes) {
      reading_.fail(prefix_, "its texts are larger than 64 MiB");
      return;
    }
    into = text;
  }
  void take(std::uint64_t slot, double& into) { into = std::bit_cast<double>(slot); }
  void take(std::uint64_t slot, bool& into) { into = slot != 0; }
  template <std::unsigned_integral T>
  void take(std::uint64_t slot, T& into) {
    if (!std::in_range<T>(slot)) reading_.fail(prefix_, "does not fit");
    into = static_cast<T>(slot);
  }
  template <std::signed_integral T>
  void take(std::uint64_t slot, T& into) {
    const auto value = static_cast<std::int64_t>(slot);
    if (!std::in_range<T>(value)) reading_.fail(prefix_, "does not fit");
    into = static_cast<T>(value);
  }
  template <typename T>
    requires std::is_enum_v<T>
  void take(std::uint64_t slot, T& into) {
    auto names = names_of<T>();
    auto at = std::ranges::find(names, reading_.texts.text(slot));
    if (at == names.end() || (std::same_as<T, TcpState> && at == names.begin())) {
      reading_.fail(prefix_, fmt::format("'{}' is not known", printable(reading_.texts.text(slot))));
      return;
    }
    into = static_cast<T>(at - names.begin());
  }

  template <Plain T>
  void read(std::string_view name, T& into) {
    if (const std::uint64_t* slot = slots(name, 1); slot != nullptr && !passing_) take(*slot, into);
  }
  void read(std::string_view name, Endpoint& into) {
    Below below(*this, name);
    const std::uint64_t *v6 = slots("v6", 1), *high = slots("high", 1), *low = slots("low", 1);
    if (const std::uint64_t* port = slots("port", 1); port != nullptr && !passing_) take(*port, into.port);
    if (v6 != nullptr) into.v6 = *v6 != 0;
    if (high != nullptr) store(into, 0, *high);
    if (low != nullptr) store(into, 8, *low);
  }
  template <typename T>
  void read(std::string_view name, std::optional<T>& into) {
    Below below(*this, name);
    const std::uint64_t* there = slots("?", 1);
    T value{};
    if (there != nullptr && *there != 0) {
      read("", value);
      into = std::move(value);
    } else {
      pass("", value);
      into.reset();
    }
  }
  /// Takes the turns of what is not there, and reads nothing.
  template <typename T>
  void pass(std::string_view name, T& scratch) {
    const bool before = std::exchange(passing_, true);
    if constexpr (std::is_enum_v<T> || Plain<T>) {
      slots(name, 1);
    } else {
      read(name, scratch);
    }
    passing_ = before;
  }
  template <typename T, std::size_t N>
  void read(std::string_view name, std::array<T, N>& into) {
    if constexpr (Plain<T>) {
      const std::uint64_t* from = slots(name, N);
      for (std::size_t at = 0; from != nullptr && !passing_ && at < N; ++at) take(from[at], into[at]);
    } else {
      Below below(*this, name);
      for (std::size_t at = 0; at < N; ++at) {
        if constexpr (N == kStateCount) {
          read(kStateNames[at], into[at]);
        } else {
          read(naming_ ? element_name(at) : std::string(), into[at]);
        }
      }
    }
  }
  template <typename T>
  void read(std::string_view name, std::vector<T>& into) {
    Below below(*this, name);
    Source* from = child();
    const std::size_t rows = count(from);
    into.clear();
    ColumnReader reader(reading_, from);
    for (std::size_t at = 0; at < rows && reading_.bad.empty(); ++at) {
      T item{};
      if (!reader.row(item)) break;
      into.push_back(std::move(item));
    }
  }
  template <typename K, typename V>
  void read(std::string_view name, std::map<K, V>& into) {
    Below below(*this, name);
    Source* from = child();
    const std::size_t rows = count(from);
    into.clear();
    ColumnReader reader(reading_, from);
    for (std::size_t at = 0; at < rows && reading_.bad.empty(); ++at) {
      std::pair<K, V> item;
      if (!reader.row(item)) break;
      into.insert_or_assign(std::move(item.first), std::move(item.second));
    }
  }
  template <typename K, typename V>
  void read(std::string_view, std::pair<K, V>& into) {
    read("key", into.first);
    read("value", into.second);
  }
  template <typename T>
    requires requires(ColumnReader& reader, T& value) { describe(reader, value); }
  void read(std::string_view name, T& into) {
    Below below(*this, name);
    describe(*this, into);
  }

  Reading& reading_;
  Source* source_;
  std::size_t next_column_ = 0, next_child_ = 0;
  bool naming_ = true, passing_ = false;
  std::string prefix_;
};

}  // namespace

std::uint64_t Texts::number_of(std::string_view text) {
  auto found = numbers_.find(text);
  if (found != numbers_.end()) return found->second;
  texts_.emplace_back(text);
  numbers_.emplace(text, texts_.size() - 1);
  return texts_.size() - 1;
}

ColumnTables to_columns(const Sample& sample, Texts& texts) {
  Node root;
  ColumnWriter(root, texts).row(sample);
  ColumnTables out;
  collect(root, out);
  return out;
}

Result<Sample> from_columns(const ColumnTables& tables, const Texts& texts) {
  Reading reading{texts, {}, 0, {}};
  for (const ColumnTable& table : tables) {
    Source source;
    source.table = &table;
    for (const Column& column : table.columns) {
      if (column.slots.size() != table.rows * column.width) continue;
      source.by_name.emplace(column.name, &column);
    }
    reading.sources.emplace(table.path, std::move(source));
  }
  auto root = reading.sources.find(std::string_view());
  Sample sample;
  if (root == reading.sources.end() || !ColumnReader(reading, &root->second).row(sample)) {
    if (reading.bad.empty()) reading.bad = "there is no row of the tick itself";
  }
  if (!reading.bad.empty()) return fail(ErrorCode::bad_input, reading.bad);
  return sample;
}

}  // namespace tcpadvisor
