#!/usr/bin/env bash
# Builds Aeron's C client and media driver into a prefix inside the checkout and prints the prefix on
# the last line of stdout; everything else goes to stderr. Nothing happens when the prefix is there.
#
#   tools/get_aeron.sh [gcc|clang] [plain|thread|address]
#   tools/get_aeron.sh --has-cargo    exit code 0 when there is a cargo that can get the sources
#
# The prefix is .deps/aeron-<version>-<compiler>-<sanitizer>. Thread-sanitizer builds need their own,
# because an uninstrumented Aeron hides its synchronisation from the sanitizer.
# Aeron's sources come from the crate libaeron_driver-sys, whose package carries them; no Rust is built.
set -euo pipefail
shopt -s inherit_errexit

version=1.54.0
# Of the crate's package, as the registry states it. No lock file is committed; this is the pin.
sha256=b2719da7d2dc8c05cc8368d83b09a216872080c1d8bed252066fcb47f3f4f00f
cmake_requirement='cmake==3.31.*' # Aeron wants 3.30 or newer, Debian 12 has 3.25.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
compiler=${1:-gcc}
sanitizer=${2:-plain}
deps=$root/.deps
prefix=$deps/aeron-$version-$compiler-$sanitizer

say() { printf '== %s\n' "$*" >&2; }
fail() {
  printf 'get_aeron: %s\n' "$*" >&2
  exit 1
}

# Debian 12's own cargo (0.66) is too old for the registry; cargo-web's package may install beside PATH.
find_cargo() {
  local candidate version
  for candidate in "${CARGO:-}" cargo $(dpkg -L cargo-web 2>/dev/null | grep -E '^/usr/(lib/[^ ]*/)?bin/cargo' || true); do
    [[ -n $candidate ]] || continue
    version=$("$candidate" --version 2>/dev/null | sed -nE 's/^cargo 1\.([0-9]+)\..*/\1/p') || continue
    if [[ -n $version && $version -ge 74 ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "no cargo 1.74 or newer was found (Debian: apt-get install cargo-web)"
}

if [[ $compiler == --has-cargo ]]; then
  find_cargo >/dev/null 2>&1
  exit
fi

case $compiler in
  gcc) cc=gcc cxx=g++ ;;
  clang) cc=clang-19 cxx=clang++-19 ;;
  *) fail "unknown compiler '$compiler'; say gcc or clang" ;;
esac
c_flags=''
case $sanitizer in
  plain) flags='' ;;
  # The sanitizer does not see Aeron's own atomics, which are assembly; the header says more.
  thread) flags="-fsanitize=thread -g" c_flags="-include \"$root/tools/aeron_atomics_for_tsan.h\"" ;;
  address) flags='-fsanitize=address,undefined -fno-omit-frame-pointer -g' ;;
  *) fail "unknown sanitizer '$sanitizer'; say plain, thread or address" ;;
esac

mkdir -p "$deps"
exec 9>"$deps/.lock"
flock 9 # a second run in this checkout waits here and then finds the prefix

if [[ -d $prefix ]]; then
  printf '%s\n' "$prefix"
  exit 0
fi

staging=$(mktemp -d "$deps/.aeron-build.XXXXXX")
trap 'rm -rf "$staging"' EXIT

fetch_sources() {
  local source=$deps/src/aeron-$version
  if [[ ! -d $source ]]; then
    say "getting the sources of Aeron $version (crate libaeron_driver-sys)"
    local cargo manifest=$staging/fetch
    cargo=$(find_cargo)
    mkdir -p "$manifest"
    printf '%s\n' '[package]' 'name = "fetch"' 'version = "0.0.0"' 'edition = "2021"' \
      '[lib]' 'path = "lib.rs"' '[workspace]' \
      '[dependencies]' "libaeron_driver-sys = \"=$version\"" >"$manifest/Cargo.toml"
    : >"$manifest/lib.rs"
    (cd "$manifest" && "$cargo" vendor --quiet vendor >/dev/null)
    local crate=$manifest/vendor/libaeron_driver-sys
    local seen
    seen=$(sed -nE 's/.*"package":"([0-9a-f]{64})".*/\1/p' "$crate/.cargo-checksum.json")
    [[ $seen == "$sha256" ]] ||
      fail "the package of Aeron $version has SHA-256 '$seen', pinned is '$sha256'; it is not built"
    mkdir -p "$deps/src"
    mv "$crate/aeron" "$source"
  fi
  printf '%s\n' "$source"
}

find_cmake() {
  local venv=$deps/venv
  if [[ ! -x $venv/bin/cmake ]]; then
    say "getting CMake 3.31 for Aeron's build into a Python environment in .deps/"
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check "$cmake_requirement" >&2
  fi
  printf '%s\n' "$venv/bin/cmake"
}

source=$(fetch_sources)
cmake=$(find_cmake)
say "building Aeron $version ($compiler, $sanitizer) into .deps/${prefix##*/}"
log=$staging/build.log
build() {
  "$cmake" -S "$source" -B "$staging/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$staging/prefix" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_FLAGS="$flags $c_flags" -DCMAKE_CXX_FLAGS="$flags" \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_AERON_DRIVER=ON -DBUILD_AERON_ARCHIVE_API=OFF \
    -DAERON_TESTS=OFF -DAERON_BUILD_SAMPLES=ON -DAERON_BUILD_DOCUMENTATION=OFF &&
    "$cmake" --build "$staging/build" --parallel "${TENSORPOOL_JOBS:-$(nproc)}" &&
    "$cmake" --install "$staging/build"
}
if ! build >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  cp "$log" "$deps/aeron-build.log"
  fail "Aeron did not build; the whole log is in .deps/aeron-build.log"
fi
mv "$staging/prefix" "$prefix" # complete or absent: nobody sees half a prefix
printf '%s\n' "$prefix"
