// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/owner_group.h"

#include <gtest/gtest.h>

namespace tcpadvisor::owner_group_test {
namespace {

const std::string kId = "1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778";
const std::string kOuterId = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const std::string kUid = "3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4";
const std::string kUidInSlice = "3f0cbb6a_7f5d_4f0b_9a51_0a5ec3b0d2f4";
const std::string kStaticUid = "0123456789abcdef0123456789abcdef";

struct Case {
  std::string path;
  OwnerGroup group;
};

const OwnerGroup kContainer{GroupKind::container, "1f2e3d4c5b6a", kId, ""};
const OwnerGroup kInPod{GroupKind::container, "1f2e3d4c5b6a", kId, kUid};
const OwnerGroup kPod{GroupKind::pod, kUid, kUid, ""};

OwnerGroup unit(const std::string& name) {
  return {GroupKind::unit, name, name, ""};
}
OwnerGroup container(const std::string& name) {
  return {GroupKind::container, name, name, ""};
}
OwnerGroup user(const std::string& name) {
  return {GroupKind::user, name, "1000", ""};
}
OwnerGroup path(const std::string& name) {
  return {GroupKind::cgroup, name, name, ""};
}

class GroupOfPath : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Units, GroupOfPath,
    ::testing::Values(
        Case{"/system.slice/nginx.service", unit("nginx.service")},
        Case{"/system.slice/system-postgresql.slice/postgresql@15-main.service", unit("postgresql@15-main.service")},
        Case{"/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service",
             unit("serial-getty@ttyS0.service")},
        Case{"/system.slice/my\\x2dapp.service", {GroupKind::unit, "my-app.service", "my\\x2dapp.service", ""}},
        Case{"/system.slice/systemd-udevd.service/udev", unit("systemd-udevd.service")},
        Case{"/system.slice/_cgroup.service", unit("cgroup.service")},
        Case{"/system.slice/slurmstepd.scope/job_12/step_0", unit("slurmstepd.scope")},
        Case{"/system.slice/docker.socket", unit("docker.socket")},
        Case{"/web.slice/web-front.slice/caddy.service", unit("caddy.service")},
        Case{"/machine.slice/machine-qemu\\x2d3\\x2dvm1.scope",
             {GroupKind::unit, "machine-qemu-3-vm1.scope", "machine-qemu\\x2d3\\x2dvm1.scope", ""}},
        Case{"/system.slice/docker.service", unit("docker.service")}, Case{"/init.scope", unit("init.scope")},
        Case{"/qemu.slice/100.scope", unit("100.scope")}));

INSTANTIATE_TEST_SUITE_P(
    Containers, GroupOfPath,
    ::testing::Values(
        Case{"/system.slice/docker-" + kId + ".scope", kContainer}, Case{"/docker/" + kId, kContainer},
        Case{"/docker/" + kId + "/init", kContainer},
        Case{"/../docker-" + kId + ".scope", kContainer},  // as a container sees its neighbour
        Case{"/system.slice/docker-" + kId + ".scope/system.slice/cron.service", kContainer},
        Case{"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + kId + ".scope", kContainer},
        Case{"/machine.slice/libpod-" + kId + ".scope", kContainer},
        Case{"/machine.slice/libpod-" + kId + ".scope/container", kContainer},
        Case{"/libpod_parent/libpod-" + kId, kContainer},
        Case{"/machine.slice/machine-libpod_pod_" + kOuterId + ".slice/libpod-" + kId + ".scope",
             {GroupKind::container, "1f2e3d4c5b6a", kId, kOuterId}},
        Case{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope", kContainer},
        Case{"/system.slice/crio-" + kId + ".scope", kContainer}, Case{"/default/" + kId, kContainer},
        Case{"/ecs/0123456789abcdef/" + kId, kContainer}, Case{"/lxc.payload.web", container("web")},
        Case{"/lxc.payload/web", container("web")}, Case{"/lxc/101/ns/system.slice/nginx.service", container("101")},
        Case{"/lxc.payload.web/system.slice/nginx.service", container("web")},
        Case{"/lxc.payload.web/docker/" + kId, kContainer},
        Case{"/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service", container("web")},
        Case{"/machine.slice/machine-my\\x2dweb.scope", container("my-web")}));

INSTANTIATE_TEST_SUITE_P(
    Pods, GroupOfPath,
    ::testing::Values(
        Case{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUidInSlice +
                 ".slice/cri-containerd-" + kId + ".scope",
             kInPod},
        Case{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + kUidInSlice + ".slice/crio-" + kId +
                 ".scope",
             kInPod},
        Case{"/kubepods.slice/kubepods-pod" + kUidInSlice + ".slice/docker-" + kId + ".scope", kInPod},
        Case{"/kubepods/burstable/pod" + kUid + "/" + kId, kInPod}, Case{"/kubepods/pod" + kUid + "/" + kId, kInPod},
        Case{"/system.slice/containerd.service/kubepods-burstable-pod" + kUidInSlice + ".slice:cri-containerd:" + kId,
             kInPod},
        Case{"/docker/" + kOuterId + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + kUidInSlice +
                 ".slice/cri-containerd-" + kId + ".scope",
             kInPod},
        Case{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUidInSlice + ".slice", kPod},
        Case{"/kubepods.slice/kubepods-pod" + kUidInSlice + ".slice/crio-conmon-" + kId + ".scope", kPod},
        Case{"/kubepods/besteffort/pod" + kStaticUid, {GroupKind::pod, kStaticUid, kStaticUid, ""}},
        Case{"/kubepods.slice/kubepods-burstable.slice", path("/kubepods.slice/kubepods-burstable.slice")}));

INSTANTIATE_TEST_SUITE_P(
    UsersAndOthers, GroupOfPath,
    ::testing::Values(
        Case{"/user.slice/user-1000.slice/session-3.scope", user("user-1000.slice")},
        Case{"/user.slice/user-1000.slice/user@1000.service/init.scope", user("user-1000.slice")},
        Case{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4711.scope",
             user("user-1000.slice")},
        Case{"/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", user("syncthing.service")},
        Case{"/user.slice", path("/user.slice")}, Case{"/", path("/")}, Case{"/openrc.sshd", path("/openrc.sshd")},
        Case{"/user.slice/user-.slice", path("/user.slice/user-.slice")},
        Case{"/docker/" + kId.substr(1), path("/docker/" + kId.substr(1))}, Case{"/lxc", path("/lxc")},
        Case{"/pods/pod" + kUid, path("/pods/pod" + kUid)}, Case{"/a/libpod_pod_12", path("/a/libpod_pod_12")}));

TEST_P(GroupOfPath, IsWhatPeopleKnow) {
  auto group = owner_group_of(GetParam().path);
  ASSERT_TRUE(group) << GetParam().path;
  EXPECT_EQ(group->kind, GetParam().group.kind) << GetParam().path;
  EXPECT_EQ(group->name, GetParam().group.name) << GetParam().path;
  EXPECT_EQ(group->id, GetParam().group.id) << GetParam().path;
  EXPECT_EQ(group->pod, GetParam().group.pod) << GetParam().path;
}

TEST(OwnerGroup, NothingIsKnownOfNoPath) {
  EXPECT_EQ(owner_group_of(""), std::nullopt);
}

TEST(OwnerGroup, NamesOfTheKubelet) {
  std::string pod = "/kubepods/burstable/pod" + kUid;
  GroupNames names = {{kId, "shop/web-7d9f/nginx"}, {kUid, "shop/web-7d9f"}};
  EXPECT_EQ(owner_group_of(pod + "/" + kId, names)->name, "shop/web-7d9f/nginx");
  EXPECT_EQ(owner_group_of(pod + "/" + kId, names)->id, kId);
  EXPECT_EQ(owner_group_of(pod, names)->name, "shop/web-7d9f");
  EXPECT_EQ(owner_group_of("/docker/" + kOuterId, names)->name, "001122334455");
}

TEST(OwnerGroup, Texts) {
  auto text = [](const std::string& path) { return group_text(*owner_group_of(path)); };
  EXPECT_EQ(text("/system.slice/nginx.service"), "unit nginx.service");
  EXPECT_EQ(text("/docker/" + kId), "container 1f2e3d4c5b6a");
  EXPECT_EQ(text("/user.slice/user-1000.slice/session-3.scope"), "user-1000.slice");
  EXPECT_EQ(text("/user.slice/user-1000.slice/user@1000.service/app.slice/x.service"), "x.service of user 1000");
  EXPECT_EQ(text("/a/b"), "cgroup /a/b");
}

TEST(OwnerGroup, HostilePathsAreOnlyPaths) {
  for (const std::string path : {"//", "/\\x", "/\\x2", "/\\xzz.service", "/user-1\n.slice", "/\xff\xfe.service",
                                 "/machine.slice/machine-.scope", "/machine.slice/systemd-nspawn@.service",
                                 "/lxc.payload.", "/_.scope", "/lxc//", "/lxc/lxc.payload./a"}) {
    auto group = owner_group_of(path);
    ASSERT_TRUE(group);
    EXPECT_FALSE(group->name.empty() || group->id.empty()) << path;
    for (char c : group->name) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  }
}

}  // namespace
}  // namespace tcpadvisor::owner_group_test
