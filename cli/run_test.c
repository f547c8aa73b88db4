// SPDX-License-Identifier: Apache-2.0
#include "tests/kit/kit.h"
int main(void) {
  return 0;
}
