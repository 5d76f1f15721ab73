# SPDX-License-Identifier: Apache-2.0
# Two precompiled headers: what nearly every file of ours includes, and the same with GoogleTest for the tests. They hold
# library headers only, so that no edit of ours makes them anew, and not nlohmann/json.hpp: loading it precompiled takes
# every file longer than parsing it takes the few that need it. Each file still includes what it uses: the build
# under clang-tidy goes without them.
option(TCPADVISOR_PRECOMPILED "precompile the library headers" ON)

set(PRECOMPILED_LIBRARIES
    <algorithm> <array> <chrono> <cmath> <cstdint> <deque> <expected> <functional> <map> <memory> <optional> <ranges> <set>
    <span> <string> <string_view> <tuple> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)

# precompile_for(target): `target` uses the header of the rooms.
function(precompile_for target)
  if(NOT TCPADVISOR_PRECOMPILED)
    return()
  endif()
  if(NOT TARGET precompiled_rooms)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "// only to make the header\n")
    add_library(precompiled_rooms STATIC ${PROJECT_BINARY_DIR}/precompiled.cc)
    target_link_libraries(precompiled_rooms PRIVATE fmt::fmt)
    target_precompile_headers(precompiled_rooms PRIVATE ${PRECOMPILED_LIBRARIES})
  endif()
  target_precompile_headers(${target} REUSE_FROM precompiled_rooms)
endfunction()

# precompile_for_test(target): `target` uses the header of the tests. Call it below tests/ only: their flags differ.
function(precompile_for_test target)
  if(NOT TCPADVISOR_PRECOMPILED)
    return()
  endif()
  if(NOT TARGET precompiled_tests)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "// only to make the header\n")
    add_library(precompiled_tests STATIC ${PROJECT_BINARY_DIR}/precompiled.cc)
    target_link_libraries(precompiled_tests PRIVATE fmt::fmt GTest::gtest GTest::gmock)
    target_precompile_headers(precompiled_tests PRIVATE ${PRECOMPILED_LIBRARIES} <filesystem> <fstream> <sstream> <thread>
                               <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM precompiled_tests)
endfunction()
