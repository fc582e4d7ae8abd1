#!/usr/bin/env bash
# Configures (once) and builds one CMake preset; prints only what went wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
mkdir -p build
log=build/$preset.log
if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
  tail -60 "$log" >&2
  echo "The preset $preset could not be built; the whole log is in $log." >&2
  exit 1
fi
