# Where the libraries come from. Debian packages for all but Aeron; Aeron from the user's own
# installation when CMake finds one, else from the prefix that `./run setup` makes in .deps/.
include_guard(GLOBAL)

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(tl-expected REQUIRED)

find_package(aeron CONFIG QUIET)
if(NOT TARGET aeron::aeron_driver_static AND NOT TARGET aeron::aeron_driver)
  message(FATAL_ERROR "Aeron was not found. Run './run setup', which builds it into .deps/, or give "
                      "CMake your own installation with -Daeron_ROOT=<prefix>.")
endif()

if(TENSORPOOL_DEVELOPER)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
