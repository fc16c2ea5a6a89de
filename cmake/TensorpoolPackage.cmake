# Debian packages of what is installed, by CPack: ./run package. One for programs that run, one to build them, one with
# the tools. Dependencies of programs are those that dpkg-shlibdeps finds.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tensorpool)
set(CPACK_PACKAGE_VENDOR "tensorpool")
set(CPACK_PACKAGE_CONTACT "the tensorpool project")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development tools)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)

# The name of a library's package follows the name of the library, so that two versions can be there at once.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME "libtensorpool${TENSORPOOL_SOVERSION}")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "${PROJECT_DESCRIPTION}: the shared library")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libtensorpool-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF) # it holds no program
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libtensorpool${TENSORPOOL_SOVERSION} (= ${PROJECT_VERSION}), libexpected-dev, libfmt-dev, libbsd-dev, uuid-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "${PROJECT_DESCRIPTION}: headers, static library, CMake and pkg-config files")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME tensorpool-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SUGGESTS ffmpeg)
set(CPACK_DEBIAN_TOOLS_DESCRIPTION "${PROJECT_DESCRIPTION}: the command line tp and a demo")

include(CPack)
