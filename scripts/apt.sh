#!/usr/bin/env bash
# Installs the Debian packages named, those that are missing. Without root or sudo it says which and ends in error.
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "Please install with your system's package manager what Debian calls: ${missing[*]}" >&2
  exit 1
fi
run=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "Debian packages are missing, and neither root nor sudo is at hand. Please run:" >&2
    echo "  sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  run=(sudo -n)
fi
echo "installing ${missing[*]}"
# An installed server is not started here: the tests start their own.
policy=/usr/sbin/policy-rc.d
made_policy=0
if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee "$policy" >/dev/null; then
  "${run[@]}" chmod +x "$policy"
  made_policy=1
fi
status=0
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
  { "${run[@]}" apt-get update -qq >/dev/null 2>&1 &&
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } ||
  status=$?
[ $made_policy -eq 0 ] || "${run[@]}" rm -f "$policy"
[ $status -eq 0 ] || echo "apt-get could not install: ${missing[*]}" >&2
exit $status
