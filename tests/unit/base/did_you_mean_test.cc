// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/did_you_mean.h"

#include <gtest/gtest.h>

namespace tcpadvisor::did_you_mean_test {
namespace {

TEST(DidYouMean, one_or_two_letters_off) {
  EXPECT_EQ(did_you_mean("expct", {"send", "expect"}), "; did you mean 'expect'?");
  EXPECT_EQ(did_you_mean("q1", {"q"}), "; did you mean 'q'?");
  EXPECT_EQ(did_you_mean("something", {"send", "expect"}), "");
  EXPECT_EQ(did_you_mean("", {"send"}), "");
  EXPECT_EQ(did_you_mean("x", {}), "");
}

TEST(DidYouMean, the_nearest_not_the_first) {
  EXPECT_EQ(did_you_mean("windows", {"window", "windows"}), "; did you mean 'windows'?");
  EXPECT_EQ(did_you_mean("hook", {"look-up", "books", "hooks"}), "; did you mean 'hooks'?");
}

TEST(DidYouMean, of_a_novel_is_nothing) {
  EXPECT_EQ(did_you_mean(std::string(1'000'000, 'a'), {"aa"}), "");
}

}  // namespace
}  // namespace tcpadvisor::did_you_mean_test
