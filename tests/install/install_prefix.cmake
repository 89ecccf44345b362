# SPDX-License-Identifier: Apache-2.0
# Installs BUILD into PREFIX, from nothing, and looks for what has to be there.
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(file IN ITEMS bin/laconic include/laconic/base/spec.hpp ${LIBDIR}/liblaconic_base.a
                      ${LIBDIR}/cmake/laconic/laconicConfig.cmake ${LIBDIR}/pkgconfig/laconic.pc)
  if(NOT EXISTS ${PREFIX}/${file})
    message(FATAL_ERROR "not installed: ${file}")
  endif()
endforeach()
# The installed program works from where it stands.
execute_process(COMMAND ${PREFIX}/bin/laconic --version OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
