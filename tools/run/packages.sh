# Debian packages, by what needs them. Sourced by run.

# Debian 12's names. A fresh machine needs only packages_build for ./run demo and ./run test.
readonly packages_build=(
  g++ cmake ninja-build pkg-config git python3 python3-venv
  libfmt-dev libexpected-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libtomlplusplus-dev libpng-dev
  libjpeg62-turbo-dev
  libgtest-dev libgmock-dev relacy-dev
  uuid-dev libbsd-dev # for Aeron's build
)
readonly packages_clang=(clang-19 libclang-rt-19-dev)
readonly packages_coverage=(llvm-19)
readonly packages_format=(clang-format-19)
readonly packages_tidy=(clang-tidy-19)
readonly packages_codecs=(openjdk-17-jre-headless maven)
readonly packages_bench=(valgrind)
readonly packages_zeromq=(libzmq3-dev) # only by ./run bench --with zeromq
readonly packages_optional=(libcfitsio-dev ffmpeg) # only by ./run setup --optional: FITS files, videos
readonly packages_cargo=(cargo-web) # only where no usable cargo is there

# ensure_packages NAME...: installs those that are missing, with root or sudo; otherwise says how and stops.
ensure_packages() {
  if ! command -v dpkg-query >/dev/null; then
    return # not Debian: the build itself names what it misses
  fi
  local -A installed=()
  local name status
  while read -r name status; do
    [[ $status == installed ]] && installed[$name]=1
  done < <(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  local missing=()
  for name in "$@"; do
    [[ -n ${installed[$name]:-} ]] || missing+=("$name")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  # --no-remove: a package that would push out another one is the user's decision.
  local install=(apt-get install --yes --no-install-recommends --no-remove "${missing[@]}")
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    as_root=(sudo)
    if ! command -v sudo >/dev/null || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
      printf 'Debian packages are missing. As root, run:\n\n  apt-get update && %s\n\n' "${install[*]}" >&2
      fail "then call this again"
    fi
  fi
  say "installing Debian packages: ${missing[*]}"
  local environment=(env DEBIAN_FRONTEND=noninteractive)
  "${as_root[@]}" "${environment[@]}" "${install[@]}" >&2 </dev/null && return
  say "once more, with fresh package lists"
  "${as_root[@]}" apt-get update >&2 </dev/null
  "${as_root[@]}" "${environment[@]}" "${install[@]}" >&2 </dev/null ||
    fail "packages could not be installed; as root, see: ${install[*]}"
}
