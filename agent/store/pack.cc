// SPDX-License-Identifier: Apache-2.0
// A tick: new texts; then for each table that is not as before its number, rows, who they were before, and the columns
// that changed. A number is what it was before, plus the step that most took (0 if there is none), plus a rest.
#include "agent/store/pack.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agent/store/bytes.h"

namespace tcpadvisor::store {
namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kNew = SIZE_MAX;  ///< no row before

/// For each row of `now` the one before that it was.
std::vector<std::size_t> rows_before(const ColumnTable& now, const ColumnTable& then) {
  std::vector<std::size_t> out(now.rows, kNew);
  if (now.keys.size() != now.rows || then.keys.size() != then.rows) {
    for (std::size_t row = 0; row < std::min(now.rows, then.rows); ++row) out[row] = row;
    return out;
  }
  std::unordered_map<std::uint64_t, std::size_t> known;
  for (std::size_t row = 0; row < then.rows; ++row) known.emplace(then.keys[row], row);
  for (std::size_t row = 0; row < now.rows; ++row) {
    auto found = known.find(now.keys[row]);
    if (found == known.end()) continue;
    out[row] = found->second;
    known.erase(found);  // of two of one name the second is new
  }
  return out;
}

bool stand_still(const std::vector<std::size_t>& before, std::size_t rows_then) {
  for (std::size_t row = 0; row < before.size(); ++row) {
    if (before[row] != row) return false;
  }
  return before.size() == rows_then;
}

std::vector<std::uint64_t> moved(const Column& column, const std::vector<std::size_t>& before) {
  std::vector<std::uint64_t> out(before.size() * column.width, 0);
  for (std::size_t row = 0; row < before.size(); ++row) {
    if (before[row] == kNew || (before[row] + 1) * column.width > column.slots.size()) continue;
    std::copy_n(column.slots.begin() + static_cast<std::ptrdiff_t>(before[row] * column.width), column.width,
                out.begin() + static_cast<std::ptrdiff_t>(row * column.width));
  }
  return out;
}

/// The step that most numbers took, if more than a third took it.
std::uint64_t usual_step(const std::vector<std::uint64_t>& now, const std::vector<std::uint64_t>& then) {
  std::uint64_t step = 0;
  std::size_t votes = 0;
  for (std::size_t at = 0; at < now.size(); ++at) {
    const std::uint64_t own = now[at] - then[at];
    if (votes == 0) step = own;
    votes = own == step ? votes + 1 : votes - 1;
  }
  std::size_t count = 0;
  for (std::size_t at = 0; at < now.size(); ++at) count += now[at] - then[at] == step ? 1 : 0;
  return count * 3 > now.size() ? step : 0;
}

void write_column(ByteWriter& out, const std::vector<std::uint64_t>& now, const std::vector<std::uint64_t>& then) {
  const std::uint64_t step = usual_step(now, then);
  bool all = true;
  for (std::size_t at = 0; at < now.size() && all; ++at) all = now[at] - then[at] == step;
  out.number(zigzag(step));
  out.number(all ? 1 : 0);
  if (all) return;
  for (std::size_t at = 0; at < now.size(); ++at) out.number(zigzag(now[at] - then[at] - step));
}

void write_rows(ByteWriter& out, const std::vector<std::size_t>& before) {
  std::size_t expected = 0;
  for (std::size_t row : before) {
    if (row == kNew) {
      out.number(1);
    } else {
      out.number(row == expected ? 0 : 2 + zigzag(static_cast<std::uint64_t>(row) - expected));
      expected = row + 1;
    }
  }
}

/// Nothing: it is as it was.
std::optional<std::string> changes_of(Chain::Table& table, ColumnTable&& now, std::size_t number, bool is_new) {
  const std::vector<std::size_t> before = rows_before(now, table.now);
  const bool still = stand_still(before, table.now.rows);
  ByteWriter columns;
  std::size_t count = 0;
  for (Column& column : now.columns) {
    auto [at, added] = table.column_at.try_emplace(column.name, table.now.columns.size());
    if (added) table.now.columns.push_back({column.name, column.width, {}});
    Column& known = table.now.columns[at->second];
    std::vector<std::uint64_t> then = moved(known, before);
    if (added || then != column.slots) {
      ++count;
      columns.number(at->second);
      if (added) {
        columns.text(column.name);
        columns.number(column.width);
      }
      write_column(columns, column.slots, then);
    }
    known.slots = std::move(column.slots);
  }
  for (Column& known : table.now.columns) known.slots.resize(now.rows * known.width);
  table.now.rows = now.rows;
  table.now.keys = std::move(now.keys);
  if (!is_new && still && count == 0) return std::nullopt;
  ByteWriter out;
  out.number(number);
  if (is_new) out.text(table.now.path);
  out.number(table.now.rows);
  out.number(still ? 1 : 0);
  if (!still) write_rows(out, before);
  out.number(count);
  return out.bytes() + columns.bytes();
}

}  // namespace

std::string Packer::pack(const Sample& sample) {
  const std::size_t texts_before = chain_.texts.size();
  ColumnTables tables = to_columns(sample, chain_.texts);
  std::vector<bool> seen(chain_.tables.size(), false);
  std::string changes;
  std::size_t changed = 0;
  auto add = [&](std::optional<std::string> more) {
    if (!more) return;
    changes += *more;
    ++changed;
  };
  for (ColumnTable& table : tables) {
    auto [at, added] = chain_.table_at.try_emplace(table.path, chain_.tables.size());
    const std::size_t number = at->second;
    if (added) {
      chain_.tables.emplace_back().now.path = table.path;
    } else {
      seen[number] = true;
    }
    add(changes_of(chain_.tables[number], std::move(table), number, added));
  }
  for (std::size_t number = 0; number < seen.size(); ++number) {  // what has no rows now is not among the tables
    if (!seen[number]) add(changes_of(chain_.tables[number], ColumnTable{}, number, false));
  }
  ByteWriter out;
  out.number(kFormat);
  out.number(texts_before);
  out.number(chain_.texts.size() - texts_before);
  for (std::size_t text = texts_before; text < chain_.texts.size(); ++text) out.text(chain_.texts.text(text));
  out.number(changed);
  return deflated(out.bytes() + changes);
}

