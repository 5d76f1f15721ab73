// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/os/proc_root.h"
#include "agent/os/sandbox.h"

namespace tcpadvisor::os {
namespace {

constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EACCES;
constexpr std::uint32_t kX32 = 0x40000000;  // the calls of the x32 ABI, by other numbers
constexpr std::uint32_t kFchmodat2 = 452;   // newer than Debian 12's asm/unistd.h
constexpr std::uint32_t kChangingFlags = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

constexpr std::uint32_t kForbidden[] = {
    // files
    SYS_creat, SYS_truncate, SYS_unlink, SYS_unlinkat, SYS_rename, SYS_renameat, SYS_renameat2, SYS_mkdir, SYS_mkdirat,
    SYS_rmdir, SYS_mknod, SYS_mknodat, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_chmod, SYS_fchmod,
    SYS_fchmodat, kFchmodat2, SYS_chown, SYS_lchown, SYS_fchown, SYS_fchownat, SYS_utime, SYS_utimes, SYS_futimesat,
    SYS_utimensat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
    SYS_open_by_handle_at,
    // mounts
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fspick,
    SYS_mount_setattr, SYS_swapon, SYS_swapoff, SYS_quotactl,
    // other programs, and the kernel
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_perf_event_open, SYS_reboot, SYS_sethostname,
    SYS_setdomainname, SYS_unshare, SYS_keyctl, SYS_add_key, SYS_acct, SYS_syslog,
    // ways around
    SYS_openat2, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    unless_equal(AUDIT_ARCH_X86_64, kRefuse);
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1);
    give(kRefuse);
  }
  void refuse(std::uint32_t call) {
    add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    give(kRefuse);
  }
  /// `call` is refused if its argument has one of `bits`.
  void refuse_bits(std::uint32_t call, std::size_t argument, std::uint32_t bits) {
    add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
    load(low_word(argument));
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    give(kRefuse);
    give(SECCOMP_RET_ALLOW);
  }
  /// `call` is refused unless its argument is one of `values`.
  void allow_only(std::uint32_t call, std::size_t argument, const std::vector<std::uint32_t>& values) {
    add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, static_cast<std::uint8_t>(2 * values.size() + 2));
    load(low_word(argument));
    for (std::uint32_t value : values) {
      add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
      give(SECCOMP_RET_ALLOW);
    }
    give(kRefuse);
  }
  Status install() {
    give(SECCOMP_RET_ALLOW);
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
      return fail_errno("cannot install a filter of system calls", errno);
    return {};
  }

 private:
  static std::size_t low_word(std::size_t argument) {  // little endian: x86-64
    return offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t);
  }
  void add(int code, std::uint32_t k, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, k});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void give(std::uint32_t verdict) { add(BPF_RET | BPF_K, verdict); }
  void unless_equal(std::uint32_t value, std::uint32_t verdict) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    give(verdict);
  }

  std::vector<sock_filter> code_;
};

}  // namespace

Status forbid_changes() {
  Filter filter;
  for (std::uint32_t call : kForbidden) filter.refuse(call);
  filter.refuse_bits(SYS_open, 1, kChangingFlags);
  filter.refuse_bits(SYS_openat, 2, kChangingFlags);
  filter.allow_only(SYS_setns, 1, {CLONE_NEWNET});
  filter.allow_only(SYS_bpf, 0,
                    {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
                     BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH,
                     BPF_OBJ_GET_INFO_BY_FD, BPF_ENABLE_STATS, BPF_ITER_CREATE, BPF_LINK_DETACH});
  return filter.install();
}

}  // namespace tcpadvisor::os
