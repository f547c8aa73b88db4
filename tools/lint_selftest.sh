#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows that every check of tools/lint.sh can fail. A small tree that all
# checks accept gets one fault at a time; the check must find it and name it.
set -u
cd "$(dirname "$0")/.." || exit 1
clean=$(mktemp -d)
tree=$(mktemp -d)
trap 'rm -rf "$clean" "$tree"' EXIT
status=0

# Writes the files of the small tree.
make_tree() {
  cp -r tools .clang-format .clang-tidy "$clean"
  rm -rf "$clean/tools/__pycache__"
  cd "$clean" || exit 1
  mkdir -p include/weft src/base src/async build/src
  cat >include/weft/fine.h <<'END'
// SPDX-License-Identifier: Apache-2.0

#ifndef WEFT_FINE_H_
#define WEFT_FINE_H_

// Returns what it is given.
__attribute__((visibility("default"))) int weft_fine(int number);

#endif  // WEFT_FINE_H_
END
  cat >src/base/fine.c <<'END'
// SPDX-License-Identifier: Apache-2.0

#include "weft/fine.h"

#include <stdlib.h>

int weft_fine(int number) {
  if (number < 0) {
    // lint-allow end: shows that a rule can be broken with a reason.
    abort();
  }
  return number;
}
END
  cp src/base/fine.c src/async/fine.c
  printf '// SPDX-License-Identifier: Apache-2.0\n' >src/async/async.h
  printf '# Fine\n' >README.md
  build_library
}

# Builds the libraries that the symbol check reads; extra arguments as given.
build_library() {
  (
    cd build/src &&
      gcc -I../../include -fPIC -fvisibility=hidden -c ../../src/base/fine.c &&
      ar rc libweft.a fine.o &&
      gcc -shared -o libweft.so fine.o "$@"
  )
}

# plant CHECK MESSAGE FILE: appends standard input to a file of the tree, and
# expects that the check fails with the message.
plant() {
  cat >>"$3"
  expect "$1" "$2" "$3"
}

# expect CHECK MESSAGE WHERE: the check fails with the message, a fixed
# string. The tree is as new afterwards.
expect() {
  local output
  if output=$(tools/lint.sh "$1" 2>&1); then
    echo "$1: did not see the fault in $3 ($2)"
    status=1
  elif ! grep -qF -- "$2" <<<"$output"; then
    echo "$1: failed, but did not say '$2':"
    echo "$output"
    status=1
  fi
  renew
}

renew() {
  find "$tree" -mindepth 1 -delete
  cp -r "$clean/." "$tree"
}

make_tree
renew
cd "$tree" || exit 1
if ! output=$(tools/lint.sh format tidy layers headers symbols lengths banned \
  atomics documented words licence quoted spelling shell 2>&1); then
  printf '%s\n' 'the small tree is not clean to begin with:' "$output"
  exit 1
fi

code=src/base/fine.c
home=/home
header=include/weft/fine.h

plant format 'clang-format -i' $code <<<'static   int unused;'

plant tidy 'identifier-naming' $code <<<'int weftOther(void);'
plant tidy 'identifier-naming' $code <<<'typedef int weft_number;'
plant tidy 'atomic-implicit-seq-cst' $code <<'END'
static _Atomic int weft_count;
int weft_peek(void);
int weft_peek(void) { return weft_count; }
END
plant tidy '7 parameters' $code <<'END'
int weft_many(int a, int b, int c, int d, int e, int f, int g);
int weft_many(int a, int b, int c, int d, int e, int f, int g) {
  return a + b + c + d + e + f + g;
}
END
{
  printf 'int weft_long(int a);\nint weft_long(int a) {\n'
  for _ in $(seq 72); do echo '  a++;'; done
  printf '  return a;\n}\n'
} | plant tidy 'lines including' $code
plant tidy 'clang-analyzer-unix.Malloc' $code <<'END'
void weft_twice(void *block);
void weft_twice(void *block) {
  free(block);
  free(block);
}
END

plant layers 'a later layer' $code <<<'#include "async/async.h"'
plant layers 'behind src/sys' $code <<<'#include <unistd.h>'
plant layers 'public header' $header <<<'#include <stdatomic.h>'
mkdir src/attic && plant layers 'not in the list' src/attic/a.c \
  <<<'#include <stddef.h>'
mkdir cli && plant layers 'inside the library' cli/a.c \
  <<<'#include "async/async.h"'

plant headers 'size_t' $header <<<'size_t weft_undeclared(void);'
plant headers 'class' $header <<<'int weft_cxx_keyword(int class);'

WEFT_STRAY='__attribute__((visibility("default"))) int stray(void);'
printf '%s\nint stray(void) { return 1; }\n' "$WEFT_STRAY" >>$code
build_library && expect symbols 'exported: stray' $code
printf 'int stray(void);\nint stray(void) { return 1; }\n' >>$code
build_library && expect symbols 'neither static nor weft_*: stray' $code
build_library -Wl,--no-as-needed -ldl -lpthread -ljansson &&
  expect symbols 'needs: libjansson' 'the link'

plant lengths '81 columns' $code <<<"// $(printf '%078d' 0)"
seq 801 | sed 's/.*//' | plant lengths 'split the file' $code

plant banned '[order]' $code <<<'int x = atomic_load(&y);'
plant banned '[fence]' $code <<<'  atomic_thread_fence(memory_order_acquire);'
plant banned '[volatile]' $code <<<'static volatile int x;'
plant banned '[prototype]' $code <<<'int weft_old();'
plant banned '[string]' $code <<<'  strcpy(a, b);'
plant banned '[sleep]' $code <<<'  usleep(1000);'
plant banned '[end]' $code <<<'  abort();'
plant banned '[heap]' $code <<<'  void* a = malloc(1);'
plant banned '[print]' $code <<<'  fprintf(stderr, "no");'
plant banned '[system]' $code <<<'  return errno;'
plant banned '[todo]' $code <<<'// FIX''ME later.'

plant atomics 'pairs with' $code <<'END'








  atomic_load_explicit(&x, memory_order_acquire);
END

plant documented 'say what' $header <<'END'

WEFT_API int weft_silent(void);
END

plant words 'is of one machine' README.md <<<"See $home/somebody/notes."
plant words 'not under which number' README.md <<<'Mends issue'' 12.'

plant licence 'name the licence' src/base/bare.c <<<'// Nothing else.'
plant quoted 'does not show src/base/fine.c' README.md <<'END'
This is `src/base/fine.c`, whole:

```c
int weft_fine(int number);
```
END

plant spelling 'teh' README.md <<<'Te''h end; te''h end.'

plant shell 'SC2086' tools/list_sources.sh <<<"rm \$1"

exit "$status"
