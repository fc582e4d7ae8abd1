#!/usr/bin/env bash
# Runs every fuzz target for the seconds given, from the seeds in engine/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
for target in build/fuzz/engine/*_fuzz; do
  name=$(basename "$target" _fuzz)
  corpus=build/fuzz/corpus-$name
  mkdir -p "$corpus"
  seeds=$(ls -d engine/fuzz/corpus/"${name%_scanner}" 2>/dev/null || true)
  echo "fuzzing $name for $seconds s"
  "$target" -max_total_time="$seconds" -verbosity=0 -print_final_stats=0 -timeout=10 -artifact_prefix=build/fuzz/ \
    "$corpus" ${seeds:+"$seeds"} >"build/fuzz/$name.log" 2>&1 || { tail -40 "build/fuzz/$name.log" >&2; exit 1; }
done
