// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/host_load.h"

#include <cerrno>
#include <utility>

#include "agent/sources/host_pressure.h"
#include "agent/sources/softnet.h"

namespace tcpadvisor::collect {
namespace {

Attempt without_stalls(const Error& why) {
  static constexpr const char* kFiles = "/proc/pressure";
  if (why.code == ErrorCode::not_found)
    return works_not(kFiles, "this kernel has no pressure stall information", "a kernel with CONFIG_PSI",
                     why.sys_errno);
  if (why.sys_errno == EOPNOTSUPP)
    return works_not(kFiles, "pressure stall information is switched off", "boot with psi=1", why.sys_errno);
  return works_not(kFiles, why.message, "", why.sys_errno);
}

void describe_pressure(const os::ProcRoot& root, Sample& sample, OwnFacts& own) {
  sources::PressureFiles files = sources::read_host_pressure(root);
  const HostPressure& pressure = files.pressure;
  bool stalls = pressure.memory_some || pressure.cpu_some || pressure.io_some;
  bool reclaim = pressure.allocation_stalls.has_value();
  own.host_pressure = {
      stalls ? works("/proc/pressure", SourceKind::proc_file) : without_stalls(*files.stalls_error),
      reclaim ? works("/proc/vmstat", SourceKind::proc_file) : works_not("/proc/vmstat", files.vmstat_error->message)};
  own.host_pressure_remark = stalls && files.stalls_error ? files.stalls_error->message
                             : !stalls && reclaim         ? "only how often tasks waited for memory, not how long"
                                                          : "";
  if (stalls || reclaim) sample.host_pressure = pressure;
}

}  // namespace

void describe_load(const os::ProcRoot& root, Sample& sample, OwnFacts& own) {
  auto softnet = sources::read_softnet(root);
  static constexpr const char* kSoftnet = "/proc/net/softnet_stat";
  own.softnet = {softnet ? works(kSoftnet, SourceKind::proc_file) : works_not(kSoftnet, softnet.error(), "")};
  if (softnet) sample.softnet = std::move(*softnet);
  describe_pressure(root, sample, own);
}

}  // namespace tcpadvisor::collect
