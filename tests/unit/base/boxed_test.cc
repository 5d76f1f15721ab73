// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/boxed.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

namespace tcpadvisor::boxed_test {
namespace {

TEST(Boxed, reads_as_an_optional) {
  Boxed<std::string> nothing, something = std::string("eth0");
  EXPECT_FALSE(nothing);
  EXPECT_FALSE(Boxed<std::string>(std::nullopt).has_value());
  EXPECT_FALSE(Boxed<std::string>(std::optional<std::string>()).has_value());
  ASSERT_TRUE(something);
  EXPECT_EQ(*something, "eth0");
  EXPECT_EQ(something->size(), 4u);
  EXPECT_EQ(*Boxed<std::string>(std::optional<std::string>("lo")), "lo");
  something.reset();
  EXPECT_FALSE(something);
}

TEST(Boxed, a_copy_has_its_own_value) {
  Boxed<std::string> one = std::string("eth0"), other = one, third;
  *other = "eth1";
  EXPECT_EQ(*one, "eth0");
  third = other;
  *other = "eth2";
  EXPECT_EQ(*third, "eth1");
  const Boxed<std::string>& itself = third;
  third = itself;
  EXPECT_EQ(*third, "eth1");
  third = Boxed<std::string>();
  EXPECT_FALSE(third);
  Boxed<std::string> moved = std::move(one);
  EXPECT_EQ(*moved, "eth0");
}

}  // namespace
}  // namespace tcpadvisor::boxed_test
