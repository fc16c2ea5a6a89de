# The soak: everything at once with random kills. Sourced by run.

run_soak() {
  say "building preset release"
  build release tp tp_demo
  python3 "$root/tools/soak/soak.py" --bin "$root/build/release/bin" --out "$root/build/soak" "$@"
}
