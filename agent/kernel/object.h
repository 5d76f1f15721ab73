// SPDX-License-Identifier: Apache-2.0
// One loaded BPF object: some of its programs, attached, and its maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"
#include "bpf/abi.h"

struct bpf_link;
struct bpf_object;

namespace tcpadvisor::kernel {

/// The ELF image of bpf/<name>.bpf.c that the build embedded; empty for an unknown name.
std::span<const std::byte> embedded_object(std::string_view name);

/// Maps that all objects share, by name: the first object that loads makes them, the others take them over.
using SharedMaps = std::map<std::string, os::UniqueFd, std::less<>>;

class Object {
 public:
  /// Loads the named programs of an embedded object, and no others. The Error holds the kernel's errno and what libbpf
  /// said.
  static Result<Object> load(std::string_view name, std::span<const std::string_view> programs,
                             const abi::ta_config& config, std::uint32_t max_flows, SharedMaps& shared);
  Object(Object&&) noexcept;
  Object& operator=(Object&&) noexcept;
  ~Object();

  /// Attaches a loaded program; it is detached by detach() or with the object.
  Status attach(std::string_view program);
  void detach(std::string_view program);

  /// One open iterator over an attached iter/ program, in the network namespace of the calling thread.
  Result<os::UniqueFd> iterate(std::string_view program) const;
  int map_fd(std::string_view map) const;          ///< -1 if there is none
  int program_fd(std::string_view program) const;  ///< -1 if it is not loaded
  /// A global variable of the object (.bss), shared with the running programs; null if there is none.
  void* variable(std::string_view name) const;

 private:
  Object();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tcpadvisor::kernel
