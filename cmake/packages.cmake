# SPDX-License-Identifier: Apache-2.0
# Every library the build needs, and for each one the Debian package to name when it is missing.

function(need_failed what package)
  message(FATAL_ERROR "tcpadvisor: ${what} is missing. Install it with: apt-get install ${package}   (or run: ./dev build)")
endfunction()

macro(need_cmake_package name package)
  find_package(${name} QUIET)
  if(NOT ${name}_FOUND)
    need_failed("the library ${name}" ${package})
  endif()
endmacro()

macro(need_pkgconfig var module package)
  pkg_check_modules(${var} QUIET IMPORTED_TARGET ${module})
  if(NOT ${var}_FOUND)
    need_failed("the library ${module}" ${package})
  endif()
endmacro()

macro(need_program var names package)
  find_program(${var} NAMES ${names} PATHS /usr/sbin /sbin)
  if(NOT ${var})
    need_failed("the program ${names}" ${package})
  endif()
endmacro()

find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  need_failed("pkg-config" pkg-config)
endif()
need_cmake_package(fmt libfmt-dev)
need_cmake_package(CLI11 libcli11-dev)
need_cmake_package(nlohmann_json nlohmann-json3-dev)
need_cmake_package(tomlplusplus libtomlplusplus-dev)  # its headers only: its library throws, and we build it so that it does not
need_pkgconfig(BPF libbpf libbpf-dev)
need_pkgconfig(CAP libcap libcap-dev)
need_pkgconfig(EVENT libevent_core libevent-dev)
need_pkgconfig(EVENT_HTTP libevent_extra libevent-dev)
need_pkgconfig(EVENT_TLS libevent_openssl libevent-dev)
need_pkgconfig(TLS openssl libssl-dev)
need_pkgconfig(CRYPT libcrypt libcrypt-dev)
need_pkgconfig(YAML yaml-0.1 libyaml-dev)
need_pkgconfig(MNL libmnl libmnl-dev)
need_cmake_package(SQLiteCpp libsqlitecpp-dev)  # a static library: sqlite3 itself is linked below
need_pkgconfig(SQLITE sqlite3 libsqlite3-dev)
need_pkgconfig(ZLIB zlib zlib1g-dev)
need_pkgconfig(NCURSES ncursesw libncurses-dev)
# _DEFAULT_SOURCE and the like: g++ defines _GNU_SOURCE, which says more, and other flags would ask for another
# precompiled header.
set_target_properties(PkgConfig::NCURSES PROPERTIES INTERFACE_COMPILE_OPTIONS "" INTERFACE_COMPILE_DEFINITIONS "")
need_program(BPF_CLANG "clang-19;clang-18;clang-17;clang-16;clang-15;clang-14;clang" clang-19)
if(TCPADVISOR_TESTS)
  need_cmake_package(GTest libgtest-dev)
endif()
