// SPDX-License-Identifier: Apache-2.0
//
// The result of everything that can fail: one word. Zero is success and costs
// nothing; anything else is a code and, nearly always, a counted, immutable
// payload that says what happened, where, and because of what. The code tells
// a caller what to do; the payload tells a person what to mend. Both cross
// every boundary unchanged: a future, a call, a process.
//
// Ownership: a function that returns a status hands over one reference. Give
// it on, or release it. Functions here that take a `weft_status_t` borrow it,
// unless they say otherwise.
// Thread: statuses are immutable; any thread may read, retain and release one.
// Source of the idea: the one-word status of IREE's runtime, and the codes
// that absl::Status took from gRPC.

#ifndef WEFT_STATUS_H_
#define WEFT_STATUS_H_

#include "weft/common.h"

WEFT_BEGIN_DECLS

// A word: WEFT_OK, or code and payload. Opaque; compare with nothing but
// WEFT_OK, and ask `weft_status_code` for the rest.
typedef struct weft_status_word* weft_status_t;

#define WEFT_OK ((weft_status_t)0)

// X(identifier, number, name, what the caller can do).
// Numbers are part of the wire format: never reuse one.
#define WEFT_STATUS_CODES(X)                                                  \
  X(OK, 0, "ok", "nothing is wrong")                                          \
  X(CANCELLED, 1, "cancelled", "somebody asked for it: stop quietly")         \
  X(INVALID_ARGUMENT, 2, "invalid argument", "mend the call")                 \
  X(DEADLINE_EXCEEDED, 3, "deadline exceeded", "wait again, or give up")      \
  X(NOT_FOUND, 4, "not found", "the name or handle means nothing (any more)") \
  X(ALREADY_EXISTS, 5, "already exists", "it was done before: go on")         \
  X(PERMISSION_DENIED, 6, "permission denied", "ask whoever may")             \
  X(RESOURCE_EXHAUSTED, 7, "resource exhausted",                              \
    "free some, or raise a limit")                                            \
  X(FAILED_PRECONDITION, 8, "failed precondition", "do what comes first")     \
  X(OUT_OF_RANGE, 9, "out of range", "stay within the bounds named")          \
  X(UNIMPLEMENTED, 10, "unimplemented", "this build or object cannot do it")  \
  X(INTERNAL, 11, "internal error", "a defect of weft: report it")            \
  X(UNAVAILABLE, 12, "unavailable", "try again later")                        \
  X(WOULD_BLOCK, 13, "would block", "try again when there is room")           \
  X(ABANDONED, 14, "abandoned", "the promise was dropped: look at its maker") \
  X(DEADLOCK, 15, "deadlock", "break the circle that is named")               \
  X(ACTOR_EXITED, 16, "actor exited", "the cause says why; spawn another")    \
  X(PEER_DIED, 17, "peer died", "the process is gone; go on without it")      \
  X(CLOSED, 18, "closed", "no more will come: finish")                        \
  X(DATA_LOSS, 19, "data loss", "bytes were lost or damaged: start afresh")   \
  X(FORKED, 20, "forked", "create a runtime of the child's own")              \
  X(FAILED, 21, "failed", "the program's own code said so: see the message")

typedef enum weft_status_code {
#define WEFT_STATUS_ENUM(identifier, number, name, advice) \
  WEFT_STATUS_##identifier = (number),
  WEFT_STATUS_CODES(WEFT_STATUS_ENUM)
#undef WEFT_STATUS_ENUM
} weft_status_code_t;

// One more than the highest code; codes always fit 5 bits.
#define WEFT_STATUS_CODE_COUNT 22

// Makes a status with a message in printf's form. `code` is not OK. The file
// and line are the caller's, and when the calling thread runs a handler the
// status also records the rank, the actor and the endpoint.
// Errors: without memory the status keeps its code and loses its message.
#define weft_status_make(code, ...) \
  weft_status_create((code), __FILE__, __LINE__, __VA_ARGS__)

