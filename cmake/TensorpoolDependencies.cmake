# Where the libraries come from: Debian's packages for all but Aeron.
include_guard(GLOBAL)

# A project that embeds this one links these libraries too, from outside of this folder.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(tl-expected REQUIRED)

# A user's own Aeron (aeron_ROOT, CMAKE_PREFIX_PATH or a system folder) wins; else the prefix that
# `./run setup` makes in .deps/. Thread-sanitizer builds want the instrumented prefix and therefore ask
# for it first: without it, synchronisation inside Aeron is invisible and every report is doubtful.
file(GLOB tensorpool_plain_aeron LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/.deps/aeron-*-plain")
file(GLOB tensorpool_thread_aeron LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/.deps/aeron-*-thread")
if(TENSORPOOL_SANITIZE MATCHES "thread" AND tensorpool_thread_aeron AND NOT aeron_ROOT)
  find_package(aeron 1.51 CONFIG QUIET PATHS ${tensorpool_thread_aeron} NO_DEFAULT_PATH)
endif()
if(NOT aeron_FOUND)
  find_package(aeron 1.51 CONFIG QUIET)
endif()
if(NOT aeron_FOUND AND tensorpool_plain_aeron)
  find_package(aeron 1.51 CONFIG QUIET PATHS ${tensorpool_plain_aeron} NO_DEFAULT_PATH)
endif()
if(NOT TARGET aeron::aeron_driver_static)
  message(FATAL_ERROR "Aeron 1.51 or newer with its static driver library was not found. Run './run setup', which "
                      "builds it into .deps/, or name your own installation with -Daeron_ROOT=<prefix>.")
endif()
message(STATUS "Aeron ${aeron_VERSION}: ${aeron_DIR}")

if(TENSORPOOL_DRIVER)
  # Header-only use: Debian's CMake target would link its shared library.
  find_path(TENSORPOOL_TOMLPLUSPLUS toml++/toml.h)
  if(NOT TENSORPOOL_TOMLPLUSPLUS)
    message(FATAL_ERROR "toml++ (toml++/toml.h), which reads the configuration of the driver, was not found. Debian: "
                        "libtomlplusplus-dev; elsewhere name the folder that has toml++/ in it with "
                        "-DTENSORPOOL_TOMLPLUSPLUS=<folder>. A project that embeds tensorpool and needs no "
                        "tensorpool::Driver configures with -DTENSORPOOL_DRIVER=OFF.")
  endif()
endif()

if(TENSORPOOL_DEVELOPER)
  # HdrHistogram comes with Aeron's build; a user's own Aeron may not have installed it.
  find_package(hdr_histogram CONFIG QUIET HINTS "${aeron_DIR}/../../..")
  if(NOT hdr_histogram_FOUND AND tensorpool_plain_aeron)
    find_package(hdr_histogram CONFIG QUIET PATHS ${tensorpool_plain_aeron} NO_DEFAULT_PATH)
  endif()
  if(NOT hdr_histogram_FOUND)
    message(FATAL_ERROR "hdr_histogram was not found beside Aeron. Install it where CMake finds it (Debian: "
                        "libhdrhistogram-dev), or run './run setup'.")
  endif()
  find_package(GTest REQUIRED)
  find_package(CLI11 REQUIRED)
  find_package(nlohmann_json REQUIRED)
  find_package(spdlog REQUIRED)
  find_package(PNG REQUIRED)
  find_package(JPEG REQUIRED)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  include(GoogleTest)

  # Optional: tp publish of FITS files.
  option(TENSORPOOL_FITS "Read FITS files by cfitsio where it is installed" ON)
  set(TENSORPOOL_HAS_FITS OFF)
  find_package(PkgConfig QUIET)
  if(TENSORPOOL_FITS AND PKG_CONFIG_FOUND)
    pkg_check_modules(CFITSIO QUIET IMPORTED_TARGET cfitsio)
    if(TARGET PkgConfig::CFITSIO)
      set(TENSORPOOL_HAS_FITS ON)
    endif()
  endif()
  if(TENSORPOOL_HAS_FITS)
    message(STATUS "FITS: cfitsio ${CFITSIO_VERSION}")
  elseif(TENSORPOOL_FITS)
    message(STATUS "FITS: not built in, cfitsio was not found (Debian: libcfitsio-dev)")
  else()
    message(STATUS "FITS: not built in, TENSORPOOL_FITS is off")
  endif()
endif()
