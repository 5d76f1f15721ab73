// SPDX-License-Identifier: Apache-2.0
#include "agent/store/recording.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "agent/os/unique_fd.h"
#include "agent/store/format.h"
#include "agent/store/pack.h"
#include "agent/store/sqlite_error.h"

namespace tcpadvisor::store {
namespace {

constexpr std::size_t kLongestText = 4096;
constexpr std::int64_t kLastWallMs = 253'402'300'799'000;  // the end of the year 9999: nobody's sums overflow before

constexpr std::string_view kMagic("SQLite format 3\0", 16);

/// The beginning of an SQLite file (sqlite.org/fileformat2.html), as far as it says what this is.
struct Header {
  static constexpr std::size_t kSize = 100, kWriteVersion = 18, kUserVersion = 60, kApplication = 68;
  std::array<unsigned char, kSize> bytes{};
  std::uint64_t file_bytes = 0;

  std::uint32_t word(std::size_t at) const {
    return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
           std::uint32_t{bytes[at + 3]};
  }
};

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::bad_input, fmt::format("{} {}", printable(path), what));
}

Result<Header> header_of(const std::string& path) {
  os::UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!file || fstat(file.get(), &info) != 0) {
    const int error = errno;
    return fail(ErrorCode::bad_input, fmt::format("cannot read {}: {}", printable(path), std::strerror(error)), error);
  }
  if (!S_ISREG(info.st_mode)) return bad(path, "is not a file");
  if (info.st_size == 0) return bad(path, "is empty: nothing was recorded");
  Header header;
  header.file_bytes = static_cast<std::uint64_t>(info.st_size);
  const ssize_t got = pread(file.get(), header.bytes.data(), Header::kSize, 0);
  if (got != static_cast<ssize_t>(Header::kSize) ||
      std::memcmp(header.bytes.data(), kMagic.data(), kMagic.size()) != 0 ||
      header.word(Header::kApplication) != kApplicationId)
    return bad(path, "is not a recording of tcpadvisor");
  if (header.bytes[Header::kWriteVersion] != 1 || header.bytes[Header::kWriteVersion + 1] != 1)
    return bad(path, "is not a recording as tcpadvisor writes it: its journal is of another kind");
  if (header.word(Header::kUserVersion) > kVersion) {
    return bad(path, fmt::format("is of a newer tcpadvisor: its format is {}, this program reads up to {}",
                                 header.word(Header::kUserVersion), kVersion));
  }
  return header;
}

class SqliteRecording final : public Recording {
 public:
  SqliteRecording(const std::string& path, int flags, std::uint64_t file_bytes)
      : path_(path), db_(path, flags, kBusyMs) {
    // What the file says is never believed: no value larger than the file, no tables that compute, no damage unseen.
    const auto longest = static_cast<int>(std::clamp<std::uint64_t>(file_bytes, 1 << 20, kMostUnpacked));
    sqlite3_limit(db_.getHandle(), SQLITE_LIMIT_LENGTH, longest);
    sqlite3_limit(db_.getHandle(), SQLITE_LIMIT_ATTACHED, 0);
    db_.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = 2;");
  }

  /// Pages are missing at the end: what is left is read all the same.
  void expect_less() {
    db_.exec("PRAGMA writable_schema = ON; PRAGMA query_only = ON;");
    about_.damage = "the end of the file is missing";
  }

  /// May throw; about() and moments() are valid afterwards.
  Status load() {
    if (Status schema = check_schema(); !schema) return schema;
    read_about();
    try {
      SQLite::Statement query(db_, "SELECT number, chain, mono_ms, wall_ms FROM tick ORDER BY number");
      while (query.executeStep()) {
        places_.push_back({query.getColumn(0).getInt64(), query.getColumn(1).getInt64()});
        moments_.push_back({static_cast<std::uint64_t>(query.getColumn(2).getInt64()),
                            std::clamp<std::int64_t>(query.getColumn(3).getInt64(), 0, kLastWallMs)});
      }
    } catch (const SQLite::Exception&) {
      about_.damage = fmt::format("the file is damaged or cut off: {} ticks could be found", moments_.size());
    }
    if (moments_.empty()) return bad(path_, "has no ticks that can be read");
    return {};
  }

  const About& about() const override { return about_; }
  const std::vector<Moment>& moments() const override { return moments_; }

  Result<SamplePtr> sample(std::size_t at) override {
    if (at >= places_.size()) return fail(ErrorCode::not_found, "there is no such tick");
    if (at_ == at && last_) return last_;
    const std::int64_t chain = places_[at].chain;
    std::size_t from = at;
    while (from > 0 && places_[from - 1].chain == chain) --from;
    if (next_ > from && next_ <= at && in_chain_ == chain) {
      from = next_;
    } else {
      unpacker_.begin();
      in_chain_ = chain;
    }
    Result<Sample> sample = fail(ErrorCode::failed, "nothing was read");
    for (std::size_t one = from; one <= at; ++one) {
      sample = read(one);
      next_ = one + 1;
      if (!sample) {
        next_ = 0;  // the chain cannot go on from here
        return std::unexpected(sample.error());
      }
    }
    at_ = at;
    last_ = std::make_shared<const Sample>(std::move(*sample));
    return last_;
  }

