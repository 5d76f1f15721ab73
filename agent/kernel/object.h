// SPDX-License-Identifier: Apache-2.0
// Our BPF object, loaded: some of its programs, attached, and its maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"
#include "bpf/abi.h"

namespace tcpadvisor::kernel {

/// The ELF image of bpf/<name>.bpf.c that the build embedded; empty for an unknown name.
std::span<const std::byte> embedded_object(std::string_view name);

class Object {
 public:
  /// Loads the named programs, and no others. The Error holds the kernel's errno and what libbpf said. `max_flows` is
  /// the size of the hash that replaces socket storage, if `config` asks for it.
  static Result<Object> load(std::span<const std::string_view> programs, const abi::ta_config& config,
                             std::uint32_t max_flows);
  Object(Object&&) noexcept;
  Object& operator=(Object&&) noexcept;
  ~Object();

  /// Program -> its section, which names the hook: "fentry/tcp_close".
  static Result<std::map<std::string, std::string, std::less<>>> sections();

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
