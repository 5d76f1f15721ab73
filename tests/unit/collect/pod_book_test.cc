// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/pod_book.h"

#include <gtest/gtest.h>

#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::collect::pod_book_test {
namespace {

const std::string kFirst = "11111111-2222-3333-4444-555555555555";
const std::string kSecond = "66666666-7777-8888-9999-aaaaaaaaaaaa";

Picture in_pods(const std::vector<std::string>& uids) {
  Picture picture;
  for (const std::string& uid : uids) picture.owners.emplace_back().cgroup = "/kubepods/burstable/pod" + uid;
  return picture;
}

TEST(PodBook, only_names_of_pods_that_hold_sockets) {
  os::TempTree tree;
  tree.file("/var/log/pods/shop_web_" + kFirst + "/c/0.log", "").file("/var/log/pods/shop_db_" + kSecond + "/x", "");
  PodBook book(tree.root());
  EXPECT_EQ(book.names_for(in_pods({kFirst}), 0), (GroupNames{{kFirst, "shop/web"}}));
  EXPECT_TRUE(book.names_for({}, 0).empty());
}

TEST(PodBook, a_new_pod_gets_its_name_at_the_next_reading) {
  os::TempTree tree;
  tree.file("/var/log/pods/shop_web_" + kFirst + "/x", "");
  PodBook book(tree.root());
  book.names_for(in_pods({kFirst}), 1'000);
  tree.file("/var/log/pods/shop_db_" + kSecond + "/x", "");
  EXPECT_EQ(book.names_for(in_pods({kFirst, kSecond}), 1'000 + PodBook::kReadAgainAfterMs - 1).size(), 1u);
  EXPECT_EQ(book.names_for(in_pods({kFirst, kSecond}), 1'000 + PodBook::kReadAgainAfterMs).size(), 2u);
}

TEST(PodBook, a_host_without_pods_reads_nothing) {
  os::TempTree tree;
  PodBook book(tree.root());
  Picture picture;
  picture.owners.emplace_back().cgroup = "/system.slice/nginx.service";
  book.names_for(picture, 0);
  tree.file("/var/log/pods/shop_web_" + kFirst + "/x", "");
  EXPECT_EQ(book.names_for(in_pods({kFirst}), 1).size(), 1u) << "no reading before, so this one is not too early";
}

}  // namespace
}  // namespace tcpadvisor::collect::pod_book_test
