#!/usr/bin/env bash
# Called by ./run bench after the release build; see README.md for what is measured. A run of the kit
# leaves its report in build/bench/ unless --out names another folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
program=$root/build/release/bin/tp_bench

case ${1:-} in
  driver | instructions | --list | -h | --help) exec "$program" "$@" ;;
esac

out=''
argument=''
for argument in "$@"; do
  case $argument in
    --out=*) out=${argument#--out=} ;;
    *) [[ ${previous:-} != --out ]] || out=$argument ;;
  esac
  previous=$argument
done
if [[ -z $out ]]; then
  out=$root/build/bench/$(date +%Y%m%d-%H%M%S)
  set -- "$@" --out "$out"
fi

code=0
"$program" "$@" || code=$?
if [[ $code -le 1 && -f $out/report.json ]]; then
  if page=$(python3 "$root/bench/report.py" "$out/report.json"); then
    printf '\nreport: %s\n' "$page"
  else
    code=1
  fi
fi
exit "$code"
