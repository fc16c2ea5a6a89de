# How targets of this project are declared: warnings, sanitizers, include roots, tests, fuzzers.
include_guard(GLOBAL)

add_library(tensorpool_options INTERFACE)
target_compile_options(
  tensorpool_options
  INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
            -Wold-style-cast -Wcast-align -Woverloaded-virtual -Wnull-dereference -Wdouble-promotion
            -Wformat=2 -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(tensorpool_options INTERFACE -Wduplicated-cond -Wlogical-op)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC bug 105651: optimised `"text" + std::string` is said to overlap itself.
    target_compile_options(tensorpool_options INTERFACE -Wno-restrict)
  endif()
endif()
if(TENSORPOOL_WERROR)
  target_compile_options(tensorpool_options INTERFACE -Werror)
endif()

# After tensorpool_options: GoogleTest compares through pointers that gcc cannot see to be non-null once
# all is inlined.
add_library(tensorpool_test_options INTERFACE)
target_compile_options(tensorpool_test_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-null-dereference>)

# Test programs run once for each time that they are compiled, so they take less optimisation than what they test, and
# gcc has no chance to warn of what it believes to see after inlining. Those with much to compute take a little
# (TENSORPOOL_BUSY_TESTS). The thread sanitizer's keep theirs, for they race.
set(TENSORPOOL_QUICK_TESTS "$<$<CONFIG:Release>:-O0>")
set(TENSORPOOL_BUSY_TESTS "$<$<CONFIG:Release>:-O1>")
if(TENSORPOOL_SANITIZE MATCHES "address")
  set(TENSORPOOL_QUICK_TESTS "-O0")
  set(TENSORPOOL_BUSY_TESTS "-O0")
endif()

# Sanitizers and coverage apply to everything that is compiled here, third-party headers included.
if(TENSORPOOL_SANITIZE)
  add_compile_options(-fsanitize=${TENSORPOOL_SANITIZE} -fno-sanitize-recover=all -gline-tables-only)
  add_link_options(-fsanitize=${TENSORPOOL_SANITIZE})
  if(TENSORPOOL_SANITIZE MATCHES "thread")
    # Thread sanitizers do not model fences: the frame recipe switches to its fence-free formulation.
    add_compile_definitions(TENSORPOOL_TSAN=1)
  endif()
endif()
if(TENSORPOOL_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()
if(TENSORPOOL_FUZZ)
  # The libraries report their coverage to the fuzzer; only the fuzzers link its main().
  add_compile_options(-fsanitize=fuzzer-no-link)
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
    target_compile_features(${target} INTERFACE cxx_std_20)
    return()
  endif()
  add_library(${target} STATIC ${arg_SOURCES})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PUBLIC ${arg_LINKS} PRIVATE tensorpool_options ${arg_PRIVATE_LINKS})
  target_compile_features(${target} PUBLIC cxx_std_20) # also of a project that embeds this one
endfunction()

# What a partial build asks for: the tests that have threads, and the fuzzers.
add_custom_target(tests_threads)
add_custom_target(fuzzers)

# GoogleTest's headers, compiled once for all programs with the same options. Not beside ccache, which sees through a
# precompiled header only when told to be sloppy.
if(TENSORPOOL_DEVELOPER)
  add_executable(tensorpool_test_headers EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/cmake/test_headers.cpp")
  target_link_libraries(tensorpool_test_headers PRIVATE tensorpool_options tensorpool_test_options GTest::gtest
                                                        GTest::gmock)
  target_compile_options(tensorpool_test_headers PRIVATE ${TENSORPOOL_QUICK_TESTS})
  target_precompile_headers(tensorpool_test_headers PRIVATE <gtest/gtest.h> <gmock/gmock.h>)
endif()

# tp_test(<name> [OPTIMISED] SOURCES … LINKS … LABELS … PROPERTIES …): a GoogleTest program; every case is one
# ctest test. The label "threads" marks programs that the thread sanitizer has something to say about. OPTIMISED
# ones are compiled like the libraries: they watch what the frame path does, inlined parts included.
function(tp_test name)
  cmake_parse_arguments(arg "OPTIMISED" "" "SOURCES;LINKS;LABELS;PROPERTIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name} PRIVATE tensorpool_options tensorpool_test_options ${arg_LINKS}
                                        GTest::gtest GTest::gmock GTest::gtest_main)
  if(NOT arg_OPTIMISED)
    target_compile_options(${name} PRIVATE ${TENSORPOOL_QUICK_TESTS})
    if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
      target_precompile_headers(${name} REUSE_FROM tensorpool_test_headers)
    endif()
  endif()
  if("threads" IN_LIST arg_LABELS)
    add_dependencies(tests_threads ${name})
  endif()
  gtest_discover_tests(
    ${name}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    TEST_LIST ${name}_cases
    PROPERTIES TIMEOUT 120 ${arg_PROPERTIES})
  # gtest_discover_tests flattens lists, so that a second label would become the name of a property.
  set(script "${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake")
  file(WRITE "${script}" "if(${name}_cases)
  set_tests_properties(\${${name}_cases} PROPERTIES LABELS \"${arg_LABELS}\")
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${script}")
endfunction()

# tp_fuzz(<name> SOURCES … LINKS … CORPUS dir): with TENSORPOOL_FUZZ a libFuzzer program, listed for
# `./run fuzz`; in every other build the test <name>, which replays the committed corpus.
function(tp_fuzz name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;LINKS" ${ARGN})
  get_filename_component(corpus "${arg_CORPUS}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name} PRIVATE tensorpool_options ${arg_LINKS})
  if(TENSORPOOL_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
    set_property(GLOBAL APPEND PROPERTY TENSORPOOL_FUZZERS "${name}\t$<TARGET_FILE:${name}>\t${corpus}")
  else()
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/replay_corpus.cpp")
    target_compile_options(${name} PRIVATE ${TENSORPOOL_QUICK_TESTS})
    add_test(NAME ${name} COMMAND ${name} "${corpus}")
    set_tests_properties(${name} PROPERTIES LABELS "fuzz" TIMEOUT 120)
  endif()
endfunction()

# After all targets: the list that `./run fuzz` reads, one "name program corpus" per line, with tabs between.
function(tp_write_fuzzers)
  get_property(fuzzers GLOBAL PROPERTY TENSORPOOL_FUZZERS)
  string(REPLACE ";" "\n" lines "${fuzzers}")
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/fuzzers.txt" CONTENT "${lines}\n")
endfunction()
