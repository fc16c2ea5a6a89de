#!/usr/bin/env bash
# Called by ./run bench after the release build; see README.md for what is measured.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
exec "$root/build/release/bin/tp_bench" "$@"
