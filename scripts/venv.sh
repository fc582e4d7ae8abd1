#!/usr/bin/env bash
# Makes .venv if need be, and installs the package into it with the extras named: scripts/venv.sh test lint
# Nothing is done again as long as neither the sources nor the extras have changed.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/apt.sh g++ cmake ninja-build
if [ ! -x .venv/bin/python ]; then
  python=$(scripts/python.sh)
  echo "making .venv with $("$python" --version)"
  "$python" -m venv .venv
fi
extras=$(printf '%s\n' "$@" | sort -u | paste -sd, -)
stamp=.venv/installed-${extras:-none}
sources=$(find src engine/include engine/src engine/python engine/third_party engine/CMakeLists.txt CMakeLists.txt cmake pyproject.toml README.md \
  -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 cat | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$sources" ]; then
  .venv/bin/python -m pip install -q --upgrade pip scikit-build-core pathspec \
    "nanobind>=2.2,<2.5; python_version < '3.9'" "nanobind>=2.2; python_version >= '3.9'"
  echo "building django_cache_me (a minute at the first time)"
  .venv/bin/python -m pip install -q --no-build-isolation -C cmake.define.CACHE_ME_WERROR=ON ".${extras:+[$extras]}"
  rm -f .venv/installed-*
  echo "$sources" > "$stamp"
fi
