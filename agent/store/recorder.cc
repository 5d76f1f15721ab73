// SPDX-License-Identifier: Apache-2.0
#include "agent/store/recorder.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "agent/os/unique_fd.h"
#include "agent/store/format.h"
#include "agent/store/pack.h"
#include "agent/store/sqlite_error.h"

namespace tcpadvisor::store {
namespace {

constexpr std::uint64_t kSpare = 64 << 10;  // of the file, for what SQLite needs beside the ticks
constexpr int kOneTick = 1'000;             // level of a chain that cannot be thinned any more

class SqliteRecorder final : public Recorder {
 public:
  SqliteRecorder(const std::string& path, const RecorderOptions& options)
      : path_(path), options_(options), db_(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyMs) {
    db_.exec(
        fmt::format("PRAGMA page_size = 4096; PRAGMA application_id = {}; PRAGMA user_version = {};"
                    "PRAGMA journal_mode = DELETE; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
                    "PRAGMA max_page_count = {};",
                    kApplicationId, kVersion, options.max_bytes / 4096));
    SQLite::Transaction transaction(db_);
    for (std::string_view table : kSchema) db_.exec(std::string(table));
    note("tool_version", options.tool_version);
    note("interval_ms", std::to_string(options.interval_ms));
    note("anonymized", options.anonymized ? "1" : "0");
    transaction.commit();
  }

  Status add(const Sample& sample) override {
    Status added = guarded(path_, ErrorCode::failed, [&]() -> Status {
      if (in_chain_ == options_.chain_ticks || chain_bytes_ > options_.max_bytes / 8) begin_chain();
      const std::string data = packer_.pack(sample);
      SQLite::Transaction transaction(db_);
      make_room(data.size() + data.size() / 8 + kSpare);
      if (ticks_ == 0) {
        note("host", printable(sample.host.name));
        note("kernel", printable(sample.host.kernel));
      }
      if (in_chain_ == 0) db_.exec(fmt::format("INSERT INTO chain VALUES ({}, 0, 0)", chain_));
      SQLite::Statement insert(db_, "INSERT INTO tick VALUES (?, ?, ?, ?, ?)");
      insert.bind(1, static_cast<std::int64_t>(ticks_));
      insert.bind(2, chain_);
      insert.bind(3, static_cast<std::int64_t>(sample.mono_ms));
      insert.bind(4, sample.wall_ms);
      insert.bindNoCopy(5, data.data(), static_cast<int>(data.size()));
      insert.exec();
      transaction.commit();
      ++ticks_;
      ++in_chain_;
      chain_bytes_ += data.size();
      return {};
    });
    if (!added) begin_chain();  // the packer is ahead of what is stored
    return added;
  }

  std::uint64_t bytes() const override { return static_cast<std::uint64_t>(pages("page_count")) * 4096; }
  std::uint64_t ticks() const override { return ticks_; }
  std::uint64_t thinned() const override { return thinned_; }

 private:
  std::int64_t pages(const char* pragma) const {
    SQLite::Statement query(db_, fmt::format("PRAGMA {}", pragma));
    return query.executeStep() ? query.getColumn(0).getInt64() : 0;
  }
  void note(const char* key, const std::string& value) {
    SQLite::Statement insert(db_, "INSERT OR REPLACE INTO about VALUES (?, ?)");
    insert.bind(1, key);
    insert.bind(2, value);
    insert.exec();
  }
  void begin_chain() {
    packer_.begin();
    ++chain_;
    in_chain_ = 0;
    chain_bytes_ = 0;
  }

  void make_room(std::uint64_t wanted) {
    while (static_cast<std::uint64_t>(pages("page_count") - pages("freelist_count")) * 4096 + wanted >
           options_.max_bytes) {
      if (!thin_one()) return;  // then SQLite says that the file is full
    }
  }

  /// The oldest of the chains that are still the most complete. The one under way stays whole, so that there is always
  /// something of the last moments.
  bool thin_one() {
    SQLite::Statement query(db_, "SELECT number, level FROM chain WHERE number < ? ORDER BY level, number LIMIT 1");
    query.bind(1, chain_);
    if (!query.executeStep()) return false;
    const std::int64_t chain = query.getColumn(0).getInt64();
    const int level = query.getColumn(1).getInt();
    query.reset();
    if (level < kOneTick) {
      halve(chain, level);
    } else {
      drop(chain);
    }
    return true;
  }

  void halve(std::int64_t chain, int level) {
    std::vector<std::pair<std::int64_t, std::string>> kept;
    std::vector<std::int64_t> gone;
    Unpacker unpacker;
    Packer packer;
    SQLite::Statement query(db_, "SELECT number, data FROM tick WHERE chain = ? ORDER BY number");
    query.bind(1, chain);
    for (std::size_t at = 0; query.executeStep(); ++at) {
      const SQLite::Column data = query.getColumn(1);
      auto sample =
          unpacker.unpack({static_cast<const char*>(data.getBlob()), static_cast<std::size_t>(data.getBytes())});
      const std::int64_t number = query.getColumn(0).getInt64();
      if (at % 2 == 0 && sample) {
        kept.emplace_back(number, packer.pack(*sample));
      } else {
        gone.push_back(number);
      }
    }
    query.reset();
    for (std::int64_t number : gone) db_.exec(fmt::format("DELETE FROM tick WHERE number = {}", number));
    for (const auto& [number, data] : kept) {
      SQLite::Statement update(db_, "UPDATE tick SET data = ? WHERE number = ?");
      update.bindNoCopy(1, data.data(), static_cast<int>(data.size()));
      update.bind(2, number);
      update.exec();
    }
    count_gone(gone.size());
    db_.exec(fmt::format("UPDATE chain SET level = {}, dropped = dropped + {} WHERE number = {}",
                         kept.size() > 1 ? level + 1 : kOneTick, gone.size(), chain));
  }

  void drop(std::int64_t chain) {
    count_gone(static_cast<std::size_t>(db_.exec(fmt::format("DELETE FROM tick WHERE chain = {}", chain))));
    db_.exec(fmt::format("DELETE FROM chain WHERE number = {}", chain));
  }

  void count_gone(std::size_t ticks) {
    thinned_ += ticks;
    note("dropped", std::to_string(thinned_));
  }

  const std::string path_;
  const RecorderOptions options_;
  SQLite::Database db_;
  Packer packer_;
  std::int64_t chain_ = 0;
  std::size_t in_chain_ = 0;
  std::uint64_t chain_bytes_ = 0;
  std::uint64_t ticks_ = 0, thinned_ = 0;
};

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::create(const std::string& path, const RecorderOptions& options) {
  if (options.max_bytes < kLeastBytes) {
    return fail(ErrorCode::bad_input, fmt::format("{} is too little for a recording: at least {}",
                                                  human_bytes(options.max_bytes), human_bytes(kLeastBytes)));
  }
  os::UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file && errno == EEXIST) {
    return fail(ErrorCode::bad_input,
                fmt::format("{} is there already: remove it, or give another name", printable(path)), EEXIST);
  }
  if (!file) {
    const int error = errno;
    return fail(ErrorCode::failed, fmt::format("cannot write {}: {}", printable(path), std::strerror(error)), error);
  }
  auto opened = guarded(path, ErrorCode::failed, [&]() -> Result<std::unique_ptr<Recorder>> {
    return std::make_unique<SqliteRecorder>(path, options);
  });
  if (!opened) unlink(path.c_str());
  return opened;
}

}  // namespace tcpadvisor::store
