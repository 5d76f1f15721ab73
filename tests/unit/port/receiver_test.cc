// SPDX-License-Identifier: Apache-2.0
#include "agent/port/receiver.h"

#include <gtest/gtest.h>

namespace tcpadvisor::port::receiver_test {
namespace {

using namespace std::string_literals;

TEST(Receiver, HeadersAreBigEndian) {
  EXPECT_EQ(packet_header(0, 5), "");
  EXPECT_EQ(packet_header(1, 5), "\x05"s);
  EXPECT_EQ(packet_header(2, 0x1234), "\x12\x34"s);
  EXPECT_EQ(packet_header(4, 0x12345), "\x00\x01\x23\x45"s);
}

TEST(Receiver, WithoutAHeaderTakesAllOrExactlySoMuch) {
  Receiver receiver;
  EXPECT_EQ(receiver.take(0, 0), std::nullopt);
  receiver.add("abcdef");
  EXPECT_EQ(receiver.take(0, 7), std::nullopt);
  EXPECT_EQ(receiver.take(0, 2), "ab");
  EXPECT_EQ(receiver.buffered(), 4u);
  receiver.add("g");
  EXPECT_EQ(receiver.take(0, 0), "cdefg");
  EXPECT_EQ(receiver.buffered(), 0u);
}

TEST(Receiver, CutsPacketsThatArriveByteByByte) {
  for (int packet : {1, 2, 4}) {
    std::string stream;
    for (std::string_view message : {"one", "", "three"}) {
      stream.append(packet_header(packet, message.size())).append(message);
    }
    Receiver receiver;
    std::vector<std::string> messages;
    for (char byte : stream) {
      receiver.add({&byte, 1});
      while (auto message = receiver.take(packet, 0)) messages.push_back(*message);
    }
    EXPECT_EQ(messages, (std::vector<std::string>{"one", "", "three"})) << packet;
    EXPECT_EQ(receiver.buffered(), 0u);
  }
}

TEST(Receiver, AHugeLengthOnlyWaits) {
  Receiver receiver;
  receiver.add("\xff\xff\xff\xff"s + "abc");
  EXPECT_EQ(receiver.take(4, 0), std::nullopt);
  receiver.clear();
  EXPECT_EQ(receiver.buffered(), 0u);
}

TEST(Receiver, LeavesToTheKernelWhatNobodyAskedFor) {
  Receiver receiver;
  EXPECT_EQ(receiver.room(0, 1460), 1460u);
  receiver.waiting = Receiver::Waiting{.caller = 1, .bytes = 10, .timer = 0};
  EXPECT_EQ(receiver.room(0, 1460), 10u);
  receiver.add("abc");
  EXPECT_EQ(receiver.room(0, 1460), 7u);
  EXPECT_EQ(receiver.room(2, 1460), 1460u);
  receiver.waiting->bytes = 0;
  EXPECT_EQ(receiver.room(0, 0), 1u);
}

TEST(Receiver, ManySmallMessagesOutOfOneReadTakeLinearTime) {
  Receiver receiver;
  receiver.add(std::string(4 << 20, '\0'));
  std::size_t messages = 0;
  while (receiver.take(1, 0)) ++messages;
  EXPECT_EQ(messages, std::size_t{4 << 20});
}

}  // namespace
}  // namespace tcpadvisor::port::receiver_test
