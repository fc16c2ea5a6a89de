# Dependencies, configuring, building, testing and running. Sourced by run.

readonly tested_presets=(dev release asan-ubsan tsan coverage)
readonly presets=("${tested_presets[@]}" fuzz tidy)

# check_preset PRESET COMMAND NAME...: NAME... are the presets that COMMAND takes.
check_preset() {
  local preset=$1 command=$2
  shift 2
  [[ " $* " != *" $preset "* ]] || return 0
  local hint=''
  [[ $command != test ]] || hint='; to run some tests only: ./run test -R NAME'
  fail "there is no preset '$preset' to $command; there are: $*$hint"
}

# ensure_aeron COMPILER SANITIZER: an Aeron that CMake will find, the user's own or ours in .deps/.
ensure_aeron() {
  local prefixes
  prefixes=$(compgen -G "$root/.deps/aeron-*-$1-$2" || true)
  [[ -z $prefixes ]] || return 0
  if [[ $2 == plain ]] && cmake -S "$root/tools/find_aeron" -B "$root/build/.find_aeron" >/dev/null 2>&1; then
    return # the user's own wins
  fi
  if ! "$root/tools/get_aeron.sh" --has-cargo; then
    ensure_packages "${packages_cargo[@]}"
  fi
  "$root/tools/get_aeron.sh" "$1" "$2" >/dev/null
}

ensure_dependencies() {
  local preset=$1
  local packages=("${packages_build[@]}")
  case $preset in
    asan-ubsan | tsan | fuzz | tidy) packages+=("${packages_clang[@]}") ;;
    coverage) packages+=("${packages_clang[@]}" "${packages_coverage[@]}") ;;
    dev | release) ;;
    *) fail "preset '$preset' has no list of packages" ;;
  esac
  ensure_packages "${packages[@]}"
  ensure_aeron gcc plain
  if [[ $preset == tsan ]]; then
    ensure_aeron clang thread
  fi
}

# configure PRESET: only when it was never done, the presets changed, or the Aeron it found is gone.
configure() {
  local preset=$1
  local folder=$root/build/$preset
  local wanted aeron
  wanted=$(sha256sum <"$root/CMakePresets.json")
  aeron=$(sed -nE 's/^aeron_DIR:PATH=(.*)/\1/p' "$folder/CMakeCache.txt" 2>/dev/null || true)
  if [[ -f $folder/build.ninja && $(cat "$folder/.presets" 2>/dev/null) == "$wanted" && -d $aeron ]]; then
    return
  fi
  say "configuring preset $preset"
  mkdir -p "$folder"
  if ! cmake --preset "$preset" --fresh >"$folder.log" 2>&1; then
    cat "$folder.log" >&2
    fail "preset $preset could not be configured"
  fi
  printf '%s\n' "$wanted" >"$folder/.presets"
}

