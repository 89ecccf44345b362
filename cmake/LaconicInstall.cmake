# SPDX-License-Identifier: Apache-2.0
# `cmake --install`: the program, headers, static libraries, documents, and what other projects find
# them by, which is find_package(laconic) and laconic.pc. tests/install builds a project with each.
include(CMakePackageConfigHelpers)

get_property(layers GLOBAL PROPERTY LACONIC_LAYERS)

# laconic::laconic is all layers; laconic::base, laconic::wire and so on are single ones.
add_library(laconic_laconic INTERFACE)
add_library(laconic::laconic ALIAS laconic_laconic)
set_target_properties(laconic_laconic PROPERTIES EXPORT_NAME laconic)
foreach(layer IN LISTS layers)
  target_link_libraries(laconic_laconic INTERFACE laconic_${layer})
endforeach()
install(TARGETS laconic_laconic EXPORT laconicTargets)

set(laconic_cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/laconic)
install(EXPORT laconicTargets NAMESPACE laconic:: DESTINATION ${laconic_cmake_folder})
if(LACONIC_HAVE_TORCH)
  install(EXPORT laconicTorchTargets NAMESPACE laconic:: DESTINATION ${laconic_cmake_folder})
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/laconicConfig.cmake.in
  ${PROJECT_BINARY_DIR}/laconicConfig.cmake INSTALL_DESTINATION ${laconic_cmake_folder})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/laconicConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/laconicConfig.cmake ${PROJECT_BINARY_DIR}/laconicConfigVersion.cmake
  DESTINATION ${laconic_cmake_folder})

# A static library stands before those that it uses.
set(laconic_pc_libs "-L\${libdir}")
foreach(layer IN LISTS layers)
  list(PREPEND laconic_pc_archives -llaconic_${layer})
endforeach()
list(APPEND laconic_pc_libs ${laconic_pc_archives})
if(LACONIC_HAVE_MPI)
  list(APPEND laconic_pc_libs ${MPI_CXX_LIBRARIES})
endif()
list(APPEND laconic_pc_libs -pthread)
list(JOIN laconic_pc_libs " " laconic_pc_libs)
# Relative to the file, so that the installed tree can be moved.
file(RELATIVE_PATH laconic_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" laconic_pc_prefix "${laconic_pc_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/laconic.pc.in ${PROJECT_BINARY_DIR}/laconic.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/laconic.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES README.md ARCHITECTURE.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
