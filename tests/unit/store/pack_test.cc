// SPDX-License-Identifier: Apache-2.0
#include "agent/store/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "agent/store/bytes.h"
#include "tests/unit/full_sample.h"
#include "tests/unit/hostile_numbers.h"

namespace tcpadvisor::store::pack_test {
namespace {

using testing::HasSubstr;

void expect_same(Packer& packer, Unpacker& unpacker, const Sample& sample) {
  auto back = unpacker.unpack(packer.pack(sample));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == sample);
}

TEST(Pack, a_full_sample_comes_back_with_every_member) {
  Packer packer;
  Unpacker unpacker;
  const Sample full = build::full_sample();
  expect_same(packer, unpacker, full);
  expect_same(packer, unpacker, full);                      // nothing has changed
  expect_same(packer, unpacker, Sample{});                  // all lists are empty now
  expect_same(packer, unpacker, full);                      // and full again
  expect_same(packer, unpacker, build::full_sample(1000));  // everything has changed
}

TEST(Pack, sockets_that_come_go_and_change_places_come_back) {
  Packer packer;
  Unpacker unpacker;
  std::mt19937_64 random(3);
  Sample sample;
  for (int tick = 0; tick < 60; ++tick) {
    sample.mono_ms += 1'000;
    for (int i = 0; i < 5; ++i) {
      SocketRow& row = sample.sockets.emplace_back();
      row.cookie = random();
      row.recv_q = random() % 100;
      if (random() % 2 == 0)
        row.owner = Owner{static_cast<Pid>(random() % 1000), "p" + std::to_string(random() % 9), -1, 1};
      row.others.resize(random() % 3);
    }
    if (tick % 7 == 6) sample.sockets.resize(random() % 10);
    std::shuffle(sample.sockets.begin(), sample.sockets.end(), random);
    for (SocketRow& row : sample.sockets) row.send_q = random();
    if (tick == 30) sample.sockets.insert(sample.sockets.end(), 3, SocketRow{});  // several without any name
    expect_same(packer, unpacker, sample);
  }
}

TEST(Pack, hostile_numbers_come_back_as_they_are) {
  Packer packer;
  Unpacker unpacker;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Sample sample = build::full_sample(seed);
    build::Spoiler spoiler(seed, {build::kHostile.begin(), build::kHostile.end()}, 0.5, true);
    describe(spoiler, sample);
    expect_same(packer, unpacker, sample);
  }
}

TEST(Pack, what_did_not_change_takes_almost_nothing) {
  Packer packer;
  Sample sample;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    sample.sockets.emplace_back().cookie = 1 + i;
    sample.sockets.back().state_age_ms = 1'000 * i;
  }
  const std::size_t whole = packer.pack(sample).size();
  for (SocketRow& row : sample.sockets) *row.state_age_ms += 1'003;  // time goes on for all of them
  sample.sockets.erase(sample.sockets.begin() + 10);
  const std::size_t change = packer.pack(sample).size();
  EXPECT_LT(change, 200U);
  EXPECT_GT(whole, change);
}

TEST(Pack, a_missing_member_is_its_default_and_an_unknown_one_is_passed_over) {
  Texts texts;
  Sample sample = build::full_sample();
  ColumnTables tables = to_columns(sample, texts);
  for (ColumnTable& table : tables) {
    std::erase_if(table.columns, [](const Column& column) {
      return column.name == "owner.fd" || column.name == "recv_q" || column.name.starts_with("host_pressure");
    });
    Column unknown{"of the future", 2, {}};
    unknown.slots.resize(2 * table.rows);
    table.columns.push_back(unknown);
  }
  auto back = from_columns(tables, texts);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->sockets[0].owner->fd, -1);
  EXPECT_EQ(back->sockets[0].recv_q, 0U);
  EXPECT_FALSE(back->host_pressure);
  EXPECT_EQ(back->sockets[1].send_q, sample.sockets[1].send_q);
}

TEST(Pack, what_cannot_be_is_an_error_that_names_the_place) {
  Texts texts;
  ColumnTables tables = to_columns(build::full_sample(), texts);
  auto with = [&](std::string_view path, std::string_view name, std::uint64_t value) {
    ColumnTables changed = tables;
    for (ColumnTable& table : changed) {
      for (Column& column : table.columns) {
        if (table.path == path && column.name == name) column.slots[0] = value;
      }
    }
    auto back = from_columns(changed, texts);
    return back ? std::string() : back.error().message;
  };
  EXPECT_THAT(with("", "sockets#", 1'000'000'000), HasSubstr("sockets"));
  EXPECT_THAT(with("sockets", "state", 0), HasSubstr("'' is not known"));
  EXPECT_THAT(with("sockets", "owner.comm", 999'999), HasSubstr("a text that is not there"));
  EXPECT_THAT(with("sockets", "uid", ~0ull), HasSubstr("does not fit"));
  EXPECT_FALSE(from_columns({}, texts));
}

TEST(Pack, counts_that_nothing_stands_behind_allocate_nothing) {
  auto with = [](auto write) {
    ByteWriter out;
    out.number(1);  // format
    write(out);
    return Unpacker().unpack(deflated(out.bytes()));
  };
  const std::uint64_t huge = ~0ull >> 1;
  EXPECT_FALSE(with([&](ByteWriter& out) { out.number(1), out.number(huge); }));
  EXPECT_FALSE(with([&](ByteWriter& out) { out.number(1), out.number(0), out.number(huge); }));
  EXPECT_FALSE(with([&](ByteWriter& out) {  // rows
    out.number(1), out.number(0), out.number(1), out.number(0), out.text(""), out.number(huge), out.number(0);
  }));
  EXPECT_FALSE(with([&](ByteWriter& out) {  // one row, a column as wide as the world
    out.number(1), out.number(0), out.number(1), out.number(0), out.text(""), out.number(1), out.number(0),
        out.number(1);
    out.number(1), out.number(0), out.text("x"), out.number(huge), out.number(0), out.number(1);
  }));
  EXPECT_FALSE(Unpacker().unpack(deflated(std::string(kMostUnpacked + 1, '\0'))));
  EXPECT_FALSE(Unpacker().unpack(""));
  EXPECT_FALSE(Unpacker().unpack("no zlib at all"));
}

TEST(Pack, after_a_damaged_tick_the_chain_is_over) {
  Packer packer;
  Unpacker unpacker;
  ASSERT_TRUE(unpacker.unpack(packer.pack(build::full_sample())));
  const std::string second = packer.pack(build::full_sample(5));
  EXPECT_FALSE(unpacker.unpack("x"));
  EXPECT_THAT(unpacker.unpack(second).error().message, HasSubstr("follows a damaged one"));
}

}  // namespace
}  // namespace tcpadvisor::store::pack_test
