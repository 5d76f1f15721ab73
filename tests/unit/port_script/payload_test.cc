// SPDX-License-Identifier: Apache-2.0
// The peer's check has to find what it is there for.
#include "agent/port/script/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/port/receiver.h"

namespace tcpadvisor::port::script::payload_test {
namespace {

using testing::HasSubstr;

std::string fault(Status status) {
  return status ? "" : status.error().message;
}

TEST(Payload, SendersMayComeInAnyOrderButEachInItsOwn) {
  Payload payload;
  std::string a1 = payload.next(0, 10), b1 = payload.next(1, 7), a2 = payload.next(0, 3);
  EXPECT_EQ(fault(payload.check(b1 + a1 + a2)), "");
  EXPECT_EQ(payload.arrived(), 20U);
}

TEST(Payload, ArrivesInPiecesOfAnySize) {
  Payload payload;
  std::string all = payload.next(0, 100);
  all += payload.next(3, 1);
  all += payload.next(0, 50);
  for (char c : all) ASSERT_EQ(fault(payload.check(std::string(1, c))), "");
}

TEST(Payload, FindsLoss) {
  for (std::size_t lost = 1; lost <= 40; ++lost) {
    Payload payload;
    std::string all = payload.next(0, 200);
    all.erase(80, lost);
    EXPECT_THAT(fault(payload.check(all)), HasSubstr("not the next one")) << lost;
  }
}

TEST(Payload, FindsDoublesAndSwaps) {
  Payload twice;
  std::string one = twice.next(0, 8);
  EXPECT_THAT(fault(twice.check(one + one)), HasSubstr("byte 9 of the stream was sent by nobody"));
  Payload swapped;
  std::string first = swapped.next(2, 30), second = swapped.next(2, 30);
  EXPECT_NE(fault(swapped.check(second + first)), "");
}

TEST(Payload, FindsSendersMixedWithinASend) {
  Payload payload;
  std::string a = payload.next(0, 10), b = payload.next(1, 10);
  EXPECT_THAT(fault(payload.check(a.substr(0, 5) + b)), HasSubstr("byte 6"));
}

TEST(Payload, WhatWasRefusedDoesNotCome) {
  Payload payload;
  std::string first = payload.next(0, 5), refused = payload.next(0, 9);
  payload.take_back(0, 9);
  payload.next(0, 0);
  payload.take_back(0, 0);
  std::string next = payload.next(0, 4);
  EXPECT_EQ(next, refused.substr(0, 4)) << "the pattern goes on where it was";
  EXPECT_EQ(fault(payload.check(first + next)), "");
}

TEST(Payload, ChecksHeaders) {
  for (int header : {1, 2, 4}) {
    Payload payload(header);
    std::string a = payload.next(0, 10), b = payload.next(1, 20);
    payload.next(0, 0);
    std::string stream = packet_header(header, 20) + b + packet_header(header, 10) + a + packet_header(header, 0);
    EXPECT_EQ(fault(payload.check(stream)), "") << header;
    EXPECT_THAT(fault(payload.check(packet_header(header, 0))), HasSubstr("nobody sent"));
    Payload other(header);
    std::string c = other.next(0, 10);
    EXPECT_THAT(fault(other.check(packet_header(header, 11) + c)), HasSubstr("of 11 bytes where one of 10"));
  }
}

TEST(Payload, CountsOnAfterAGap) {
  Payload payload;
  std::string all = payload.next(0, 10);
  payload.stop_checking();
  EXPECT_EQ(fault(payload.check(all.substr(5))), "");
  EXPECT_EQ(payload.arrived(), 5U);
}

}  // namespace
}  // namespace tcpadvisor::port::script::payload_test