# build PRESET [TARGET...]: without targets, those of the build preset. Two calls at once take turns.
build() {
  local preset=$1
  shift
  ensure_dependencies "$preset"
  mkdir -p "$root/build"
  exec 8>"$root/build/.$preset.lock"
  flock 8
  configure "$preset"
  local arguments=(--build --preset "$preset" --parallel "$(job_count)")
  [[ $# -eq 0 ]] || arguments+=(--target "$@")
  if [[ -t 2 && -z ${quiet:-} ]]; then
    cmake "${arguments[@]}" >&2 || fail "preset $preset did not build"
  elif ! cmake "${arguments[@]}" >"$root/build/$preset.log" 2>&1; then
    { grep -vE '^\[[0-9]+/[0-9]+\]' "$root/build/$preset.log" || true; } | tail -n 200 >&2
    fail "preset $preset did not build; the whole log is in build/$preset.log"
  fi
  exec 8>&-
}

# program NAME: builds one release program without a word, unless it is built for the first time.
program() {
  local path=$root/build/release/bin/$1
  if [[ ! -x $path ]]; then
    say "building $1 (the first time takes some minutes)"
    build release "$1"
  else
    quiet=1 build release "$1"
  fi
}

run_setup() {
  [[ $# -eq 0 || $* == --optional ]] || fail "setup takes nothing or --optional, not '$*'"
  if [[ ${1:-} == --optional ]]; then
    ensure_packages "${packages_optional[@]}"
    rm -f "$root"/build/*/.presets # configured anew, to be found
  fi
  ensure_dependencies release
  "$root/tools/get_photos.sh" >/dev/null
  configure release
  say "ready: ./run demo, ./run test"
}

run_build() {
  local preset=${1:-release}
  check_preset "$preset" build "${presets[@]}"
  say "building preset $preset"
  if [[ $preset == tidy ]]; then
    ensure_dependencies tidy
    configure tidy
  else
    build "$preset"
  fi
}

run_tp() {
  program tp
  cd "$here"
  exec "$root/build/release/bin/tp" "$@"
}

run_driver() {
  program tp_driver
  cd "$here"
  exec "$root/build/release/bin/tp_driver" "$@"
}

run_demo() {
  program tp_demo # with tp_driver, which it starts
  cd "$here"
  exec "$root/build/release/bin/tp_demo" "$@"
}

readonly known_rivals=(iceoryx2 zeromq socket)

# cached NAME: what the release build was configured with.
cached() { sed -nE "s/^$1:[A-Z]+=(.*)/\1/p" "$root/build/release/CMakeCache.txt" 2>/dev/null || true; }

check_rivals() {
  local rival names
  IFS=, read -ra names <<<"$1"
  for rival in "${names[@]}"; do
    [[ $rival != *' '* && " ${known_rivals[*]} " == *" $rival "* ]] ||
      fail "--with '$rival': there is no such rival; there are: ${known_rivals[*]}"
  done
}

# with_rivals LIST: builds these rivals into tp_bench, and no others. Says which cannot be built here; the rest is.
with_rivals() {
  local wanted=${1%,} rival known
  if [[ ",$wanted," == *,zeromq,* ]]; then
    (ensure_packages "${packages_zeromq[@]}") || say "going on without zeromq"
  fi
  known=$(cached TENSORPOOL_BENCH_WITH)
  # One that could not be built last time is looked for again: it may have been installed since.
  [[ $known != "${wanted//,/;}" || -n $(cached TENSORPOOL_BENCH_WITHOUT) ]] || return 0
  ensure_dependencies release
  configure release
  say "configuring the rivals: ${wanted:-none}"
  if ! cmake -S "$root" -B "$root/build/release" "-DTENSORPOOL_BENCH_WITH=${wanted//,/;}" >"$root/build/release.log" 2>&1; then
    cat "$root/build/release.log" >&2
    # Or every later build would fail over it, too.
    sed -i -E "s/^(TENSORPOOL_BENCH_WITH:STRING=).*/\1$known/" "$root/build/release/CMakeCache.txt"
    fail "--with $wanted: the build could not be configured"
  fi
  local without
  IFS=';' read -ra without <<<"$(cached TENSORPOOL_BENCH_WITHOUT)"
  for rival in "${without[@]}"; do say "measured without $rival"; done
}

run_bench() {
  local rivals='' arguments=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      --with)
        [[ $# -gt 1 ]] || fail "--with names rivals: $(IFS=,; printf '%s' "${known_rivals[*]}")"
        rivals=$2
        shift
        ;;
      --with=*) rivals=${1#--with=} ;;
      *) arguments+=("$1") ;;
    esac
    shift
  done
  check_rivals "$rivals"
  (ensure_packages "${packages_bench[@]}") || say "going on without valgrind: no instructions are counted"
  # Configured before valgrind was there: its header is looked for once more.
  if command -v valgrind >/dev/null && grep -qs 'VALGRIND_INCLUDE.*NOTFOUND' "$root/build/release/CMakeCache.txt"; then
    rm -f "$root/build/release/.presets"
  fi
  with_rivals "$rivals"
  say "building the bench in preset release"
  build release tensorpool_bench
  cd "$here"
  exec "$root/bench/run_bench.sh" "${arguments[@]}"
}

# run_test [PRESET] [ctest arguments]: the last line counts what ran.
run_test() {
  local preset=release
  if [[ $# -gt 0 && $1 != -* ]]; then
    preset=$1
    shift
  fi
  check_preset "$preset" test "${tested_presets[@]}"
  say "building preset $preset"
  build "$preset"
  "$root/tools/get_photos.sh" >/dev/null
  say "testing preset $preset"
  local results=$root/build/$preset/results.xml
  rm -f "$results"
  local code=0
  # Half of the tests wait for processes most of the time: one more than there are processors keeps these busy.
  ctest --preset "$preset" --parallel $(($(job_count) + 1)) --output-junit "$results" "$@" || code=$?
  python3 "$root/tools/count_tests.py" "$results" || code=1
  return "$code"
}
