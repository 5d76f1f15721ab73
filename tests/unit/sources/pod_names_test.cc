// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/pod_names.h"

#include <gtest/gtest.h>

#include "tests/unit/os/temp_tree.h"
#include "tests/unit/sources/fixture.h"

namespace tcpadvisor::sources::pod_names_test {
namespace {

TEST(PodNames, one_directory_of_a_pods_logs) {
  EXPECT_EQ(parse_pod_log("shop_web-7d9f_3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4"),
            (KnownName{"3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4", "shop/web-7d9f"}));
  for (const char* bad : {"", "_", "__", "a_b", "a_b_c_d", "_b_c", "a_b_", "a__c", "lost+found"})
    EXPECT_FALSE(parse_pod_log(bad)) << bad;
}

TEST(PodNames, one_link_to_a_containers_log) {
  EXPECT_EQ(parse_container_log("web-7d9f_shop_side-car-12ab.log"), (KnownName{"12ab", "shop/web-7d9f/side-car"}));
  for (const char* bad : {"", ".log", "a_b_c", "a_b_c.log", "a_b_-c.log", "a_b_c-.log", "a_b_c-1.txt", "a_b_x_c-1.log"})
    EXPECT_FALSE(parse_container_log(bad)) << bad;
}

TEST(PodNames, of_a_node_with_two_pods) {
  GroupNames names = read_pod_names(fixture::root("kubelet"));
  EXPECT_EQ(names.size(), 4u);
  EXPECT_EQ(names["3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4"], "shop/web-7d9f5c");
  EXPECT_EQ(names["0123456789abcdef0123456789abcdef"], "kube-system/etcd-node1");
  EXPECT_EQ(names["1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778"], "shop/web-7d9f5c/nginx");
}

TEST(PodNames, a_host_without_a_kubelet_has_none) {
  os::TempTree tree;
  EXPECT_TRUE(read_pod_names(tree.root()).empty());
}

}  // namespace
}  // namespace tcpadvisor::sources::pod_names_test
