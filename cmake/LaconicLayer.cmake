# SPDX-License-Identifier: Apache-2.0
# laconic_layer(wire SOURCES ... HEADERS ... DEPENDS base tensor [LIBRARIES fmt::fmt]): one static
# library per folder of src/laconic. DEPENDS names lower layers only (tests/tidy checks the includes),
# LIBRARIES names third-party targets, which never appear in public headers.
function(laconic_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "" "SOURCES;HEADERS;DEPENDS;LIBRARIES")
  add_library(laconic_${name} STATIC ${A_SOURCES})
  add_library(laconic::${name} ALIAS laconic_${name})
  target_sources(laconic_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${A_HEADERS})
  target_compile_features(laconic_${name} PUBLIC cxx_std_20)
  laconic_warnings(laconic_${name})
  laconic_precompiled(laconic_${name} layers)
  set_target_properties(laconic_${name} PROPERTIES EXPORT_NAME ${name} CXX_EXTENSIONS OFF
                        POSITION_INDEPENDENT_CODE ON VERIFY_INTERFACE_HEADER_SETS ON)
  list(TRANSFORM A_DEPENDS PREPEND laconic_)
  target_link_libraries(laconic_${name} PUBLIC ${A_DEPENDS} PRIVATE ${A_LIBRARIES})
  install(TARGETS laconic_${name} EXPORT laconicTargets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  set_property(GLOBAL APPEND PROPERTY LACONIC_LAYERS ${name})
endfunction()

# At -O1 and with sanitizers g++ 12 sees overflows in std::vector that are not there, and where sources are
# compiled together it takes them for headers.
set(LACONIC_FALSE_ALARMS -Wno-subobject-linkage -Wno-array-bounds -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow)

function(laconic_warnings target)
  if(LACONIC_DEVELOPER)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror)
    if(LACONIC_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
      target_compile_options(${target} PRIVATE ${LACONIC_FALSE_ALARMS})
    endif()
  endif()
endfunction()

# For code that is compiled often and waits for nothing: -O1 takes two thirds of the time of -O3.
# Call it after laconic_warnings.
function(laconic_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE ${LACONIC_FALSE_ALARMS})
  endif()
endfunction()

# Half of the time of most sources goes into the same headers. With LACONIC_PRECOMPILE, for builds that
# are made once and thrown away, they are read once per KIND: layers (position independent) or tests.
# The other builds find out whether every source includes what it uses.
function(laconic_precompiled target kind)
  if(NOT LACONIC_PRECOMPILE)
    return()
  endif()
  set(owner laconic_precompiled_${kind})
  if(NOT TARGET ${owner})
    file(WRITE ${PROJECT_BINARY_DIR}/${owner}.cpp "")
    add_library(${owner} OBJECT ${PROJECT_BINARY_DIR}/${owner}.cpp)
    laconic_warnings(${owner})
    target_precompile_headers(${owner} PRIVATE <algorithm> <array> <cmath> <cstdint> <functional> <memory> <optional>
      <span> <stdexcept> <string> <string_view> <variant> <vector> <fmt/format.h>)
    target_link_libraries(${owner} PRIVATE fmt::fmt)
    if(kind STREQUAL layers)
      set_target_properties(${owner} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
    else()
      target_precompile_headers(${owner} PRIVATE <gtest/gtest.h>)
      target_link_libraries(${owner} PRIVATE GTest::gtest)
      laconic_compile_quickly(${owner})
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
  target_link_libraries(${target} PRIVATE fmt::fmt)  # g++ wants the same macros as for the headers
  laconic_together(${target})
endfunction()

# The same for our own headers and for what templates become: six sources are compiled as one, which takes
# little more than half of the time. Their unnamed namespaces are one then, too: names of a folder differ.
function(laconic_together target)
  if(LACONIC_PRECOMPILE)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
endfunction()