namespace {

/// Reads what pack() wrote; `ok` turns false at the first thing that cannot be.
class Changes {
 public:
  Changes(std::string_view plain, Chain& chain, std::size_t& slots)
      : in_(plain), chain_(chain), slots_(slots), allowed_(slots + 64 * 1024 + 256 * plain.size()) {}

  bool apply() {
    if (in_.number() != kFormat || in_.number() != chain_.texts.size()) return false;
    const std::uint64_t texts = in_.number();
    for (std::uint64_t at = 0; at < texts && in_.ok(); ++at) {
      std::string text(in_.text());
      chain_.text_bytes += text.size();
      if (chain_.text_bytes > kMostUnpacked) return false;
      chain_.texts.add(std::move(text));
    }
    const std::uint64_t tables = in_.number();
    for (std::uint64_t at = 0; at < tables; ++at) {
      if (!in_.ok() || !table()) return false;
    }
    return in_.ok() && in_.left() == 0;
  }

 private:
  bool table() {
    const std::uint64_t number = in_.number();
    if (number > chain_.tables.size()) return false;
    if (number == chain_.tables.size()) {
      std::string path(in_.text());
      if (!in_.ok() || !chain_.table_at.try_emplace(path, number).second) return false;
      chain_.tables.emplace_back().now.path = std::move(path);
    }
    Chain::Table& table = chain_.tables[static_cast<std::size_t>(number)];
    std::vector<std::size_t> before;
    bool still = false;
    if (!rows(table, before, still)) return false;
    if (!still) {
      for (Column& column : table.now.columns) {
        slots_ -= column.slots.size();
        if (!take_slots(before.size() * column.width)) return false;
        column.slots = moved(column, before);
      }
      table.now.rows = before.size();
    }
    const std::uint64_t columns = in_.number();
    for (std::uint64_t at = 0; at < columns; ++at) {
      if (!in_.ok() || !column(table)) return false;
    }
    return in_.ok();
  }

  /// `still`: all rows stand where they stood.
  bool rows(const Chain::Table& table, std::vector<std::size_t>& before, bool& still) {
    const std::uint64_t rows = in_.number();
    still = in_.number() == 1;
    if (still) return rows == table.now.rows;
    std::size_t expected = 0;
    for (std::uint64_t row = 0; row < rows; ++row) {  // each takes a byte at least
      const std::uint64_t word = in_.number();
      if (!in_.ok()) return false;
      if (word == 1) {
        before.push_back(kNew);
        continue;
      }
      const std::uint64_t from = expected + (word == 0 ? 0 : unzigzag(word - 2));
      if (from >= table.now.rows) return false;
      before.push_back(static_cast<std::size_t>(from));
      expected = before.back() + 1;
    }
    return true;
  }

  bool column(Chain::Table& table) {
    const std::uint64_t number = in_.number();
    if (number > table.now.columns.size()) return false;
    if (number == table.now.columns.size()) {
      std::string name(in_.text());
      const std::uint64_t width = in_.number();
      if (!in_.ok() || width == 0 || width > kMostSlots || !table.column_at.try_emplace(name, number).second)
        return false;
      if (table.now.rows > 0 && width > kMostSlots / table.now.rows) return false;
      if (!take_slots(table.now.rows * static_cast<std::size_t>(width))) return false;
      Column added{std::move(name), static_cast<std::size_t>(width), {}};
      added.slots.resize(table.now.rows * added.width);
      table.now.columns.push_back(std::move(added));
    }
    Column& column = table.now.columns[static_cast<std::size_t>(number)];
    const std::uint64_t step = unzigzag(in_.number());
    const bool all = in_.number() == 1;
    for (std::uint64_t& slot : column.slots) slot += step + (all ? 0 : unzigzag(in_.number()));
    return in_.ok();
  }

  bool take_slots(std::size_t more) {
    slots_ += more;
    return slots_ <= std::min(kMostSlots, allowed_);
  }

  ByteReader in_;
  Chain& chain_;
  std::size_t& slots_;
  std::size_t allowed_;
};

}  // namespace

Status Unpacker::apply(std::string_view plain) {
  if (!Changes(plain, chain_, slots_).apply()) return fail(ErrorCode::bad_input, "is damaged");
  return {};
}

Result<Sample> Unpacker::unpack(std::string_view bytes) {
  if (broken_) return fail(ErrorCode::bad_input, "follows a damaged one");
  Result<std::string> plain = inflated(bytes, kMostUnpacked);
  if (plain) return unpack_plain(*plain);
  broken_ = true;
  return std::unexpected(plain.error());
}

Result<Sample> Unpacker::unpack_plain(std::string_view plain) {
  if (broken_) return fail(ErrorCode::bad_input, "follows a damaged one");
  if (Status applied = apply(plain); !applied) {
    broken_ = true;
    return std::unexpected(applied.error());
  }
  ColumnTables tables;
  for (const Chain::Table& table : chain_.tables) tables.push_back(table.now);
  return from_columns(tables, chain_.texts);
}

}  // namespace tcpadvisor::store
