# How targets of this project are declared: warnings, sanitizers, include roots, tests.
include_guard(GLOBAL)

add_library(tensorpool_options INTERFACE)
target_compile_options(
  tensorpool_options
  INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
            -Wold-style-cast -Wcast-align -Woverloaded-virtual -Wnull-dereference -Wdouble-promotion
            -Wformat=2 -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(tensorpool_options INTERFACE -Wduplicated-cond -Wlogical-op)
endif()
if(TENSORPOOL_WERROR)
  target_compile_options(tensorpool_options INTERFACE -Werror)
endif()

# Sanitizers and coverage apply to everything that is compiled here, third-party headers included.
if(TENSORPOOL_SANITIZE)
  add_compile_options(-fsanitize=${TENSORPOOL_SANITIZE} -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=${TENSORPOOL_SANITIZE})
  if(TENSORPOOL_SANITIZE MATCHES "thread")
    # Thread sanitizers do not model fences: the frame recipe switches to its fence-free formulation.
    add_compile_definitions(TENSORPOOL_TSAN=1)
  endif()
endif()

# tp_layer(<name> [HEADER_ONLY] SOURCES … LINKS … PRIVATE_LINKS …): the target tensorpool_<name>.
# Sources include their own layer as "<name>/file.hpp" and public headers as <tensorpool/file.hpp>.
function(tp_layer name)
  cmake_parse_arguments(arg "HEADER_ONLY" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  set(target tensorpool_${name})
  if(arg_HEADER_ONLY)
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} INTERFACE ${arg_LINKS})
    return()
  endif()
  add_library(${target} STATIC ${arg_SOURCES})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PUBLIC ${arg_LINKS} PRIVATE tensorpool_options ${arg_PRIVATE_LINKS})
endfunction()

# tp_test(<name> SOURCES … LINKS … LABELS …): a GoogleTest program; every case is one ctest test.
function(tp_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;LABELS;PROPERTIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name} PRIVATE tensorpool_options ${arg_LINKS} GTest::gtest GTest::gmock GTest::gtest_main)
  gtest_discover_tests(
    ${name}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 120 ${arg_PROPERTIES})
endfunction()

# tp_fuzz(<name> SOURCES … LINKS … CORPUS dir): a libFuzzer program, built with TENSORPOOL_FUZZ only.
function(tp_fuzz name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;LINKS" ${ARGN})
  if(NOT TENSORPOOL_FUZZ)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name} PRIVATE tensorpool_options ${arg_LINKS})
  set_property(GLOBAL APPEND PROPERTY TENSORPOOL_FUZZERS "${name}=${arg_CORPUS}")
endfunction()
