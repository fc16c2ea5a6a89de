# What `cmake --install` leaves: one shared and one static library with Aeron inside, the public headers, and what
# find_package and pkg-config need. docs/guide/installing.md tells how it is used.
include_guard(GLOBAL)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(objects "")
foreach(layer IN LISTS tensorpool_layers)
  get_target_property(kind tensorpool_${layer} TYPE)
  if(kind STREQUAL "STATIC_LIBRARY")
    list(APPEND objects $<TARGET_OBJECTS:tensorpool_${layer}>)
  endif()
endforeach()

# Before 1.0 every minor version may change the binary interface, so the name of the library carries it.
set(TENSORPOOL_SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")

add_library(tensorpool_shared SHARED ${objects})
add_library(tensorpool_static STATIC ${objects})
foreach(target IN ITEMS tensorpool_shared tensorpool_static)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME tensorpool LINKER_LANGUAGE CXX)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                                                 "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} INTERFACE tl::expected)
endforeach()

# Of the shared library only the public names can be seen: those of Aeron (and of templates of the standard library)
# could meet another version of themselves in the same program.
set(version_script "${CMAKE_CURRENT_LIST_DIR}/tensorpool.map")
set_target_properties(
  tensorpool_shared PROPERTIES EXPORT_NAME tensorpool VERSION "${PROJECT_VERSION}" SOVERSION "${TENSORPOOL_SOVERSION}"
                               LINK_DEPENDS "${version_script}")
target_link_libraries(tensorpool_shared PRIVATE aeron::aeron_driver_static fmt::fmt Threads::Threads)
target_link_options(tensorpool_shared PRIVATE "LINKER:--version-script=${version_script}"
                    "LINKER:--exclude-libs,ALL" "LINKER:--no-undefined" "LINKER:--as-needed")

# Aeron's members go into the same archive; the system libraries that they need are named to whoever links it.
add_custom_command(
  TARGET tensorpool_static POST_BUILD
  COMMAND "${CMAKE_COMMAND}" "-DAR=${CMAKE_AR}" "-DINTO=$<TARGET_FILE:tensorpool_static>"
          "-DFROM=$<TARGET_FILE:aeron::aeron_driver_static>" -P "${CMAKE_CURRENT_LIST_DIR}/merge_archive.cmake"
  VERBATIM)
get_target_property(tensorpool_system_libraries aeron::aeron_driver_static INTERFACE_LINK_LIBRARIES)
if(NOT tensorpool_system_libraries)
  set(tensorpool_system_libraries "")
endif()
target_link_libraries(tensorpool_static INTERFACE fmt::fmt Threads::Threads ${tensorpool_system_libraries})

# Components: runtime (the shared library), development, tools (installed where they are built).
set(config_folder "${CMAKE_INSTALL_LIBDIR}/cmake/tensorpool")
install(
  TARGETS tensorpool_shared
  EXPORT tensorpool-shared
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT development)
install(
  TARGETS tensorpool_static
  EXPORT tensorpool-static
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/tensorpool" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT development FILES_MATCHING PATTERN "*.hpp")
foreach(kind IN ITEMS shared static)
  install(EXPORT tensorpool-${kind} NAMESPACE tensorpool:: FILE tensorpool-${kind}.cmake
          DESTINATION "${config_folder}" COMPONENT development)
endforeach()

set(generated "${PROJECT_BINARY_DIR}/install")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/tensorpool-config.cmake.in"
                              "${generated}/tensorpool-config.cmake" INSTALL_DESTINATION "${config_folder}")
write_basic_package_version_file("${generated}/tensorpool-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${generated}/tensorpool-config.cmake" "${generated}/tensorpool-config-version.cmake"
        DESTINATION "${config_folder}" COMPONENT development)

# tensorpool.pc names everything by its own place, so that the prefix can be moved.
set(tensorpool_private_libraries "-lfmt -lpthread")
foreach(library IN LISTS tensorpool_system_libraries)
  if(library MATCHES "^[A-Za-z0-9_+.-]+$" AND NOT library MATCHES "^-")
    string(APPEND tensorpool_private_libraries " -l${library}")
  endif()
endforeach()
file(RELATIVE_PATH tensorpool_to_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" tensorpool_to_prefix "${tensorpool_to_prefix}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/tensorpool.pc.in" "${generated}/tensorpool.pc" @ONLY)
install(FILES "${generated}/tensorpool.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)
