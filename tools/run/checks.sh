# Formatting, lint, codecs, rules, fuzzing and coverage. Sourced by run.

readonly cpp_patterns=('*.cpp' '*.hpp' '*.h' '*.c')

run_fmt() {
  ensure_packages "${packages_format[@]}"
  say "formatting with clang-format-19"
  own_files "${cpp_patterns[@]}" | xargs --no-run-if-empty clang-format-19 -i
}

lint_format() {
  own_files "${cpp_patterns[@]}" | xargs --no-run-if-empty clang-format-19 --dry-run --Werror
}

lint_shell() {
  local scripts code=0
  mapfile -t scripts < <(own_files run '.ci/run' '*.sh')
  for script in "${scripts[@]}"; do
    bash -n "$root/$script" || code=1
  done
  if command -v shellcheck >/dev/null; then
    shellcheck --severity=warning --shell=bash "${scripts[@]}" || code=1
  fi
  return $code
}

# clang-tidy over what ships. A file that passed is not looked at again until it, a header of ours, the
# checks or the compiler options change.
lint_tidy() {
  run_build tidy
  local sources shared key file passed=$root/build/tidy/passed
  mkdir -p "$passed"
  mapfile -t sources < <(own_files 'src/*.cpp' 'apps/*.cpp')
  shared=$( (
    clang-tidy-19 --version
    cat "$root/.clang-tidy" "$root/CMakePresets.json" "$root"/cmake/*.cmake "$root/CMakeLists.txt"
    own_files '*.hpp' '*.h' | xargs cat
  ) | sha256sum)
  local open=()
  for file in "${sources[@]}"; do
    key=$(printf '%s' "$shared" | cat - "$root/$file" | sha256sum | cut -c1-40)
    [[ -f $passed/$key ]] || open+=("$file" "$key")
  done
  [[ ${#open[@]} -gt 0 ]] || return 0
  say "clang-tidy: $((${#open[@]} / 2)) of ${#sources[@]} files"
  # shellcheck disable=SC2016
  printf '%s\n' "${open[@]}" | xargs --max-args=2 --max-procs="$(job_count)" bash -c '
    if output=$(clang-tidy-19 -p "$0/build/tidy" --quiet "$0/$1" 2>/dev/null); then
      : >"$0/build/tidy/passed/$2"
    else
      printf "%s\n" "$output"
      exit 1
    fi' "$root"
}

run_lint() {
  ensure_packages "${packages_format[@]}" "${packages_tidy[@]}"
  local failed=()
  local step
  for step in format shell layers tidy_rules links tidy; do
    say "lint: $step"
    case $step in
      format | shell | tidy) "lint_$step" || failed+=("$step") ;;
      layers | links) python3 "$root/tools/house/$step.py" || failed+=("$step") ;;
      tidy_rules) python3 "$root/tools/house/tidy.py" || failed+=("house rules") ;;
    esac
  done
  [[ ${#failed[@]} -eq 0 ]] || fail "lint found something: ${failed[*]}"
  say "lint: nothing found"
}

run_codecs() {
  [[ $# -eq 0 || $* == --check ]] || fail "codecs takes nothing or --check, not '$*'"
  ensure_packages "${packages_codecs[@]}"
  if [[ ${1:-} != --check ]]; then
    "$root/tools/generate_codecs.sh"
    return
  fi
  mkdir -p "$root/build"
  local fresh
  fresh=$(mktemp -d "$root/build/codecs.XXXXXX")
  "$root/tools/generate_codecs.sh" "$fresh/generated"
  local code=0
  diff --recursive --brief "$root/src/wire/generated" "$fresh/generated" >&2 || code=1
  rm -rf "$fresh"
  [[ $code -eq 0 ]] || fail "src/wire/generated is not what schemas/ say; run ./run codecs and commit the result"
  say "the committed codecs are those of schemas/"
}

run_rules() {
  mkdir -p "$root/build"
  python3 "$root/tools/rules.py" --table "$root/build/rules.md" "$@"
}

# FOLDER SECONDS NAME BINARY CORPUS: one fuzzer; leaves FOLDER/results/NAME.passed or .failed.
fuzz_one() {
  local folder=$1 seconds=$2 name=$3 binary=$4 corpus=$5
  # New inputs land in a copy: the committed corpus grows only by hand.
  local copy=$folder/corpora/$name
  mkdir -p "$copy"
  cp -r "$corpus/." "$copy/"
  if "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="$folder/findings/$name-" "$copy" >"$folder/$name.log" 2>&1 </dev/null; then
    : >"$folder/results/$name.passed"
    say "$name: $(sed -nE 's/^stat::number_of_executed_units: *(.*)/\1/p' "$folder/$name.log") inputs in $seconds s"
  else
    : >"$folder/results/$name.failed"
    tail -n 60 "$folder/$name.log" >&2
    say "$name failed; the input is in build/fuzz/findings/"
  fi
}

run_fuzz() {
  local seconds=30 only=''
  while [[ $# -gt 0 ]]; do
    case $1 in
      --seconds)
        [[ $# -ge 2 ]] || fail "--seconds wants a whole number"
        seconds=$2
        shift
        ;;
      -*) fail "fuzz knows no option '$1'; see ./run help" ;;
      *) only=$1 ;;
    esac
    shift
  done
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "--seconds wants a whole number, not '$seconds'"
  say "building preset fuzz"
  build fuzz
  mkdir -p "$root/build/fuzz/corpora" "$root/build/fuzz/findings"
  local name binary corpus results=$root/build/fuzz/results
  rm -rf "$results"
  mkdir -p "$results"
  export -f fuzz_one say
  # Each is one thread: as many at a time as there are cores.
  while IFS=$'\t' read -r name binary corpus; do
    [[ -n $name && (-z $only || $only == "$name") ]] || continue
    printf '%s\0%s\0%s\0' "$name" "$binary" "$corpus"
  done <"$root/build/fuzz/fuzzers.txt" |
    xargs --null --no-run-if-empty --max-args=3 --max-procs="$(job_count)" bash -c \
      'fuzz_one "$@"' fuzz "$root/build/fuzz" "$seconds"
  local passed failed
  passed=$(find "$results" -name '*.passed' | wc -l)
  failed=$(find "$results" -name '*.failed' | wc -l)
  [[ $((passed + failed)) -gt 0 ]] || fail "there is no fuzzer${only:+ named $only}; see build/fuzz/fuzzers.txt"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [[ $failed -eq 0 && $passed -gt 0 ]]
}

run_coverage() {
  [[ $# -eq 0 ]] || fail "coverage takes nothing, not '$*'"
  local profiles=$root/build/coverage/profiles
  say "building preset coverage"
  build coverage
  rm -rf "$profiles"
  local code=0
  run_test coverage || code=$? # a failed test still ran its lines
  say "reading the counts"
  llvm-profdata-19 merge --sparse --output="$root/build/coverage/all.profdata" "$profiles"/*.profraw
  local programs objects=() program
  mapfile -t programs < <(find "$root/build/coverage" -type f -executable -size +64k ! -name '*.so*' ! -path '*/CMakeFiles/*')
  for program in "${programs[@]}"; do
    objects+=(--object "$program")
  done
  llvm-cov-19 export --summary-only --instr-profile="$root/build/coverage/all.profdata" "${objects[@]}" \
    --ignore-filename-regex='(^|/)(generated|tests|\.deps|build)/|^/usr/' 2>/dev/null |
    python3 "$root/tools/coverage_table.py" "$root"
  return "$code"
}
