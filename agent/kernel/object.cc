// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "advisor/base/text.h"

#define TA_EMBEDDED(name)                         \
  extern "C" const std::byte bpf_object_##name[]; \
  extern "C" const std::byte bpf_object_##name##_end[]
TA_EMBEDDED(flows);
TA_EMBEDDED(lifecycle);
TA_EMBEDDED(listen);
TA_EMBEDDED(pressure);
TA_EMBEDDED(sockets);
#undef TA_EMBEDDED

namespace tcpadvisor::kernel {
namespace {

/// What libbpf said last at warning level on this thread: the reason behind an errno.
thread_local std::string last_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view text(line);
  if (text.starts_with("libbpf: ")) text.remove_prefix(8);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  for (std::string_view repeats_errno :
       {"probe_loading", "failed to load object", "program load failed", "PROG LOAD LOG", "permission error"}) {
    if (text.find(repeats_errno) != std::string_view::npos) return 0;
  }
  if (last_warning.empty()) last_warning = printable(text.substr(0, text.find('\n')));
  return 0;
}

std::string reason(int error) {
  return last_warning.empty() ? std::string(std::strerror(error))
                              : fmt::format("{} ({})", std::strerror(error), last_warning);
}

ErrorCode code_for(int error) {
  if (error == EPERM || error == EACCES) return ErrorCode::denied;
  if (error == ENOENT || error == EINVAL || error == ESRCH || error == EOPNOTSUPP || error == ENOTSUP ||
      error == ENOSYS)
    return ErrorCode::unsupported;
  return ErrorCode::failed;
}

}  // namespace

std::span<const std::byte> embedded_object(std::string_view name) {
#define TA_EMBEDDED(object)                          \
  if (name == #object) return {                      \
      bpf_object_##object, bpf_object_##object##_end \
    }
  TA_EMBEDDED(flows);
  TA_EMBEDDED(lifecycle);
  TA_EMBEDDED(listen);
  TA_EMBEDDED(pressure);
  TA_EMBEDDED(sockets);
#undef TA_EMBEDDED
  return {};
}

struct Object::Parts {
  struct FreeObject {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };
  struct FreeLink {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
  };
  std::unique_ptr<bpf_object, FreeObject> object;
  std::map<std::string, std::unique_ptr<bpf_link, FreeLink>, std::less<>> links;
  void* bss = MAP_FAILED;
  std::size_t bss_size = 0;

  ~Parts() {
    if (bss != MAP_FAILED) munmap(bss, bss_size);
  }
  bpf_program* find(std::string_view name) const {
    return bpf_object__find_program_by_name(object.get(), std::string(name).c_str());
  }
};

Object::Object() : parts_(std::make_unique<Parts>()) {}
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

Result<Object> Object::load(std::string_view name, std::span<const std::string_view> programs,
                            const abi::ta_config& config, std::uint32_t max_flows, SharedMaps& shared) {
  libbpf_set_print(keep_warning);
  last_warning.clear();
  auto image = embedded_object(name);
  Object result;
  Parts& parts = *result.parts_;
  parts.object.reset(bpf_object__open_mem(image.data(), image.size(), nullptr));
  if (!parts.object) return fail(ErrorCode::failed, fmt::format("BPF object {}: {}", name, reason(errno)), errno);

  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, parts.object.get()) {
    bpf_program__set_autoload(program, std::ranges::find(programs, bpf_program__name(program)) != programs.end());
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, parts.object.get()) {
    std::string_view map_name = bpf_map__name(map);
    if (map_name.ends_with(".rodata.cfg")) bpf_map__set_initial_value(map, &config, sizeof config);
    if (map_name == "flows") bpf_map__set_max_entries(map, config.in_hash ? max_flows : 1);
    if (map_name == "socks" && config.in_hash) bpf_map__set_autocreate(map, false);
    if (auto known = shared.find(map_name); known != shared.end()) bpf_map__reuse_fd(map, known->second.get());
  }
  if (int error = -bpf_object__load(parts.object.get()); error != 0) {
    return fail(code_for(error), reason(error), error);
  }

  static constexpr std::string_view kShared[] = {"socks", "flows", "lost", "life", "by_pid"};
  bpf_object__for_each_map(map, parts.object.get()) {
    std::string_view map_name = bpf_map__name(map);
    bool to_share = std::ranges::find(kShared, map_name) != std::end(kShared) && !shared.contains(map_name);
    if (to_share && bpf_map__fd(map) >= 0) {
      if (int copy = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3); copy >= 0)
        shared.emplace(map_name, os::UniqueFd(copy));
    }
    if (map_name.ends_with(".bss")) {
      parts.bss_size = (bpf_map__value_size(map) + 4095) / 4096 * 4096;
      parts.bss = mmap(nullptr, parts.bss_size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
      if (parts.bss == MAP_FAILED)
        return fail(ErrorCode::failed, fmt::format("BPF object {}: mapping its variables: {}", name, reason(errno)),
                    errno);
    }
  }
  return result;
}

Status Object::attach(std::string_view program) {
  last_warning.clear();
  bpf_program* found = parts_->find(program);
  bpf_link* link = found != nullptr ? bpf_program__attach(found) : nullptr;
  if (link == nullptr) {
    int error = errno;
    return fail(code_for(error), fmt::format("attaching: {}", reason(error)), error);
  }
  parts_->links[std::string(program)].reset(link);
  return {};
}

void Object::detach(std::string_view program) {
  if (auto at = parts_->links.find(program); at != parts_->links.end()) parts_->links.erase(at);
}

Result<os::UniqueFd> Object::iterate(std::string_view program) const {
  auto at = parts_->links.find(program);
  if (at == parts_->links.end())
    return fail(ErrorCode::unsupported, fmt::format("iterator {} is not attached", program));
  int fd = bpf_iter_create(bpf_link__fd(at->second.get()));
  if (fd < 0) return fail(code_for(-fd), fmt::format("starting iterator {}: {}", program, std::strerror(-fd)), -fd);
  return os::UniqueFd(fd);
}

int Object::map_fd(std::string_view map) const {
  return std::max(-1, bpf_object__find_map_fd_by_name(parts_->object.get(), std::string(map).c_str()));
}

int Object::program_fd(std::string_view program) const {
  bpf_program* found = parts_->find(program);
  return found != nullptr ? std::max(-1, bpf_program__fd(found)) : -1;
}

void* Object::variable(std::string_view name) const {
  if (parts_->bss == MAP_FAILED) return nullptr;
  const btf* types = bpf_object__btf(parts_->object.get());
  std::int32_t section = btf__find_by_name_kind(types, ".bss", BTF_KIND_DATASEC);
  if (section < 0) return nullptr;
  const btf_type* type = btf__type_by_id(types, static_cast<std::uint32_t>(section));
  const btf_var_secinfo* info = btf_var_secinfos(type);
  for (int i = 0; i < btf_vlen(type); ++i) {
    const btf_type* variable = btf__type_by_id(types, info[i].type);
    if (name == btf__name_by_offset(types, variable->name_off))
      return static_cast<std::byte*>(parts_->bss) + info[i].offset;
  }
  return nullptr;
}

}  // namespace tcpadvisor::kernel
