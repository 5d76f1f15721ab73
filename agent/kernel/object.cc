// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "agent/kernel/libbpf_error.h"

#define TA_EMBEDDED(name)                         \
  extern "C" const std::byte bpf_object_##name[]; \
  extern "C" const std::byte bpf_object_##name##_end[]
TA_EMBEDDED(programs);
TA_EMBEDDED(trial);
#undef TA_EMBEDDED

namespace tcpadvisor::kernel {
namespace {

struct FreeObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
struct FreeLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using ObjectPointer = std::unique_ptr<bpf_object, FreeObject>;

constexpr std::string_view kOpening = "opening our BPF object", kSetting = "setting up our BPF object";

Result<ObjectPointer> open_image() {
  listen_to_libbpf();
  auto image = embedded_object("programs");
  ObjectPointer object(bpf_object__open_mem(image.data(), image.size(), nullptr));
  if (!object) return std::unexpected(libbpf_error(kOpening, errno));
  return object;
}

/// libbpf's setters return 0 or -errno, and set nothing then: a program that ran all the same would read other settings
/// or another map than ours.
Status set_up(bpf_object* object, std::span<const std::string_view> programs, const abi::ta_config& config,
              std::uint32_t max_flows) {
  int first_refusal = 0;
  auto check = [&first_refusal](int result) {
    if (first_refusal == 0 && result < 0) first_refusal = -result;
  };
  bool configured = false;
  for (std::string_view wanted : programs) {
    if (bpf_object__find_program_by_name(object, std::string(wanted).c_str()) == nullptr)
      return std::unexpected(libbpf_error(fmt::format("program {} of our BPF object", wanted), ENOENT));
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    check(
        bpf_program__set_autoload(program, std::ranges::find(programs, bpf_program__name(program)) != programs.end()));
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    std::string_view name = bpf_map__name(map);
    if (name.ends_with(".rodata.cfg")) {
      check(bpf_map__set_initial_value(map, &config, sizeof config));
      configured = true;
    }
    if (name == "flows") check(bpf_map__set_max_entries(map, config.in_hash != 0 ? std::max(max_flows, 1u) : 1));
    if (name == "socks" && config.in_hash != 0) check(bpf_map__set_autocreate(map, false));
  }
  if (first_refusal != 0) return std::unexpected(libbpf_error(kSetting, first_refusal));
  if (!configured) return std::unexpected(libbpf_error(kSetting, ENOENT));
  return {};
}

}  // namespace

std::span<const std::byte> embedded_object(std::string_view name) {
#define TA_EMBEDDED(object)                          \
  if (name == #object) return {                      \
      bpf_object_##object, bpf_object_##object##_end \
    }
  TA_EMBEDDED(programs);
  TA_EMBEDDED(trial);
#undef TA_EMBEDDED
  return {};
}

struct Object::Parts {
  ObjectPointer object;
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

Result<Object> Object::load(std::span<const std::string_view> programs, const abi::ta_config& config,
                            std::uint32_t max_flows) {
  auto opened = open_image();
  if (!opened) return std::unexpected(opened.error());
  Object result;
  Parts& parts = *result.parts_;
  parts.object = std::move(*opened);
  if (Status set = set_up(parts.object.get(), programs, config, max_flows); !set) return std::unexpected(set.error());
  if (int error = -bpf_object__load(parts.object.get()); error != 0) return std::unexpected(libbpf_error("", error));

  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, parts.object.get()) {
    if (!std::string_view(bpf_map__name(map)).ends_with(".bss")) continue;
    parts.bss_size = (bpf_map__value_size(map) + 4095) / 4096 * 4096;
    parts.bss = mmap(nullptr, parts.bss_size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (parts.bss == MAP_FAILED) return std::unexpected(libbpf_error("mapping the variables of our BPF object", errno));
  }
  return result;
}

Result<std::map<std::string, std::string, std::less<>>> Object::sections() {
  auto opened = open_image();
  if (!opened) return std::unexpected(opened.error());
  std::map<std::string, std::string, std::less<>> sections;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, opened->get()) {
    sections[bpf_program__name(program)] = bpf_program__section_name(program);
  }
  return sections;
}

Status Object::attach(std::string_view program) {
  listen_to_libbpf();
  bpf_program* found = parts_->find(program);
  if (found == nullptr) return std::unexpected(libbpf_error("attaching", ENOENT));
  bpf_link* link = bpf_program__attach(found);
  if (link == nullptr) return std::unexpected(libbpf_error("attaching", errno));
  parts_->links[std::string(program)].reset(link);
  return {};
}

void Object::detach(std::string_view program) {
  if (auto at = parts_->links.find(program); at != parts_->links.end()) parts_->links.erase(at);
}

Result<os::UniqueFd> Object::iterate(std::string_view program) const {
  listen_to_libbpf();
  auto at = parts_->links.find(program);
  if (at == parts_->links.end())
    return fail(ErrorCode::unsupported, fmt::format("iterator {} is not attached", program));
  int fd = bpf_iter_create(bpf_link__fd(at->second.get()));
  if (fd < 0) return std::unexpected(libbpf_error(fmt::format("starting iterator {}", program), -fd));
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
