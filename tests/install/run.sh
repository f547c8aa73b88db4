#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs weft below build/installed and uses it as somebody else's program
# would: through pkg-config, in C and in C++, shared and static, with nothing
# of this tree on the way. Prints `ok ...` or `FAILED ...` for each.
set -u
cd "$(dirname "$0")/../.." || exit 1
here=$PWD
root=$here/build/installed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rm -rf "$root"
make --no-print-directory install DESTDIR="$root" || {
  echo 'FAILED install/make'
  exit 1
}
prefix=$(dirname "$(find "$root" -type d -path '*/include/weft')")
prefix=$(dirname "$prefix")
pc=$(find "$root" -name weft.pc)
library_dir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$root
export LD_LIBRARY_PATH=$library_dir

cp tests/install/program.c "$work"
cp tests/install/program.c "$work/program.cc"
cd "$work" || exit 1
read -ra cflags <<<"$(pkg-config --cflags weft)"
read -ra libs <<<"$(pkg-config --libs weft)"
read -ra static_libs <<<"$(pkg-config --static --libs weft |
  sed 's/-lweft/-l:libweft.a/')"
strict=(-Wall -Wextra -Wpedantic -Werror)

status=0
# verdict NAME STATUS
verdict() {
  if [ "$2" -eq 0 ]; then
    echo "ok install/$1"
  else
    echo "FAILED install/$1"
    status=1
  fi
}

gcc -std=c17 "${strict[@]}" "${cflags[@]}" program.c "${libs[@]}" \
  -o program && ./program
verdict c $?
g++ -std=c++17 "${strict[@]}" "${cflags[@]}" program.cc "${libs[@]}" \
  -o program && ./program
verdict c++ $?
gcc -std=c17 "${strict[@]}" "${cflags[@]}" program.c "${static_libs[@]}" \
  -o program && ./program
verdict static $?
# Without LD_LIBRARY_PATH: the command finds the library from where it is.
env -u LD_LIBRARY_PATH "$prefix/bin/weft" --help >/dev/null
verdict command $?
diff -r "$here/include/weft" "$prefix/include/weft"
verdict headers $?
exit "$status"
