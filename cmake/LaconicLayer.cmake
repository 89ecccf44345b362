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
  set_target_properties(laconic_${name} PROPERTIES EXPORT_NAME ${name} CXX_EXTENSIONS OFF
                        POSITION_INDEPENDENT_CODE ON VERIFY_INTERFACE_HEADER_SETS ON)
  list(TRANSFORM A_DEPENDS PREPEND laconic_)
  target_link_libraries(laconic_${name} PUBLIC ${A_DEPENDS} PRIVATE ${A_LIBRARIES})
  install(TARGETS laconic_${name} EXPORT laconicTargets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  set_property(GLOBAL APPEND PROPERTY LACONIC_LAYERS ${name})
endfunction()

# At -O1 and with sanitizers g++ 12 sees overflows in std::vector that are not there.
set(LACONIC_FALSE_ALARMS -Wno-array-bounds -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow)

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
