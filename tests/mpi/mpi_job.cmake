# SPDX-License-Identifier: Apache-2.0
# Launches PROGRAM ARGUMENTS on RANKS processes and checks how the job ends: its exit code (ENDS: a
# number, or "nonzero"), what it printed (SAYS: a regular expression, may be empty), and that it ends.
#
# Environment instead of flags, so that other launchers ignore what is meant for Open MPI: more ranks
# than cores, which then give way to each other, and running as root in containers.
set(ENV{OMPI_MCA_rmaps_base_oversubscribe} 1)
set(ENV{OMPI_MCA_mpi_yield_when_idle} 1)
set(ENV{OMPI_ALLOW_RUN_AS_ROOT} 1)
set(ENV{OMPI_ALLOW_RUN_AS_ROOT_CONFIRM} 1)
set(ENV{ASAN_OPTIONS} "detect_leaks=0:$ENV{ASAN_OPTIONS}")  # MPI libraries leak by design

# Launchers keep session files in the temporary folder, and Open MPI fails now and then when one job
# creates its folder while another removes the same one. So each job has a folder of its own. Its path is
# short, because sockets lie in it.
if(DEFINED ENV{TMPDIR})
  set(temporary "$ENV{TMPDIR}")
else()
  set(temporary /tmp)
endif()
string(RANDOM LENGTH 12 unique)
set(session "${temporary}/laconic-${unique}")
file(MAKE_DIRECTORY "${session}")
set(ENV{TMPDIR} "${session}")

execute_process(COMMAND ${LAUNCHER} ${RANKS_FLAG} ${RANKS} ${PROGRAM} ${ARGUMENTS}
                RESULT_VARIABLE ended OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 60)
file(REMOVE_RECURSE "${session}")
message("${said}")
if(NOT ended MATCHES "^[0-9]+$")
  message(FATAL_ERROR "the job did not end by itself: ${ended}")
elseif(ENDS STREQUAL "nonzero" AND ended EQUAL 0)
  message(FATAL_ERROR "exit code 0, expected another")
elseif(NOT ENDS STREQUAL "nonzero" AND NOT ended EQUAL ENDS)
  message(FATAL_ERROR "exit code ${ended}, expected ${ENDS}")
elseif(NOT SAYS STREQUAL "" AND NOT said MATCHES "${SAYS}")
  message(FATAL_ERROR "the output does not match: ${SAYS}")
endif()