// As `weft_status_make`, because of `cause`, which it takes over. A cause of
// WEFT_OK is the same as none.
#define weft_status_make_caused(code, cause, ...) \
  weft_status_create_caused((code), (cause), __FILE__, __LINE__, __VA_ARGS__)

// What `weft_status_make` calls.
WEFT_API WEFT_MUST_USE weft_status_t weft_status_create(weft_status_code_t code,
                                                        const char* file,
                                                        int line,
                                                        const char* format, ...)
    WEFT_PRINTF(4, 5);

// What `weft_status_make_caused` calls. Owns: takes `cause` over.
WEFT_API WEFT_MUST_USE weft_status_t weft_status_create_caused(
    weft_status_code_t code, weft_status_t cause, const char* file, int line,
    const char* format, ...) WEFT_PRINTF(5, 6);

// A code alone, without message, place or cause; costs nothing. For outcomes
// that are expected and tried again, such as WOULD_BLOCK.
WEFT_API WEFT_MUST_USE weft_status_t
weft_status_from_code(weft_status_code_t code);

// True for WEFT_OK.
static inline bool weft_status_is_ok(weft_status_t status) {
  return status == WEFT_OK;
}

// The code of a status; WEFT_STATUS_OK for WEFT_OK.
WEFT_API weft_status_code_t weft_status_code(weft_status_t status);

// The name of a code in words, such as "deadline exceeded". Never NULL.
WEFT_API const char* weft_status_code_name(weft_status_code_t code);

// What a caller can do about a code, in a few words. Never NULL.
WEFT_API const char* weft_status_code_advice(weft_status_code_t code);

// What happened, without code and place. Never NULL; borrowed.
WEFT_API const char* weft_status_message(weft_status_t status);

// Where a status was made. Strings are borrowed from the status.
typedef struct weft_status_origin {
  // Source file and line; NULL and 0 when unknown.
  const char* file;
  int line;
  // Rank of the runtime; -1 outside of handlers.
  int32_t rank;
  // The actor as "class#index" and the endpoint's name; NULL outside of
  // handlers.
  const char* actor;
  const char* endpoint;
} weft_status_origin_t;

// Where it was made.
WEFT_API weft_status_origin_t weft_status_origin(weft_status_t status);

// The status that led to this one, borrowed; WEFT_OK at the root.
WEFT_API weft_status_t weft_status_cause(weft_status_t status);

// The first cause: follows `weft_status_cause` to its end. Borrowed.
WEFT_API weft_status_t weft_status_root(weft_status_t status);

// Another reference to the same status.
WEFT_API WEFT_MUST_USE weft_status_t weft_status_retain(weft_status_t status);

// Gives a reference back. WEFT_OK is fine.
WEFT_API void weft_status_release(weft_status_t status);

// Releases a status whose failure is expected here; returns its code. For
// code that has decided that an error does not matter.
WEFT_API weft_status_code_t weft_status_ignore(weft_status_t status);

// Writes the whole of a status as text for people, one cause a line, and a
// final NUL as far as `capacity` allows. Returns the length without the NUL
// that the whole text has.
// Units: bytes.
WEFT_API size_t weft_status_format(weft_status_t status, char* buffer,
                                   size_t capacity);

// Writes an error to standard error, after the program's name, and releases
// it; nothing for WEFT_OK. Returns what `main` should: 0 for WEFT_OK, else 1.
WEFT_API int weft_status_report(weft_status_t status);

// Returns from the calling function when an expression gives an error. The
// only macro of weft that changes control flow.
#define WEFT_RETURN_IF_ERROR(expression)              \
  do {                                                \
    weft_status_t weft_status_checked = (expression); \
    if (weft_status_checked != WEFT_OK) {             \
      return weft_status_checked;                     \
    }                                                 \
  } while (0)

WEFT_END_DECLS

#endif  // WEFT_STATUS_H_
