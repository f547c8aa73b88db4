// SPDX-License-Identifier: Apache-2.0
//
// Whether this build watches memory or threads at run time.

#ifndef WEFT_BASE_SANITIZER_H_
#define WEFT_BASE_SANITIZER_H_

// 1 under the address, memory or thread sanitizer of gcc or clang, else 0.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(thread_sanitizer)
#define WEFT_SANITIZER 1
#else
#define WEFT_SANITIZER 0
#endif
#else
#define WEFT_SANITIZER 0
#endif

#endif  // WEFT_BASE_SANITIZER_H_
