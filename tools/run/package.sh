# Debian packages. Sourced by run.

readonly packages_package=(dpkg-dev file fakeroot)

# Makes them from the release build, then unpacks them together and looks whether they work.
run_package() {
  [[ $# -eq 0 ]] || fail "package takes nothing, not '$*'"
  ensure_packages "${packages_package[@]}"
  say "building preset release"
  build release tensorpool_shared tensorpool_static tp tp_demo tp_driver
  local folder=$root/build/package
  rm -rf "$folder"
  mkdir -p "$folder"
  say "packing"
  if ! (cd "$root/build/release" && cpack --config CPackConfig.cmake -B "$folder") >"$root/build/package.log" 2>&1; then
    tail -n 40 "$root/build/package.log" >&2
    fail "the packages were not made; the whole log is in build/package.log"
  fi
  rm -rf "$folder/_CPack_Packages"
  say "checking"
  python3 "$root/tests/install/package_check.py" "$folder" || fail "the packages are not what they should be"
  (cd "$folder" && ls -- *.deb)
}
