// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/travel.h"

#include <gtest/gtest.h>

namespace tcpadvisor::watch::travel_test {
namespace {

KeyPress key(char character) {
  return {Key::character, character};
}

TEST(TravelKeys, play_step_and_seek) {
  Steering steering;
  EXPECT_TRUE(steer(key(' '), steering));
  EXPECT_EQ(steering.journey, Journey::stand);
  EXPECT_TRUE(steer(key('p'), steering));
  EXPECT_EQ(steering.journey, Journey::play);
  EXPECT_TRUE(steer(key('.'), steering));
  EXPECT_EQ(steering.journey, Journey::stand);
  EXPECT_EQ(steering.steps, 1);
  EXPECT_TRUE(steer(key('<'), steering));
  EXPECT_EQ(steering.steps, -60);
  EXPECT_TRUE(steer(key('n'), steering));
  EXPECT_EQ(steering.journey, Journey::seek_next);
  EXPECT_TRUE(steer(key('N'), steering));
  EXPECT_EQ(steering.journey, Journey::seek_back);
  EXPECT_TRUE(steer(key(' '), steering));  // ends the search
  EXPECT_EQ(steering.journey, Journey::stand);
}

TEST(TravelKeys, others_are_the_screens) {
  Steering steering;
  for (char other : {'q', '1', 's', '/', '?', 'r', 'g'}) EXPECT_FALSE(steer(key(other), steering)) << other;
  EXPECT_FALSE(steer({Key::up, 0}, steering));
}

}  // namespace
}  // namespace tcpadvisor::watch::travel_test
