#!/usr/bin/env bash
# Prints the newest CPython (3.8 or later) that runs here and can build extensions. PYTHON in the environment wins.
set -euo pipefail
works() { "$1" -c 'import sys, venv, sysconfig, os; sys.exit(not (sys.version_info >= (3, 8) and os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))))' 2>/dev/null; }
if [ -n "${PYTHON:-}" ]; then
  works "$PYTHON" && { echo "$PYTHON"; exit 0; }
  echo "PYTHON=$PYTHON is not a CPython of 3.8 or later with its headers and venv (Debian: python3-dev, python3-venv)." >&2
  exit 1
fi
for minor in 14 13 12 11 10 9 8; do
  for candidate in "python3.$minor" "$HOME"/.pyenv/versions/3."$minor".*/bin/python; do
    if works "$candidate"; then echo "$candidate"; exit 0; fi
  done
done
if works python3; then echo python3; exit 0; fi
"$(dirname "$0")/apt.sh" python3 python3-dev python3-venv >&2 && works python3 && { echo python3; exit 0; }
echo "No CPython of 3.8 or later with headers and venv was found (Debian: python3, python3-dev, python3-venv)." >&2
exit 1
