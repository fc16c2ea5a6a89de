# What every part of ./run uses. Sourced by run; $root is the checkout.

# Steps go to stderr: stdout belongs to the program that is run.
say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf 'run: %s\n' "$*" >&2
  exit 1
}

job_count() { printf '%s\n' "${TENSORPOOL_JOBS:-$(nproc)}"; }

# own_files PATTERN...: files of ours that match, tracked or not yet, but nothing that git ignores and
# nothing that a generator wrote.
own_files() {
  git -C "$root" ls-files --cached --others --exclude-standard -- "$@" ':!src/wire/generated' |
    sort -u | while IFS= read -r file; do
      if [[ -f $root/$file ]]; then printf '%s\n' "$file"; fi
    done
}

run_clean() {
  [[ $# -eq 0 || $* == --all ]] || fail "clean takes nothing or --all, not '$*'"
  say "removing build/"
  rm -rf "$root/build"
  if [[ ${1:-} == --all ]]; then
    say "removing .deps/"
    rm -rf "$root/.deps"
  fi
}
