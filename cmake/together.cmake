# SPDX-License-Identifier: Apache-2.0
# Several sources of one target compiled as one: what their headers cost is paid once. An edit then costs the neighbours of
# a file as well, so that the preset for edits (quick) goes without. A rule and a test keep what is private in a namespace
# named for their file, so that each may have a host, a policy and a finding of its own; other files of a room that is
# compiled so share one set of private names.
option(TCPADVISOR_TOGETHER "compile several sources of a target at once: a shorter whole build, a longer one after an edit"
       OFF)
set(CMAKE_UNITY_BUILD ${TCPADVISOR_TOGETHER})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)

# one_by_one(target…): for rooms whose files give their private parts the same names.
function(one_by_one)
  set_target_properties(${ARGN} PROPERTIES UNITY_BUILD OFF)
endfunction()
