#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building and testing weft needs. Quick
# when nothing is missing: then it asks nothing of the network.
#
#   setup.sh            install what is missing, as root or with sudo
#   setup.sh --check    only print what is missing; status 1 if anything is
set -eu

# What each is for stands in docs/dependencies.md. Only make and git are
# taken for granted.
packages='
  binutils clang clang-format clang-tidy codespell g++ gcc libc6-dev
  libclang-rt-14-dev libcmocka-dev libjansson-dev libmsgpack-dev
  libopenblas-dev libuv1-dev meson ninja-build pkg-config python3 shellcheck
  spin util-linux zlib1g-dev
'

missing() {
  for package in $packages; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>&1) in
      *' installed') ;;
      *) echo "$package" ;;
    esac
  done
}

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian; install the like of: $packages" >&2
  exit 1
fi

absent=$(missing | tr '\n' ' ')
if [ -z "$absent" ]; then
  [ "${1-}" != --check ] || echo 'setup: every package is installed'
  exit 0
fi
echo "setup: missing: $absent"
if [ "${1-}" = --check ]; then
  exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  as_root=sudo
  if ! command -v sudo >/dev/null; then
    echo "setup: run as root: apt-get install $absent" >&2
    exit 1
  fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs apt-get without questions; shows what it said only if it fails.
apt() {
  echo "setup: apt-get $*"
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    exit 1
  }
}

apt update
# shellcheck disable=SC2086  # one word a package
apt install --no-install-recommends $absent
echo 'setup: done'
