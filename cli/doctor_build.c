// SPDX-License-Identifier: Apache-2.0
//
// Checks of the build: what this command and its library are made of.

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/doctor.h"
#include "weft/weft.h"

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor, patch) \
  TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)
#define HEADER_VERSION \
  VERSION_TEXT(WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR, WEFT_VERSION_PATCH)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER "thread"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER "address"
#elif __has_feature(thread_sanitizer)
#define SANITIZER "thread"
#elif __has_feature(memory_sanitizer)
#define SANITIZER "memory"
#endif
#endif
#ifndef SANITIZER
#define SANITIZER ""
#endif

#if defined(__x86_64__)
#define MACHINE "x86-64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "other"
#endif

#ifdef __OPTIMIZE__
#define IS_OPTIMIZED true
#else
#define IS_OPTIMIZED false
#endif

#ifdef NDEBUG
#define HAS_ASSERTIONS false
#else
#define HAS_ASSERTIONS true
#endif

static void look_at_version(const weft_doctor_host_t* host,
                            weft_doctor_finding_t* finding) {
  (void)host;
  bool same = strcmp(weft_version(), HEADER_VERSION) == 0;
  weft_doctor_set(finding, same ? WEFT_DOCTOR_OK : WEFT_DOCTOR_FAIL,
                  "library %s, headers %s", weft_version(), HEADER_VERSION);
}

static void look_at_machine(const weft_doctor_host_t* host,
                            weft_doctor_finding_t* finding) {
  (void)host;
  bool known = strcmp(MACHINE, "other") != 0;
  weft_doctor_set(finding, known ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
                  MACHINE);
}

static void look_at_compiler(const weft_doctor_host_t* host,
                             weft_doctor_finding_t* finding) {
  (void)host;
#ifdef __clang__
  const char* name = "";
#else
  const char* name = "gcc ";
#endif
  weft_doctor_set(finding, IS_OPTIMIZED ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN,
                  "%s%s, %s", name, __VERSION__,
                  IS_OPTIMIZED ? "optimized" : "not optimized");
}

static void look_at_sanitizer(const weft_doctor_host_t* host,
                              weft_doctor_finding_t* finding) {
  (void)host;
  bool none = SANITIZER[0] == '\0';
  weft_doctor_set(finding, none ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN, "%s",
                  none ? "none" : SANITIZER);
}

static void look_at_assertions(const weft_doctor_host_t* host,
                               weft_doctor_finding_t* finding) {
  (void)host;
  weft_doctor_set(finding, HAS_ASSERTIONS ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN,
                  HAS_ASSERTIONS ? "on" : "off");
}

static void look_at_libraries(const weft_doctor_host_t* host,
                              weft_doctor_finding_t* finding) {
  (void)host;
  weft_doctor_set(finding, WEFT_DOCTOR_OK,
                  "libweft: the C library alone (no cblas); this command: "
                  "jansson %s",
                  jansson_version_str());
}

static const weft_doctor_check_t checks[] = {
    {"build", "version",
     "A library of another version may lay out its structs differently.",
     "build again with the headers of the library that is installed",
     look_at_version},
    {"build", "machine", "weft is tested on x86-64 and aarch64 only.",
     "run 'make test', and tell what fails", look_at_machine},
    {"build", "compiler", "Without optimization no figure means anything.",
     "meson configure build --buildtype=debugoptimized && ninja -C build",
     look_at_compiler},
    {"build", "sanitizer", "Sanitizers find faults, and make all else slow.",
     "meson configure build -Db_sanitize=none && ninja -C build",
     look_at_sanitizer},
    {"build", "assertions",
     "An invariant that breaks should end the program, not spread.",
     "meson configure build -Db_ndebug=false && ninja -C build",
     look_at_assertions},
    {"build", "libraries", "What the library needs to be there at run time.",
     "apt-get install libjansson4", look_at_libraries},
};

const weft_doctor_checks_t weft_doctor_build = {
    .checks = checks,
    .count = sizeof(checks) / sizeof(checks[0]),
};
