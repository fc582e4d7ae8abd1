#!/usr/bin/env bash
# Makes .venv if need be, and installs the package into it with the extras named: scripts/venv.sh test lint
# Nothing is done again as long as the sources haven't changed and the extras are there.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/apt.sh g++ cmake ninja-build
if [ ! -x .venv/bin/python ]; then
  python=$(scripts/python.sh)
  echo "making .venv with $("$python" --version)"
  "$python" -m venv .venv
fi
stamp=.venv/installed
sources=$(find src engine/include engine/src engine/python engine/third_party engine/CMakeLists.txt CMakeLists.txt cmake pyproject.toml README.md \
  -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 cat | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$sources" ]; then
  rm -f .venv/installed*
  .venv/bin/python -m pip install -q --upgrade pip scikit-build-core pathspec \
    "nanobind>=2.2,<2.5; python_version < '3.9'" "nanobind>=2.2; python_version >= '3.9'"
  echo "building django_cache_me (a minute at the first time)"
  .venv/bin/python -m pip install -q --no-build-isolation -C cmake.define.CACHE_ME_WERROR=ON .
  echo "$sources" > "$stamp"
fi
for extra in "$@"; do
  if [ ! -e "$stamp-$extra" ]; then
    .venv/bin/python -m pip install -q "django-cache-me[$extra]"
    touch "$stamp-$extra"
  fi
done
