// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "agent/kernel/facts.h"

namespace tcpadvisor::kernel::decode_test {
namespace {

template <typename Record>
void append(std::vector<std::byte>& bytes, const Record& record) {
  const auto* start = reinterpret_cast<const std::byte*>(&record);
  bytes.insert(bytes.end(), start, start + sizeof record);
}

abi::ta_row established() {
  abi::ta_row row = {};
  row.cookie = 42;
  row.family = 2;
  row.state = 1;
  row.local[0] = 10, row.local[3] = 1, row.local_port = 80;
  row.remote[0] = 10, row.remote[3] = 2, row.remote_port = 5000;
  row.inode = 7;
  row.min_rtt_us = ~0u;
  return row;
}

TEST(JiffiesPerSecond, FollowsFromTheClockAndTheFirstJiffy) {
  for (unsigned hz : {100u, 250u, 300u, 1000u}) {
    std::uint64_t first = static_cast<std::uint32_t>(-300 * static_cast<int>(hz));
    for (double uptime_s : {5.0, 3600.0, 86400.0 * 100}) {
      auto jiffies = first + static_cast<std::uint64_t>(uptime_s * hz);
      EXPECT_EQ(jiffies_per_second(jiffies, static_cast<std::uint64_t>(uptime_s * 1e9)), hz) << uptime_s;
    }
  }
}

TEST(DecodeRow, KernelUnitsAreConvertedOnce) {
  abi::ta_row row = established();
  row.srtt_us8 = 8000;
  row.chrono_busy_j = 250, row.chrono_rwnd_j = 25;
  row.bytes_sent = 1, row.last_sent_j = 500;
  SocketRow out = decode_row(row, 250);
  EXPECT_EQ(out.local.text(), "10.0.0.1:80");
  EXPECT_EQ(out.remote.text(), "10.0.0.2:5000");
  EXPECT_EQ(out.srtt_us, 1000u);
  EXPECT_EQ(out.busy_us, 1'000'000u);
  EXPECT_EQ(out.rwnd_limited_us, 100'000u);
  EXPECT_EQ(out.last_data_sent_ms, 2000u);
  EXPECT_EQ(out.holder, Holder::process);
}

TEST(DecodeRow, WhatWasNeverMeasuredIsAbsent) {
  SocketRow out = decode_row(established(), 250);
  EXPECT_FALSE(out.min_rtt_us);
  EXPECT_FALSE(out.srtt_us);
  EXPECT_FALSE(out.rcv_rtt_us);
  EXPECT_FALSE(out.last_data_sent_ms);
  EXPECT_FALSE(out.last_data_recv_ms);
  EXPECT_FALSE(out.scaling_ratio);
  EXPECT_FALSE(out.calls);
  EXPECT_FALSE(out.blocked_us);
  EXPECT_FALSE(out.accept_queue);
}

TEST(DecodeRow, LimitsThatStandForNoneAreAbsent) {
  abi::ta_row row = established();
  row.snd_ssthresh = 0x7fffffff;
  row.pacing_rate = ~0ull;
  SocketRow out = decode_row(row, 250);
  EXPECT_FALSE(out.ssthresh);
  EXPECT_FALSE(out.pacing_rate);
  EXPECT_FALSE(out.delivery_rate);
  EXPECT_FALSE(out.linger_ms);
  row.snd_ssthresh = 7, row.pacing_rate = 1'000'000;
  row.rate_delivered = 10, row.mss = 1000, row.rate_interval_us = 5'000;
  row.flags = abi::TA_ROW_LINGER, row.linger_j = 500, row.rto_j = 50;
  out = decode_row(row, 250);
  EXPECT_EQ(out.ssthresh, 7u);
  EXPECT_EQ(out.pacing_rate, 1'000'000u);
  EXPECT_EQ(out.delivery_rate, 2'000'000u);
  EXPECT_EQ(out.linger_ms, 2'000u);
  EXPECT_EQ(out.rto_us, 200'000u);
}

TEST(DecodeRow, AgeComesFromTheHookElseFromTheLastSegmentAsALowerBound) {
  abi::ta_row row = established();
  row.state = 8;
  row.last_ack_j = 1000;
  SocketRow sampled = decode_row(row, 250);
  EXPECT_EQ(sampled.state_age_ms, 4000u);
  EXPECT_TRUE(sampled.state_age_is_lower_bound);
  row.flags = abi::TA_ROW_HAS_SOCK;
  row.state_ns = 9'000'000'000;
  SocketRow seen = decode_row(row, 250);
  EXPECT_EQ(seen.state_age_ms, 9000u);
  EXPECT_FALSE(seen.state_age_is_lower_bound);
}

TEST(DecodeRow, AListenerHasItsQueueAndNoTcpInfo) {
  abi::ta_row row = established();
  row.state = 10;
  row.accept_queue = 3, row.accept_limit = 128;
  SocketRow out = decode_row(row, 250);
  EXPECT_EQ(out.accept_queue, 3u);
  EXPECT_EQ(out.accept_limit, 128u);
  EXPECT_FALSE(out.accept_peak);
  EXPECT_FALSE(out.snd_wnd);
}

TEST(DecodeRow, AMiniSocketHasOnlyItsAddresses) {
  abi::ta_row row = established();
  row.state = 5, row.kind = abi::TA_KIND_TIMEWAIT, row.holder = abi::TA_HOLDER_ORPHAN;
  SocketRow out = decode_row(row, 250);
  EXPECT_EQ(out.kind, SocketKind::timewait);
  EXPECT_EQ(out.holder, Holder::orphan);
  EXPECT_FALSE(out.rcvbuf);
}

TEST(DecodeOwner, NamesAreMadePrintable) {
  abi::ta_owner owner = {};
  std::memcpy(owner.comm, "a\x1b[2Jb\nfull-16-byt", sizeof owner.comm);
  std::string comm = decode_owner(owner).comm;
  EXPECT_EQ(comm.find('\x1b'), std::string::npos);
  EXPECT_EQ(comm.find('\n'), std::string::npos);
  EXPECT_LE(comm.size(), 16u);
}

TEST(DecodeRows, HalfARecordIsAnError) {
  std::vector<std::byte> bytes;
  append(bytes, established());
  append(bytes, established());
  std::size_t rows = 0;
  auto count = [&](SocketRow&&, std::optional<Spot>) { ++rows; };
  EXPECT_TRUE(decode_rows(bytes, 250, count));
  EXPECT_EQ(rows, 2u);
  bytes.pop_back();
  EXPECT_FALSE(decode_rows(bytes, 250, count));
  EXPECT_EQ(rows, 2u);
}

TEST(DecodeFiles, DescriptorsBySocketAndProcess) {
  std::vector<std::byte> bytes;
  abi::ta_held held = {};
  held.record = abi::TA_RECORD_HELD;
  held.cookie = 9, held.fd = 3;
  for (unsigned pid : {200u, 100u, 100u}) {  // a forked worker; a duplicate descriptor
    held.pid = pid;
    append(bytes, held);
    ++held.fd;
  }
  held.cookie = 0, held.inode = 77;  // MPTCP
  append(bytes, held);
  auto walk = decode_files(bytes);
  ASSERT_TRUE(walk);
  EXPECT_THAT(walk->by_cookie,
              testing::ElementsAre(os::Descriptor{9, 100, 4}, os::Descriptor{9, 100, 5}, os::Descriptor{9, 200, 3}));
  EXPECT_THAT(walk->by_inode, testing::ElementsAre(os::Descriptor{77, 100, 6}));
}

TEST(DecodeFiles, AProcessWithSeveralTablesIsOneOwner) {
  std::vector<std::byte> bytes;
  abi::ta_owner owner = {};
  owner.record = abi::TA_RECORD_OWNER;
  owner.tgid = 5100, owner.pid = 100, owner.parent = 90, owner.inner = 1, owner.program = 7;
  owner.fds = 12, owner.sockets[8] = 2, owner.rmem = 1000;
  append(bytes, owner);
  append(bytes, owner);
  auto walk = decode_files(bytes);
  ASSERT_TRUE(walk);
  ASSERT_EQ(walk->owners.size(), 1u);
  EXPECT_EQ(walk->owners[0].pid, 100u) << "as we number it";
  EXPECT_EQ(walk->owners[0].pid_inside, 1u);
  EXPECT_EQ(walk->owners[0].fds, 24u);
  EXPECT_EQ(walk->owners[0].sockets[index_of(TcpState::close_wait)], 4u);
  EXPECT_EQ(walk->owners[0].rmem, 2000u);
  EXPECT_EQ(walk->by_tgid.at(5100), 100u);
  EXPECT_EQ(walk->kin.at(100).parent, 90u);
  EXPECT_TRUE(walk->kin.at(100).manager) << "the init of its pid namespace";
}

/// One destination of 10.0.0.1.
void fill_slot(abi::ta_towards& towards, unsigned host, unsigned port, unsigned used, unsigned bound) {
  abi::ta_destination& slot = towards.slot[towards.count];
  slot.pair = {};
  slot.pair.source[2] = slot.pair.destination[2] = __builtin_bswap32(0xffff);
  slot.pair.source[3] = __builtin_bswap32(0x0a000001), slot.pair.destination[3] = __builtin_bswap32(host);
  slot.pair.port = port;
  slot.used = used, slot.bound = bound, slot.bound_timewait = bound / 2, slot.timewait = bound / 2;
  towards.filled[towards.count] = static_cast<abi::ta_u16>(towards.count);
  ++towards.count;
}

TEST(DecodeTowards, PortsThatBindChoseAreAddedUpOverAllDestinations) {
  auto towards = std::make_unique<abi::ta_towards>();
  towards->low = 32'768, towards->high = 60'999;
  for (unsigned host = 1; host <= 300; ++host) fill_slot(*towards, host, 443, 3, 2);
  fill_slot(*towards, 900, 8'080, 50, 0);      // connect() chose these
  fill_slot(*towards, 901, 40'000, 1, 1);      // came to a port on which nobody listens any more
  fill_slot(*towards, 902, 50'000, 100, 100);  // a service with a high port
  std::vector<PortUse> uses = decode_towards(*towards, 3);
  ASSERT_EQ(uses.size(), 3u);
  EXPECT_EQ(uses[0].destination, Endpoint{});
  EXPECT_EQ(uses[0].source.text(), "10.0.0.1:0");
  EXPECT_EQ(uses[0].used, 700u);
  EXPECT_EQ(uses[0].timewait, 350u);
  EXPECT_EQ(uses[1].used, 100u);
  EXPECT_EQ(uses[2].destination.port, 8'080);
}

TEST(DecodeNetworks, OnlyTheSlotsOfThisWalkInUnitsOfTheSample) {
  auto networks = std::make_unique<abi::ta_networks>();
  abi::ta_network& v4 = networks->slot[17];
  v4.key.pid = 7, v4.key.netns = 42, v4.key.port = 443, v4.key.accepted = 1, v4.key.width = abi::TA_NETWORK_V4;
  v4.key.prefix[0] = __builtin_bswap32(0x0a000500);
  v4.sockets[1] = 9, v4.looked = 4, v4.keepalive = 3, v4.idle[5] = 4, v4.silent[5] = 1;
  v4.busy_j = 500, v4.rwnd_j = 250, v4.resting_bytes = 4096;
  abi::ta_network& v6 = networks->slot[3];
  v6.key.width = abi::TA_NETWORK_V6, v6.key.port = 5432;
  v6.key.prefix[0] = __builtin_bswap32(0x20010db8), v6.key.prefix[1] = __builtin_bswap32(0x00050006);
  networks->slot[4].key.port = 99;  // of an earlier walk
  networks->slot[5].key.port = 80;  // all others
  networks->filled[0] = 17, networks->filled[1] = 3, networks->filled[2] = 5;
  networks->count = 3;
  std::vector<NetworkTotals> list = decode_networks(*networks, 250);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].pid, 7u);
  EXPECT_EQ(list[0].netns, 42u);
  EXPECT_TRUE(list[0].accepted);
  EXPECT_EQ(list[0].network.text(), "10.0.5.0:0");
  EXPECT_EQ(list[0].connections(), 9u);
  EXPECT_EQ(list[0].keepalive, 3u);
  EXPECT_EQ(list[0].silent[5], 1u);
  EXPECT_EQ(list[0].busy_us, 2'000'000u);
  EXPECT_EQ(list[0].rwnd_limited_us, 1'000'000u);
  EXPECT_EQ(list[0].resting_bytes, 4096u);
  EXPECT_EQ(list[1].network.text(), "[2001:db8:5:6::]:0");
  EXPECT_FALSE(list[1].accepted || list[1].elsewhere);
  EXPECT_TRUE(list[2].elsewhere);
  EXPECT_EQ(list[2].network, Endpoint{});
  networks->count = ~0u;  // what another program may write there is bounded
  EXPECT_EQ(decode_networks(*networks, 250).size(), std::size_t{abi::TA_NETWORKS});
}

TEST(DecodeFiles, GarbageIsAnErrorNotACrash) {
  std::vector<std::byte> bytes(64, std::byte{0x5a});
  EXPECT_FALSE(decode_files(bytes));
  for (std::size_t cut = 1; cut < sizeof(abi::ta_held); ++cut) {
    std::vector<std::byte> part;
    abi::ta_held held = {};
    held.record = abi::TA_RECORD_HELD;
    append(part, held);
    part.resize(cut);
    EXPECT_FALSE(decode_files(part)) << cut;
  }
}

TEST(Facts, AForcedKindTakesAwayTheOthersButNotWhatHasNoOtherForm) {
  TracerOptions options;
  options.hooks = Hooks::kprobe;
  for (const Fact& fact : facts()) {
    for (const Candidate& candidate : fact.candidates) {
      bool may = allowed(fact, candidate, options);
      EXPECT_TRUE(fact.id != FactId::calls || may == (candidate.kind == HookKind::kprobe)) << candidate.source;
      EXPECT_TRUE((fact.id != FactId::snapshot && fact.id != FactId::refusals) || may) << candidate.source;
    }
  }
  options.hooks = Hooks::none;
  for (const Fact& fact : facts()) {
    for (const Candidate& candidate : fact.candidates) {
      bool is_hook = candidate.kind != HookKind::iterator && candidate.kind != HookKind::passive;
      EXPECT_EQ(allowed(fact, candidate, options), !is_hook) << candidate.source;
    }
  }
}

TEST(Facts, CallsOffSwitchesOffOnlyTheCallHooks) {
  TracerOptions options;
  options.calls = Calls::off;
  for (const Fact& fact : facts()) {
    for (const Candidate& candidate : fact.candidates)
      EXPECT_EQ(allowed(fact, candidate, options), fact.id != FactId::calls);
  }
}

TEST(Decode, memory_below_zero_is_none) {
  auto walk = std::make_unique<abi::ta_walk>();  // too large for a stack
  EXPECT_FALSE(decode_memory(*walk, 4096, 1000).pages);
  walk->mem_known = 1;
  walk->mem_pages = static_cast<std::uint64_t>(-1);
  EXPECT_EQ(decode_memory(*walk, 4096, 1000).pages, 0u);
  walk->mem_pages = 77;
  walk->pressure_j = 500;
  walk->now_j = 750;
  TcpMemory memory = decode_memory(*walk, 4096, 250);
  EXPECT_EQ(memory.pages, 77u);
  EXPECT_EQ(memory.pressure_ms, 1000u);
  EXPECT_EQ(memory.under_pressure, true);
}

}  // namespace
}  // namespace tcpadvisor::kernel::decode_test