 private:
  struct Place {
    std::int64_t number, chain;
  };

  Status check_schema() {
    SQLite::Statement query(db_, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL");
    std::size_t known = 0;
    while (query.executeStep()) {
      const std::string sql = query.getColumn(0).getString();
      if (std::ranges::find(kSchema, sql) == kSchema.end()) return bad(path_, "has tables that no recording has");
      ++known;
    }
    return known == kSchema.size() ? Status() : bad(path_, "is not complete: a table is missing");
  }

  void read_about() {
    SQLite::Statement query(db_, "SELECT key, substr(value, 1, ?) FROM about");
    query.bind(1, static_cast<std::int64_t>(kLongestText));
    while (query.executeStep()) {
      const std::string key = query.getColumn(0).getString(), value = printable(query.getColumn(1).getString());
      if (key == "host") about_.host = value;
      if (key == "kernel") about_.kernel = value;
      if (key == "tool_version") about_.tool_version = value;
      if (key == "interval_ms") about_.interval_ms = number<std::uint64_t>(value).value_or(0);
      if (key == "dropped") about_.thinned = number<std::uint64_t>(value).value_or(0);
      if (key == "anonymized") about_.anonymized = value == "1";
    }
  }

  Result<Sample> read(std::size_t at) {
    return guarded(path_, ErrorCode::bad_input, [&]() -> Result<Sample> {
      SQLite::Statement query(db_, "SELECT data FROM tick WHERE number = ?");
      query.bind(1, places_[at].number);
      if (!query.executeStep()) return fail(ErrorCode::bad_input, fmt::format("tick {} has gone", places_[at].number));
      const SQLite::Column data = query.getColumn(0);
      auto sample =
          unpacker_.unpack({static_cast<const char*>(data.getBlob()), static_cast<std::size_t>(data.getBytes())});
      if (sample) return sample;
      return fail(ErrorCode::bad_input, fmt::format("tick {} {}", places_[at].number, sample.error().message));
    });
  }

  const std::string path_;
  SQLite::Database db_;
  About about_;
  std::vector<Moment> moments_;
  std::vector<Place> places_;
  Unpacker unpacker_;
  std::int64_t in_chain_ = -1;
  std::size_t next_ = 0, at_ = 0;
  SamplePtr last_;
};

/// How to go about opening it: as it should be; finishing what a recorder that was killed could not; with pages
/// missing.
enum class Way : std::uint8_t { plain, finish, cut_off };

Result<std::unique_ptr<Recording>> load(const std::string& path, const Header& header, Way way) {
  const int flags = way == Way::finish ? SQLite::OPEN_READWRITE : SQLite::OPEN_READONLY;
  auto recording = std::make_unique<SqliteRecording>(path, flags, header.file_bytes);
  if (way == Way::cut_off) recording->expect_less();
  if (Status loaded = recording->load(); !loaded) return std::unexpected(loaded.error());
  return recording;
}

/// The way that is left after SQLite has refused the plain one.
std::optional<Way> other_way(const SQLite::Exception& error) {
  switch (error.getErrorCode()) {
    case SQLITE_CORRUPT:
      return Way::cut_off;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return Way::finish;
    default:
      return std::nullopt;
  }
}

Result<std::unique_ptr<Recording>> open_somehow(const std::string& path, const Header& header) {
  std::optional<Way> other;
  try {
    return load(path, header, Way::plain);
  } catch (const SQLite::Exception& error) {
    other = other_way(error);
    if (!other) return bad(path, fmt::format("cannot be read: {}", printable(error.what())));
  }
  try {
    return load(path, header, *other);
  } catch (const SQLite::Exception& error) {
    return bad(path, *other == Way::finish
                         ? "was not closed: it has to be read once by somebody who may write it and beside it"
                         : "is damaged: nothing in it can be read");
  }
}

}  // namespace

Result<std::unique_ptr<Recording>> Recording::open(const std::string& path) {
  Result<Header> header = header_of(path);
  if (!header) return std::unexpected(header.error());
  return guarded(path, ErrorCode::bad_input, [&] { return open_somehow(path, *header); });
}

bool Recording::begins_like_one(const std::string& path) {
  os::UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  std::array<char, kMagic.size()> begins{};
  return file && pread(file.get(), begins.data(), begins.size(), 0) == static_cast<ssize_t>(begins.size()) &&
         std::string_view(begins.data(), begins.size()) == kMagic;
}

}  // namespace tcpadvisor::store
