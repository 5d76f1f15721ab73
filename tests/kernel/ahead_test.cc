// SPDX-License-Identifier: Apache-2.0
// Walks that read ahead of themselves see what walks that do not see.
#include <linux/btf.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "agent/kernel/kernel_types.h"
#include "agent/kernel/object.h"
#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::ahead_test {
namespace {

struct Counted {
  std::uint64_t sockets = 0, established = 0, descriptors = 0, held_by_us = 0;
  auto operator<=>(const Counted&) const = default;
};

Status read_to_end(const Object& object, std::string_view program, std::vector<std::byte>& bytes) {
  auto iterator = object.iterate(program);
  if (!iterator) return std::unexpected(iterator.error());
  std::array<std::byte, 65'536> some;
  while (true) {
    ssize_t got = read(iterator->get(), some.data(), some.size());
    if (got < 0) return fail(ErrorCode::failed, "read", errno);
    if (got == 0) return {};
    bytes.insert(bytes.end(), some.begin(), some.begin() + got);
  }
}

Result<Counted> count(bool read_ahead) {
  constexpr std::array<std::string_view, 2> kWalks = {"walk_tcp", "walk_files"};
  abi::ta_config config = {};
  config.max_rows = 1;
  config.read_ahead = read_ahead;
  auto object = Object::load(kWalks, config, 1);
  if (!object) return std::unexpected(object.error());
  std::vector<std::byte> rows, owners;
  for (std::string_view walk : kWalks) {
    if (Status attached = object->attach(walk); !attached) return std::unexpected(attached.error());
  }
  auto* walk = static_cast<abi::ta_walk*>(object->variable("walk"));
  auto* files = static_cast<abi::ta_files*>(object->variable("files"));
  walk->min_recv_q = walk->min_send_q = files->min_recv_q = files->min_send_q = UINT32_MAX;
  files->number = 1;
  if (Status read = read_to_end(*object, kWalks[0], rows); !read) return std::unexpected(read.error());
  if (Status read = read_to_end(*object, kWalks[1], owners); !read) return std::unexpected(read.error());
  Counted counted;
  counted.sockets = walk->walked;
  counted.established = walk->states[1].count;
  for (std::size_t at = 0; at + sizeof(abi::ta_owner) <= owners.size(); at += sizeof(abi::ta_owner)) {
    abi::ta_owner owner;
    std::memcpy(&owner, owners.data() + at, sizeof owner);
    if (owner.tgid != static_cast<std::uint32_t>(getpid())) continue;
    counted.held_by_us = owner.sockets[1];
    counted.descriptors = owner.fds;
  }
  return counted;
}

class ReadAhead : public KernelTest {};

TEST_F(ReadAhead, SeesTheSame) {
  auto types = KernelTypes::open();
  ASSERT_TRUE(types) << types.error().message;
  if (!types->id_of("bpf_rdonly_cast", BTF_KIND_FUNC)) GTEST_SKIP() << "kernels before 6.2 cannot read ahead";
  auto listener = traffic::listen_on_loopback(8);
  std::vector<traffic::Pair> pairs;
  pairs.reserve(150);
  for (int i = 0; i < 150; ++i) pairs.push_back(traffic::make_pair(listener));
  for (int gone = 20; gone < 60; gone += 3) pairs[static_cast<std::size_t>(gone)].client.reset();  // gaps in the table
  auto without = count(false), with = count(true);
  for (auto& pair : pairs) pair.client.reset();  // first, so that TIME_WAIT is theirs: other tests count destinations
  ASSERT_TRUE(without) << without.error().message;
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_EQ(with->sockets, without->sockets);
  EXPECT_EQ(with->established, without->established);
  EXPECT_EQ(with->held_by_us, without->held_by_us);
  EXPECT_GT(with->held_by_us, 250u);
  EXPECT_GE(with->descriptors, with->held_by_us);
}

}  // namespace
}  // namespace tcpadvisor::kernel::ahead_test
