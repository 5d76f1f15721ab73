// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/hook_trial.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <string>

#include "agent/kernel/libbpf_error.h"
#include "agent/kernel/object.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::kernel {

struct HookTrial::Parts {
  struct Free {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };
  std::unique_ptr<bpf_object, Free> kprobes;  ///< trial.bpf.c, loaded; null before the first try
  bool a_kprobe_works = false;
};

HookTrial::HookTrial(const KernelTypes& types) : types_(types), parts_(std::make_unique<Parts>()) {}
HookTrial::HookTrial(HookTrial&&) noexcept = default;
HookTrial::~HookTrial() = default;

Status HookTrial::ask(std::string_view section) {
  auto slash = section.find('/');
  std::string_view kind = section.substr(0, slash);
  std::string target(slash == std::string_view::npos ? "" : section.substr(slash + 1));
  if (kind == "fentry") return load_nothing(BPF_TRACE_FENTRY, target, BTF_KIND_FUNC);
  if (kind == "fexit") return load_nothing(BPF_TRACE_FEXIT, target, BTF_KIND_FUNC);
  if (kind == "tp_btf") return load_nothing(BPF_TRACE_RAW_TP, "btf_trace_" + target, BTF_KIND_TYPEDEF);
  if (kind == "iter") return load_nothing(BPF_TRACE_ITER, "bpf_iter_" + target, BTF_KIND_FUNC);
  if (kind == "kprobe") return attach_kprobe("t_kprobe", target, false);
  if (kind == "kretprobe") return attach_kprobe("t_kretprobe", target, true);
  return {};
}

Status HookTrial::load_nothing(int attach_type, std::string_view name, int types_kind) {
  auto id = types_.id_of(name, types_kind);
  if (!id) return {};  // perhaps in a module: libbpf looks there too
  listen_to_libbpf();
  bpf_insn return_zero[2] = {};
  return_zero[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  return_zero[1].code = BPF_JMP | BPF_EXIT;
  bpf_prog_load_opts how = {};
  how.sz = sizeof how;
  how.expected_attach_type = static_cast<bpf_attach_type>(attach_type);
  how.attach_btf_id = *id;
  int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "t_nothing", "GPL", return_zero, 2, &how);
  if (fd < 0) return std::unexpected(libbpf_error("", -fd));
  os::UniqueFd close_it(fd);
  return {};
}

Status HookTrial::attach_kprobe(std::string_view program, std::string_view function, bool at_return) {
  // Taking a kprobe away again can take the kernel some milliseconds: where one works, the real ones are tried
  // directly.
  if (parts_->a_kprobe_works) return {};
  listen_to_libbpf();
  if (!parts_->kprobes) {
    auto image = embedded_object("trial");
    parts_->kprobes.reset(bpf_object__open_mem(image.data(), image.size(), nullptr));
    if (!parts_->kprobes) return std::unexpected(libbpf_error("", errno));
    if (int error = -bpf_object__load(parts_->kprobes.get()); error != 0) {
      parts_->kprobes.reset();
      return std::unexpected(libbpf_error("", error));
    }
  }
  bpf_program* found = bpf_object__find_program_by_name(parts_->kprobes.get(), std::string(program).c_str());
  if (found == nullptr) return std::unexpected(libbpf_error("attaching", ENOENT));
  bpf_link* link = bpf_program__attach_kprobe(found, at_return, std::string(function).c_str());
  if (link == nullptr) return std::unexpected(libbpf_error("attaching", errno));
  bpf_link__destroy(link);
  parts_->a_kprobe_works = true;
  return {};
}

}  // namespace tcpadvisor::kernel
