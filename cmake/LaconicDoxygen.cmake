# SPDX-License-Identifier: Apache-2.0
# The target doxygen, where Doxygen is: pages of the public headers, of README.md and of docs/. Any warning is
# a failure; tests/docs runs the same command, LACONIC_DOXYGEN.
find_package(Python3 3.9 COMPONENTS Interpreter QUIET)
find_package(Doxygen QUIET)
if(NOT DOXYGEN_FOUND OR NOT Python3_FOUND)
  return()
endif()
get_property(layers GLOBAL PROPERTY LACONIC_LAYERS)
foreach(layer IN LISTS layers)
  get_target_property(headers laconic_${layer} HEADER_SET)
  get_target_property(folder laconic_${layer} SOURCE_DIR)
  foreach(header IN LISTS headers)
    cmake_path(ABSOLUTE_PATH header BASE_DIRECTORY ${folder})
    cmake_path(RELATIVE_PATH header BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
    list(APPEND public_headers ${header})
  endforeach()
endforeach()
set(doxygen_folder ${PROJECT_BINARY_DIR}/doxygen)
configure_file(${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in ${doxygen_folder}/Doxyfile @ONLY)
set(LACONIC_DOXYGEN ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/doxygen.py ${DOXYGEN_EXECUTABLE}
    ${doxygen_folder}/Doxyfile ${PROJECT_SOURCE_DIR} ${doxygen_folder}/copies ${public_headers})
add_custom_target(doxygen COMMAND ${LACONIC_DOXYGEN} COMMENT "Pages: ${doxygen_folder}/html/index.html" VERBATIM)
