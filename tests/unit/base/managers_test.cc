// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/managers.h"

#include <gtest/gtest.h>

namespace tcpadvisor::managers_test {
namespace {

TEST(Managers, are_known_by_name_and_by_being_the_first) {
  EXPECT_TRUE(is_manager(1, "nginx"));
  EXPECT_TRUE(is_manager(77, "containerd-shim-runc-v2"));
  EXPECT_TRUE(is_manager(77, "systemd"));
  EXPECT_FALSE(is_manager(77, "nginx"));
  EXPECT_FALSE(is_manager(0, "systemd-resolved"));
}

}  // namespace
}  // namespace tcpadvisor::managers_test
